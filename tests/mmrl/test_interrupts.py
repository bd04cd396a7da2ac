"""Ctrl-C, SIGTERM and SIGHUP end what is running in order."""

import signal
import threading

import pytest

from mmrl import interrupts
from mmrl.interrupts import SIGNALS, Interrupted, graceful_stop, signals_interrupt


@pytest.mark.parametrize("signum", SIGNALS)
def test_the_first_asks_and_the_second_ends(signum, capsys, monkeypatch):
    before = [signal.getsignal(one) for one in SIGNALS]
    calls = []
    with graceful_stop("this step", lambda: calls.append(1)) as stop:
        assert not stop
        signal.raise_signal(signum)
        assert stop
        assert stop.signal == signum
        signal.raise_signal(signum)  # a repetition at once
        monkeypatch.setattr(interrupts, "_REPETITION_SECONDS", -1.0)
        with pytest.raises(Interrupted):
            signal.raise_signal(signum)
        with pytest.raises(Interrupted) as caught:
            stop.raise_if_asked()
    assert caught.value.signal == signum
    assert calls == [1]
    assert "stopping after this step; once more stops at once" in capsys.readouterr().err
    assert [signal.getsignal(one) for one in SIGNALS] == before


@pytest.mark.parametrize("signum", SIGNALS)
def test_elsewhere_they_end_at_once(signum):
    with pytest.raises(KeyboardInterrupt) as caught, signals_interrupt():
        signal.raise_signal(signum)
    assert caught.value.signal == signum


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with graceful_stop() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_change_nothing():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with graceful_stop():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


class Process:
    """A process that notes which signals it is sent."""

    def __init__(self):
        self.signals = []

    def send_signal(self, signum):
        self.signals.append(signum)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


@pytest.mark.skipif(hasattr(signal, "CTRL_BREAK_EVENT"), reason="this is Windows")
def test_a_process_with_a_session_of_its_own():
    process = Process()
    interrupts.ask_to_end(process)
    assert process.signals == [signal.SIGTERM]
    assert interrupts.own_group() == {"start_new_session": True}


def test_a_process_on_windows(monkeypatch):
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    monkeypatch.setattr(interrupts.subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    process = Process()
    interrupts.ask_to_end(process)
    assert process.signals == [1]
    assert interrupts.own_group() == {"creationflags": 512}

"""What all tests share."""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from typing import Any

import pytest
from hypothesis import settings
from tensorboard.summary.writer import event_file_writer

from mmrl.device import available_devices

settings.register_profile("thorough", max_examples=500)

# TensorBoard reads the event files of a folder in the order of their names, which end with the
# second, the process and a count. A test goes on with a training within its second, and there
# the ninth file of a process would come after the tenth: we count from a number with more digits.
event_file_writer._global_uid = event_file_writer.AtomicCounter(10_000)


def pytest_configure(config):
    """Have a hang-up interrupt as elsewhere, also where the tests run under nohup."""
    if getattr(signal, "SIGHUP", None) and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish(session):
    """Leave what was imported and collected out of garbage collections: half a million objects."""
    gc.freeze()


def pytest_unconfigure(config):
    """Say what the tests cost: the time of processors, of this process and all that it began and
    waited for, which is what a machine's load changes least.
    """
    forkserver._forkserver._stop()  # and wait for it: see tests/warm.py
    if hasattr(config, "workerinput"):  # one of several processes: the first of them counts it
        return
    took = os.times()
    seconds = took.user + took.system + took.children_user + took.children_system
    print(f"{seconds / 60:.1f} CPU minutes")


@pytest.fixture(autouse=True, scope="session")
def no_logs_elsewhere(tmp_path_factory) -> Iterator[None]:
    """Keep the log folders that stable-baselines3 makes for each training among the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("logs")))
        yield


@pytest.fixture(params=available_devices())
def device(request):
    """Each kind of device that this machine has, by its name."""
    return request.param


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, by Playwright; without them, a test is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no chromium: {error.message.splitlines()[0]}")
        yield browser
        browser.close()

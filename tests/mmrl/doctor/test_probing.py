"""The probe: imports in another process, which may crash, hang or fail."""

import os

import pytest

from mmrl.doctor import probe, probing
from mmrl.doctor.probing import run_probes


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules that fail in every way, on the path of this process and of those it starts."""
    (tmp_path / "fine_one.py").write_text("print('a banner')")
    (tmp_path / "failing_one.py").write_text("raise OSError('libdevice.so:\\n  not there')")
    (tmp_path / "leaving_one.py").write_text("raise SystemExit('no licence')")
    (tmp_path / "crashing_one.py").write_text("import os; os.abort()")
    (tmp_path / "hanging_one.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)


def test_what_crashes_is_found_and_the_rest_is_tried(modules):
    names = ["crashing_one", "failing_one", "fine_one", "leaving_one", "no_such_module"]
    found = run_probes(names)
    assert found["fine_one"] == {"value": ""}
    assert found["failing_one"] == {"error": "OSError: libdevice.so: not there"}
    assert found["leaving_one"] == {"error": "SystemExit: no licence"}
    assert "No module named 'no_such_module'" in found["no_such_module"]["error"]
    assert found["crashing_one"]["error"].startswith(("crashes Python by SIGABRT", "exits"))


def test_what_hangs_is_an_error(modules, monkeypatch):
    monkeypatch.setattr(probing, "_PATIENCE", 2.0)
    found = run_probes(["fine_one", "hanging_one"])
    assert found["fine_one"] == {"value": ""}
    assert "takes more than 2 seconds" in found["hanging_one"]["error"]


def test_a_python_that_does_not_start(monkeypatch):
    monkeypatch.setattr(probing, "_PROGRAM", "import no_such_module")
    found = run_probes(["json", "math"])
    assert "Python itself fails" in found["json"]["error"]
    assert found.keys() == {"json", "math"}


def test_devices():
    value = probe.probe(probe.DEVICES)["value"]
    assert value["threads"] >= 1
    assert isinstance(value["cuda"], list)


def test_a_check_of_a_package():
    assert probe.probe(f"{probe.CHECK}kernels")["value"].startswith("in ")
    assert "KeyError" in probe.probe(f"{probe.CHECK}nothing")["error"]

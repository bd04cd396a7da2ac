"""``mmrl doctor``: its text, its JSON and its exit status."""

import json
import subprocess
import sys

import pytest

from mmrl.cli import doctor
from mmrl.doctor.findings import Finding, Status


@pytest.mark.parametrize(("status", "code"), [(Status.WARNING, 0), (Status.BROKEN, 1)])
def test_exit_status(call, monkeypatch, status, code):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("packages", "numba", status, "0.1")])
    result, out, _ = call("doctor")
    assert result == code
    assert f"numba  {status}: 0.1" in out
    result, out, _ = call("doctor", "--json")
    assert result == code
    assert json.loads(out) == [
        {"section": "packages", "name": "numba", "status": status, "text": "0.1", "fix": ""}
    ]


def test_it_works_where_packages_cannot_be_imported(tmp_path):
    broken = ("torch", "numba", "numpy", "gymnasium", "jsonargparse", "rich", "yaml")
    for name in broken:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is broken')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mmrl.doctor import packages\n"
        "packages.run_probes = lambda names: {one: {'error': 'broken'} for one in names}\n"
        "from mmrl.cli import main\n"
        "sys.exit(main(['doctor']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "something that mmrl needs is broken" in done.stdout
    assert done.stderr == ""

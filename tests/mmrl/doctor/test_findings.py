"""What is found of packages, extras and the system, with the line that mends it."""

import locale
import os
import re
import shutil
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from mmrl.doctor import extras, packages, system
from mmrl.doctor.extras import examine_extras
from mmrl.doctor.findings import Finding, Status, format_findings, is_broken
from mmrl.doctor.packages import examine_packages, module_of, requirements
from mmrl.doctor.probe import DEVICES
from mmrl.doctor.system import examine_system

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
CPU = {"threads": 2, "capability": "AVX2", "cuda": [], "built_for_cuda": None, "mps": False}


@pytest.fixture
def probed(monkeypatch):
    """Replaces the probe: everything works, but what is given."""

    def give(**errors):
        def run(names):
            found = {name: {"value": CPU if name == DEVICES else ""} for name in names}
            return found | {name: result for name, result in errors.items() if name in found}

        monkeypatch.setattr(packages, "run_probes", run)

    give()
    return give


def found(findings, name):
    (one,) = [one for one in findings if one.name == name]
    return one


def test_all_works(probed):
    findings = examine_packages()
    assert not is_broken(findings)
    assert found(findings, "cpu").text == "2 threads, kernels for AVX2"
    assert found(findings, "cuda").text == "torch is built for CPUs alone"


def test_the_packages_are_those_of_the_project():
    lines = PROJECT["project"]["dependencies"]
    declared = {re.split(r"[^\w-]", line)[0].replace("_", "-") for line in lines}
    needed = requirements("multimodal-rl")
    assert needed.keys() == declared
    assert needed["numba"] == "<0.69,>=0.61"
    assert needed["jsonargparse"] == "<5,>=4.53"
    assert (module_of("pillow"), module_of("sb3-contrib")) == ("PIL", "sb3_contrib")


@pytest.mark.parametrize("name", ["torch", "numba"])
def test_a_package_that_cannot_be_imported(probed, name):
    probed(**{name: {"error": "ImportError: libgomp.so.1 is missing"}, DEVICES: {"error": "no"}})
    findings = examine_packages()
    one = found(findings, name)
    assert one.status == Status.BROKEN
    assert "libgomp.so.1 is missing" in one.text
    assert re.fullmatch(rf"pip install --force-reinstall --no-deps {name}==[.\d]+", one.fix)
    assert found(findings, "devices").status == Status.WARNING
    assert is_broken(findings)


def test_what_needs_a_broken_package_is_not_the_cause(probed):
    crash = {"error": "crashes Python by SIGABRT"}
    probed(torch=crash, torchvision=crash, stable_baselines3=crash, sb3_contrib=crash)
    findings = examine_packages()
    assert found(findings, "torch").fix
    for name, cause in (
        ("torchvision", "torch"), ("stable-baselines3", "torch"),
        ("sb3-contrib", "stable-baselines3"),
    ):  # fmt: skip
        one = found(findings, name)
        assert one.text.endswith(f"needs {cause}, see there")
        assert (one.status, one.fix) == (Status.BROKEN, "")


def test_a_package_that_is_not_installed(probed, monkeypatch):
    def version(name):
        if name == "numba":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(packages, "version", version)
    one = found(examine_packages(), "numba")
    assert (one.status, one.text) == (Status.BROKEN, "not installed")
    assert one.fix == "pip install 'numba<0.69,>=0.61'"
    old = found(examine_packages(), "torch")
    assert (old.status, old.text) == (Status.WARNING, "1.0 is installed, >=2.6 is needed")


def test_a_source_tree_that_was_never_installed(probed, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "version", missing)
    monkeypatch.setattr(packages, "requires", missing)
    one = found(examine_packages(), "multimodal-rl")
    assert (one.status, one.text) == (Status.BROKEN, "not installed")
    assert "pip install multimodal-rl" in one.fix


def test_an_installation_of_an_earlier_checkout(probed, monkeypatch):
    monkeypatch.setattr(packages, "entry_points", lambda group: {})
    one = found(examine_packages(), "multimodal-rl")
    assert "offers no mmrl.environments and no mmrl.agents and no mmrl.recipes" in one.text
    assert "pip install --no-deps -e ." in one.fix


def test_torchvision_of_another_torch(probed):
    probed(torchvision={"value": "operator torchvision::nms does not exist"})
    findings = examine_packages()
    assert found(findings, "torchvision").status == Status.WARNING
    assert not is_broken(findings)


def test_a_check_that_fails(probed):
    probed(**{"check:kernels": {"error": "OSError: set NUMBA_CACHE_DIR"}})
    one = found(examine_packages(), "kernels")
    assert (one.status, one.text) == (Status.BROKEN, "OSError: set NUMBA_CACHE_DIR")


def test_a_gpu(probed):
    probed(**{DEVICES: {"value": CPU | {"cuda": ["H", "H"], "mps": True}}})
    findings = examine_packages()
    assert found(findings, "cuda").text == "H, H"
    assert found(findings, "mps").text == "Apple's GPU"


def test_extras(monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda module: module != "pygame")
    findings = examine_extras()
    missing = found(findings, "play")
    assert (missing.status, missing.fix) == (Status.MISSING, "pip install 'multimodal-rl[play]'")
    assert found(findings, "plots").status == Status.OK
    assert not is_broken(findings)


def test_two_pygames(monkeypatch):
    monkeypatch.setattr(extras, "version", lambda name: "2.5")
    one = found(examine_extras(), "pygame")
    assert one.text == "pygame 2.5 and pygame-ce 2.5 are the same module"
    assert one.status == Status.WARNING


def test_system():
    findings = examine_system()
    assert found(findings, "Python").text.startswith(sys.version.split()[0])
    assert {one.section for one in findings} == {"system"}


def test_little_disk_and_another_encoding(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=10**8)
    monkeypatch.setattr(system.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(locale, "getpreferredencoding", lambda do_setlocale: "cp1252")
    findings = examine_system()
    assert found(findings, "disk").text.startswith("0.1 GB free")
    assert found(findings, "text").fix == "set the variable PYTHONUTF8=1"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "cannot be written" in found(examine_system(), "disk").text


def test_a_table_of_findings():
    text = format_findings(
        [
            Finding("system", "disk", Status.OK, "90 GB"),
            Finding("packages", "numba", Status.BROKEN, "a\x1b", "pip install numba"),
        ]
    )
    assert text.splitlines() == [
        "system",
        "  disk   90 GB",
        "packages",
        "  numba  broken: a\\x1b",
        "         → pip install numba",
    ]

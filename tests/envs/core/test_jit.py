"""JIT compilation: stamps of cached kernels, device functions, processes that want the same kernel,
and the internals of numba that ``core/jit.py`` relies on.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching, codegen
from numba.core.registry import CPUDispatcher
from packaging.requirements import Requirement

from mmrl_envs.grid.core import jit, rng

ROOT = Path(__file__).parents[3]
REASON = (
    f"core/jit.py was tested with numba 0.68, this is {numba.__version__}: mend it for this "
    "version, or lower the bound in pyproject.toml"
)


@pytest.fixture
def stamp(tmp_path, monkeypatch):
    """A function that gives the stamp of a file in a small package, fresh from the disk."""
    package = tmp_path / "mmrl_envs" / "grid"
    (package / "core").mkdir(parents=True)
    (package / "core" / "jit.py").write_text("")
    (package / "low.py").write_text("value = 1\n")
    (package / "middle.py").write_text("from mmrl_envs.grid.low import value\n")
    (package / "high.py").write_text("from mmrl_envs.grid import middle\n")
    (package / "other.py").write_text("import os\n")
    monkeypatch.setattr(jit, "__file__", str(package / "core" / "jit.py"))

    def look(name):
        jit._imported.cache_clear()
        jit._sources_hash.cache_clear()
        return jit._sources_hash(package / f"{name}.py")

    yield look, package
    jit._imported.cache_clear()
    jit._sources_hash.cache_clear()


@pytest.mark.parametrize("changed", ["high", "middle", "low", "core/jit"])
def test_a_change_below_changes_the_stamp(stamp, changed):
    look, package = stamp
    before = look("high")
    (package / f"{changed}.py").write_text("value = 2\n")
    assert look("high") != before


def test_a_change_elsewhere_does_not(stamp):
    look, package = stamp
    before = look("high")
    (package / "other.py").write_text("import sys\n")
    assert look("high") == before
    assert look("low") != look("middle")


def test_the_version_of_numba_is_bounded():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = next(one for one in map(Requirement, project["dependencies"]) if one.name == "numba")
    assert any(bound.operator == "<" for bound in required.specifier), (
        "bound numba: see core/jit.py"
    )
    assert numba.__version__ in required.specifier, REASON


def test_cached_kernels_are_stamped_by_our_locators():
    assert caching.CacheImpl._locator_classes[:4] == jit._OURS, REASON
    locator = rng.seed_rng._cache._impl._locator
    assert isinstance(locator, jit._ImportAwareLocator), REASON
    assert locator.get_source_stamp() == jit._sources_hash(Path(rng.__file__)), REASON


def test_functions_of_others_keep_their_locators():
    def elsewhere(number):
        return number

    locator = numba.njit(cache=True)(elsewhere)._cache._impl._locator
    assert not isinstance(locator, jit._ImportAwareLocator)


def test_device_functions_raise_when_called_from_python():
    assert type(numba.njit(lambda: 0)) is CPUDispatcher, REASON
    assert type(jit.signed) is jit._DeviceFunction, REASON
    with pytest.raises(
        TypeError, match="signed is a device function, for kernels; from Python call"
    ):
        jit.signed(np.uint8(3))
    assert jit.signed.py_func(np.uint8(3)) == 3


def test_device_functions_are_compiled_once_for_all_constants():
    double = jit.device_function(lambda number: 2 * number)
    assert numba.njit(lambda: double(3) + double(4) + double(5))() == 24
    assert double.signatures == [(numba.int64,)], REASON


def test_the_final_module_is_optimised_unless_we_skip_it(monkeypatch):
    optimised = []
    original = codegen.CPUCodeLibrary._optimize_final_module
    monkeypatch.setattr(
        codegen.CPUCodeLibrary,
        "_optimize_final_module",
        lambda library: (optimised.append(library), original(library)),
    )
    numba.njit("int64(int64)")(lambda number: number + 1)
    assert optimised, REASON
    optimised.clear()
    with jit._final_optimization(jit._skip_optimization):
        numba.njit("int64(int64)")(lambda number: number + 2)
    assert not optimised, REASON
    numba.njit("int64(int64)")(lambda number: number + 3)
    assert optimised, REASON


def test_the_callees_of_a_kernel_are_private_to_it():
    """Else the process that compiles them calls the device functions' own, unoptimised code."""

    @numba.njit
    def fibonacci(number):  # recursive: it cannot be inlined
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    def caller(number):
        return fibonacci(number)

    assert "define linkonce_odr" in compiled_code(caller)
    with jit._final_optimization(jit._Kernel._optimize):
        assert "define linkonce_odr" not in compiled_code(caller), REASON


def test_what_is_compiled_later_does_not_find_a_kernels_own_callees():
    """They are fitted to it, here to a constant base: symbols of all modules are in one table."""

    @numba.njit
    def power(base, exponent):  # recursive: it cannot be inlined
        return 1 if exponent == 0 else base * power(base, exponent - 1)

    with jit._final_optimization(jit._Kernel._optimize):
        of_two = numba.njit("int64(int64)")(lambda exponent: power(np.int64(2), exponent))
    assert of_two(5) == 32, REASON
    of_three = numba.njit("int64(int64)")(lambda exponent: power(np.int64(3), exponent))
    assert of_three(4) == 81, REASON


def compiled_code(function):
    """LLVM's code of a function of one integer, and of its callees."""
    return numba.njit("int64(int64)")(function).inspect_llvm((numba.int64,))


def test_kernels_cannot_allocate():
    """They are compiled without numba's runtime, which would count references."""
    allocate = numba.njit(**jit._OPTIONS)(lambda: np.zeros(3))
    with pytest.raises(numba.TypingError):
        allocate()


WANTED = """
from mmrl_envs.grid.core.jit import device_function, kernel

@device_function
def below(number):
    return number + 1

@kernel
def wanted(number):
    return below(number) + 1
"""


def want(together, found):
    """A process: call the kernel with the others; how often it was in the cache, and was not."""
    wanted = importlib.import_module("wanted").wanted
    together.wait()
    assert wanted(1) == 3
    found.put((sum(wanted.stats.cache_hits.values()), sum(wanted.stats.cache_misses.values())))


def test_one_of_several_processes_compiles_and_the_others_wait(tmp_path, monkeypatch):
    (tmp_path / "wanted.py").write_text(WANTED)
    monkeypatch.syspath_prepend(tmp_path)
    fork = multiprocessing.get_context("fork")
    together, found = fork.Barrier(3), fork.SimpleQueue()
    tasks = [fork.Process(target=want, args=(together, found)) for _ in range(3)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0, 0, 0]
    assert sorted(found.get() for _ in tasks) == [(0, 1), (1, 0), (1, 0)]


WITHOUT_JIT = """
import gymnasium, mmrl_envs
for level in ("PutNextLocal", "BossLevel"):
    env = gymnasium.make(f"mmrl/{level}-v0").unwrapped
    shown = [env.reset(seed=3)[0]["image"].sum()]
    for _ in range(5):
        shown.append(env.step(env.expert_action())[0]["image"].sum())
    print(shown)
"""


def test_kernels_are_the_same_in_a_debugger():
    """With NUMBA_DISABLE_JIT=1 they run as Python."""

    def output(**variables):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", WITHOUT_JIT],
            env={**os.environ, **variables}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert output(NUMBA_DISABLE_JIT="1") == output() != ""

"""Help is printed without the libraries that train: which modules are loaded, not how fast."""

import subprocess
import sys

import pytest

HEAVY = {
    "matplotlib", "numba", "pygame", "sb3_contrib", "scipy", "stable_baselines3", "tensorboard",
    "torch", "torchvision", "transformers",
}  # fmt: skip
SCRIPT = """
import sys
from mmrl.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(*arguments: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the packages that it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    printed, _, names = done.stdout.rpartition("loaded:")
    return printed, set(names.split())


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["train", "--help"], "--imagination.horizon"),
        (["eval", "--help"], "--swap-instructions"),
        (["fit", "--help"], "world-model"),
        (["fit", "captioner", "--help"], "--word-dropout"),
    ],
)
def test_help_loads_no_library_that_trains(arguments, option):
    printed, names = loaded(*arguments)
    assert option in printed
    assert not HEAVY & names


def test_the_version_loads_no_numbers():
    printed, names = loaded("--version")
    assert printed.startswith("mmrl ")
    assert not (HEAVY | {"numpy", "gymnasium", "jsonargparse"}) & names

"""Published Gymnasium packages as they are: what is understood of them, and whether agents train.


    pip install ale-py highway-env gym-pusht popgym ...   # any of those below
    python benchmarks/packages.py
    python benchmarks/packages.py --only popgym-RepeatPreviousEasy-v0

Of each environment whose package is installed, ``benchmarks/results/packages.json`` has what
``mmrl check-env`` finds in 60 random steps, and whether ``mmrl train`` trains there by the command
alone: 256 steps of PPO with 4 environments, two clips, an evaluation of two episodes. A table lies
beside it as Markdown. Environments that are not tried this time keep their entries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

RESULTS: Final = Path(__file__).parent / "results"
_SMALL: Final = [
    "--steps", "256", "--ppo.num-envs", "4", "--ppo.n-steps", "32", "--ppo.batch-size", "64",
    "--ppo.n-epochs", "1", "--clip-every", "128", "--eval-episodes", "2", "--controls", "false",
]  # fmt: skip
_PATIENCE: Final = 240  # seconds for each command
_LIMIT: Final = {"time_limit": 100}  # where episodes last for thousands of steps


@dataclass(frozen=True)
class Entry:
    """One environment.

    Attributes:
        package: on PyPI.
        module: that registers it; empty for Gymnasium's own.
        id: of the environment.
        adapter: ``env_adapter``, where the command alone would take too long.
        args: ``env_args``.
    """

    package: str
    module: str
    id: str
    adapter: dict[str, Any] = field(default_factory=dict)
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def env(self) -> str:
        """As the command takes it."""
        return f"{self.module}:{self.id}" if self.module else self.id


ENTRIES: Final = (
    Entry("gymnasium", "", "CartPole-v1"),
    Entry("gymnasium", "", "Pendulum-v1"),
    Entry("gymnasium", "", "FrozenLake-v1"),
    Entry("gymnasium", "", "Blackjack-v1"),
    Entry("gymnasium", "", "Taxi-v4"),
    Entry("box2d", "", "LunarLander-v3", _LIMIT),
    Entry("box2d", "", "CarRacing-v3", _LIMIT),
    Entry("box2d", "", "BipedalWalker-v3", _LIMIT),
    Entry("mujoco", "", "HalfCheetah-v5", _LIMIT),
    Entry("mujoco", "", "Humanoid-v5", _LIMIT),
    Entry("minigrid", "", "BabyAI-GoToLocal-v0"),
    Entry("minigrid", "", "MiniGrid-DoorKey-5x5-v0", _LIMIT),
    Entry("ale-py", "ale_py", "ALE/Pong-v5", _LIMIT),
    Entry("ale-py", "ale_py", "ALE/Breakout-v5", _LIMIT, {"obs_type": "grayscale"}),
    Entry("highway-env", "highway_env", "highway-fast-v0"),
    Entry("highway-env", "highway_env", "parking-v0", _LIMIT),
    Entry("gym-pusht", "gym_pusht", "gym_pusht/PushT-v0", _LIMIT),
    Entry("gym-pusht", "gym_pusht", "gym_pusht/PushT-v0", _LIMIT, {"obs_type": "pixels_agent_pos"}),
    Entry("popgym", "popgym", "popgym-RepeatPreviousEasy-v0"),
    Entry("popgym", "popgym", "popgym-PositionOnlyCartPoleEasy-v0"),
    Entry("flappy-bird-gymnasium", "flappy_bird_gymnasium", "FlappyBird-v0", _LIMIT),
    Entry("gymnasium-robotics", "gymnasium_robotics", "FetchReach-v4"),
    Entry("gymnasium-robotics", "gymnasium_robotics", "PointMaze_UMaze-v3", _LIMIT),
    Entry("miniworld", "miniworld", "MiniWorld-OneRoom-v0", _LIMIT),
    Entry("panda-gym", "panda_gym", "PandaReach-v3"),
    Entry("metaworld", "metaworld", "Meta-World/MT1", _LIMIT, {"env_name": "reach-v3"}),
    Entry("ogbench", "ogbench", "cube-single-v0", _LIMIT),
    Entry("gym-aloha", "gym_aloha", "gym_aloha/AlohaTransferCube-v0", _LIMIT),
    Entry("nle", "nle", "NetHackScore-v0", _LIMIT),
    Entry("minihack", "minihack", "MiniHack-Room-5x5-v0", _LIMIT),
)


def is_installed(entry: Entry) -> bool:
    """Whether the package of an environment is there."""
    try:
        version(entry.package)
    except PackageNotFoundError:
        return False
    return not entry.module or find_spec(entry.module) is not None


def measure(entry: Entry, folder: Path) -> dict[str, Any]:
    """Check an environment, and train there."""
    options = ["--env-args", yaml.safe_dump(entry.args, default_flow_style=True).strip()]
    if entry.adapter:
        options += ["--env-adapter", yaml.safe_dump(entry.adapter, default_flow_style=True).strip()]
    report = folder / "check.json"
    check = ["check-env", entry.env, "--steps", "60", "--json", str(report), *options]
    checked, _, said = _mmrl(check)
    found: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    report.unlink(missing_ok=True)
    out = folder / f"{len(list(folder.iterdir()))}"
    status, seconds, last = _mmrl(
        ["train", "--env", entry.env, "--out", str(out), *options, *_SMALL]
    )
    result = json.loads((out / "result.json").read_text()) if status == 0 else {}
    return {
        "package": entry.package,
        "version": version(entry.package),
        "env": entry.env,
        "env_args": entry.args,
        "env_adapter": entry.adapter,
        "check": {**found, "status": checked, **({} if found else {"said": said})},
        "trains": status == 0,
        "seconds": round(seconds, 1),
        "success_is_known": result.get("success_rate") is not None,
        **({} if status == 0 else {"said": last}),
    }


def _mmrl(arguments: list[str]) -> tuple[int, float, str]:
    """A command's status, seconds, and the end of what it printed."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mmrl", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, time.monotonic() - began, f"not done after {_PATIENCE} s"
    lines = done.stdout.strip().splitlines()
    return done.returncode, time.monotonic() - began, "\n".join(lines[-2:])


def table(found: dict[str, Any]) -> str:
    """All environments, one a line."""
    lines = [
        "| package | environment | what was understood | success | steps/s | trains |",
        "|---|---|---|---|--:|---|",
    ]
    for one in found.values():
        check = one["check"]
        rows = check.get("adaptation", [])
        understood = ", ".join(
            f"{row[2]}" for row in rows if row[0] not in ("success", "actions") and row[2]
        )
        actions = next((f"; actions {row[2]}" for row in rows if row[0] == "actions"), "")
        lines.append(
            f"| {one['package']} {one['version']} | `{one['env']}` | {understood or '–'}{actions} "
            f"| {'known' if one['success_is_known'] else 'unknown: return'} "
            f"| {check.get('steps_per_second', 0):,.0f} | {'yes' if one['trains'] else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Try what is installed, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="ID", help="ids, as in the table")
    options = parser.parse_args()
    started, file = time.monotonic(), RESULTS / "packages.json"
    found: dict[str, Any] = json.loads(file.read_text())["environments"] if file.exists() else {}
    chosen = [one for one in ENTRIES if not options.only or one.id in options.only]
    with tempfile.TemporaryDirectory() as folder:
        for entry in filter(is_installed, chosen):
            name = entry.env + (f" {entry.args}" if entry.args else "")
            found[name] = measure(entry, Path(folder))
            print(
                f"{name}: {'trains' if found[name]['trains'] else found[name]['said']}", flush=True
            )
            write_json(file, {"environments": found, **provenance(started)})
            write_atomically(RESULTS / "packages.md", table(found))
    print(table(found), end="")


if __name__ == "__main__":
    main()

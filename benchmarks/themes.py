"""What generated sprites are worth: policies trained with them, tested in a held-out theme.

    python benchmarks/themes.py --jobs 2
    python benchmarks/themes.py --unseen neon --seeds 0 --steps 30000 --name themes-trial

One of the built-in themes is kept apart: no policy is trained in it, and no painter of sprites is
fitted to it. A painter is fitted to the other two (``mmrl fit sprites`` with the options of
``configs/fit/sprites.yaml``), and paints themes in new styles, as ``mmrl paint --theme`` does. Then
``configs/levels/go_to_local_small.yaml`` is trained by the ``mmrl train`` command in three arms:

- ``default``: in Minigrid's theme alone;
- ``sprites``: in Minigrid's theme and the painted ones, one drawn for each episode;
- ``given``: in the two themes that the painter was fitted to, and no painted one: a baseline for
  what the painted ones add to what went into them.

Each trained policy plays the same held-out episodes (``mmrl eval``) in the theme that is kept
apart, in Minigrid's, and in the third one, on which ``given`` was trained, ``sprites`` by way of
its painter, and ``default`` not at all. All of it is done for every theme that ``--unseen`` names;
``default`` is trained once, since it is the same. Options that the script does not know are handed
to ``mmrl train``. Its 15 trainings are meant to take half an hour on two cores.

Kept in ``benchmarks/results/themes.json``: success with Wilson's 95% intervals for every arm, seed
and theme, means over seeds with Student's, who was trained on which theme, and training times;
beside it an image of one scene in all themes for every theme that was kept apart.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import gymnasium as gym
import yaml
from commands import finish, run
from numpy.typing import NDArray
from seeds import add_folder, share_cores, work_folder

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.files import write_bytes, write_json
from mmrl.generative.image.sprites import SpritePainter
from mmrl.images import png
from mmrl.training.load import load
from mmrl.viz.contact_sheet import SheetImage, contact_sheet
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.rendering.themes.files import sprites_of, write_sprites

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
CONFIG: Final = ROOT / "configs" / "levels" / "go_to_local_small.yaml"
SPRITES: Final = ROOT / "configs" / "fit" / "sprites.yaml"
DEFAULT: Final = "minigrid"
ARMS: Final = ("default", "sprites", "given")
TILE: Final = 16
"""Pixels a side of the tiles that painters learn from and paint."""
SHOWN: Final = 10
Case = tuple[str, str, int]
"""The theme that is kept apart ("" where that does not matter), an arm, and a seed."""


def known(unseen: str) -> list[str]:
    """The themes that a painter learns from."""
    return [name for name in THEMES if name != unseen]


def painted(unseen: str, folder: Path, count: int, temperature: float) -> list[str]:
    """Themes in new styles, by a painter that was fitted to all built-in ones but one."""
    out = folder / f"sprites-without-{unseen}"
    data = []
    for name in known(unseen):
        data.append(str(folder / f"{name}.npz"))
        write_sprites(sprites_of(THEMES[name], TILE), Path(data[-1]))
    options = ["--config", SPRITES, "--data", f"[{', '.join(data)}]", "--device", "cpu"]
    finish(out, "fit", "sprites", *options)
    painter = cast("SpritePainter", load(out, "sprites", "cpu"))
    names = painter.names
    files = [folder / f"painted-without-{unseen}-{seed}.npz" for seed in range(count)]
    for seed, file in enumerate(files):
        style = painter.styles(1, seed) * temperature
        made = painter.paint(names, style.expand(len(names), -1))
        write_sprites(dict(zip(names, made, strict=True)), file)
    return list(map(str, files))


def themes_of(arm: str, unseen: str, made: list[str]) -> list[str]:
    """What an arm is trained in."""
    return {"default": [DEFAULT], "sprites": [DEFAULT, *made], "given": known(unseen)}[arm]


def train(case: Case, themes: list[str], folder: Path, steps: int, overrides: list[str]) -> Path:
    """The run folder of a training."""
    unseen, arm, seed = case
    out = folder / "-".join(filter(None, (arm, unseen and f"without-{unseen}", str(seed))))
    options = ["--config", CONFIG, "--steps", steps, "--seed", seed]
    quiet = ["--clip-every", 0, "--checkpoint-every", 0, "--eval-episodes", 1]
    args = ["--env-args", json.dumps({"theme": themes})]
    finish(out, "train", *options, *quiet, *args, *overrides, log=out.with_suffix(".log"))
    return out


def played(path: Path, theme: str, episodes: int) -> dict[str, Any]:
    """The report of ``mmrl eval`` on a run in a theme, unless it is kept already."""
    file = path.with_name(f"{path.name}-in-{theme}-{episodes}.json")
    if not file.is_file():
        options = ["--episodes", str(episodes), "--env-args", json.dumps({"theme": theme})]
        command = ["eval", str(path), *options, "--device", "cpu", "--json", str(file)]
        run(command, path.with_suffix(".log"))
    found = json.loads(file.read_text())
    kept = ("success_rate", "success_rate_95", "episodes", "mean_length")
    return {name: found[name] for name in kept}


def measure(
    case: Case,
    made: dict[str, list[str]],
    folder: Path,
    steps: int,
    episodes: int,
    overrides: list[str],
) -> dict[str, Any]:
    """One training, and its success in every built-in theme."""
    unseen, arm, seed = case
    themes = themes_of(arm, unseen, made.get(unseen, []))
    run = train(case, themes, folder, steps, overrides)
    success = {theme: played(run, theme, episodes) for theme in THEMES}
    rates = ", ".join(f"{name} {one['success_rate']:.1%}" for name, one in success.items())
    without = f" without {unseen}" if unseen else ""
    print(f"{arm}{without}, seed {seed}: {rates}", flush=True)
    return {
        "arm": arm,
        "unseen": unseen or None,
        "seed": seed,
        "themes": [Path(theme).stem for theme in themes],
        "success": success,
        "training_seconds": json.loads((run / "result.json").read_text())["training_seconds"],
    }


def compare(runs: list[dict[str, Any]], unseen: list[str]) -> dict[str, Any]:
    """For each theme that was kept apart, what every arm comes to in each theme, over the seeds."""
    table: dict[str, Any] = {}
    for apart in unseen:
        for arm in ARMS:
            own = [one for one in runs if one["arm"] == arm and one["unseen"] in (None, apart)]
            rates = {
                theme: [one["success"][theme]["success_rate"] for one in own] for theme in THEMES
            }
            table.setdefault(apart, {})[arm] = {
                theme: {
                    "mean": round(sum(of) / len(of), 4),
                    "95": [round(edge, 4) for edge in mean_interval(of, 0.0, 1.0)],
                    "of": [round(one, 4) for one in of],
                }
                for theme, of in rates.items()
            }
    return table


def seen_by(unseen: list[str]) -> dict[str, Any]:
    """Who was trained on which of the built-in themes."""
    return {
        apart: {
            "nobody": [apart],
            "painter of sprites": known(apart),
            "default": [DEFAULT],
            "sprites": [DEFAULT, "painted ones"],
            "given": known(apart),
        }
        for apart in unseen
    }


def scene(theme: str) -> NDArray[Any]:
    """One scene from above, uint8 [H, W, 3]."""
    env = gym.make("mmrl/GoToLocal-v0", theme=theme, view="full", tile_size=21)
    image: NDArray[Any] = env.reset(seed=3)[0]["image"]
    return image


def show(unseen: str, made: list[str], path: Path) -> None:
    """An image of the built-in themes and of some painted ones, side by side."""
    names = {name: "kept apart" if name == unseen else "given" for name in THEMES}
    shown = [SheetImage(scene(name), None, f"{name}: {what}") for name, what in names.items()]
    shown += [SheetImage(scene(file), None, f"painted, {k}") for k, file in enumerate(made[:SHOWN])]
    write_bytes(path, png(contact_sheet(f"themes, {unseen} kept apart", shown)))


def print_table(table: dict[str, Any]) -> None:
    """The comparison, a line an arm."""
    print(f"| kept apart | arm | {' | '.join(THEMES)} |\n|---|---|{'---|' * len(THEMES)}")
    for apart, arms in table.items():
        for arm, themes in arms.items():
            cells = [
                "{:.1%} ({:.1%} to {:.1%})".format(one["mean"], *one["95"])
                for one in themes.values()
            ]
            print(f"| {apart} | {arm} | {' | '.join(cells)} |")


def main() -> None:
    """Fit, paint, train, play, compare, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    apart = [name for name in THEMES if name != DEFAULT]
    parser.add_argument("--unseen", nargs="+", choices=apart, default=apart, help="kept apart")
    parser.add_argument("--painted", type=int, default=16, help="themes in new styles")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the styles")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=150_000, help="of each training")
    parser.add_argument("--episodes", type=int, default=512, help="held-out ones, in each theme")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--name", default="themes", help="of the result files")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    plan: list[Case] = [("", "default", seed) for seed in options.seeds]
    plan += [(u, arm, s) for u in options.unseen for arm in ARMS[1:] for s in options.seeds]
    with work_folder(options) as folder, ThreadPoolExecutor(options.jobs) as pool:
        made = {
            unseen: painted(unseen, folder, options.painted, options.temperature)
            for unseen in options.unseen
        }
        RESULTS.mkdir(exist_ok=True)
        for unseen, files in made.items():
            show(unseen, files, RESULTS / f"{options.name}-{unseen}.png")
        one = partial(
            measure,
            made=made,
            folder=folder,
            steps=options.steps,
            episodes=options.episodes,
            overrides=overrides,
        )
        runs = list(pool.map(one, plan))
    report = {
        "config": yaml.safe_load(CONFIG.read_text()),
        "overrides": overrides,
        "sprites": yaml.safe_load(SPRITES.read_text()),
        "steps": options.steps,
        "held_out_episodes": options.episodes,
        "painted_themes": options.painted,
        "temperature": options.temperature,
        "seen_by": seen_by(options.unseen),
        "jobs": options.jobs,
        "comparison": compare(runs, options.unseen),
        "runs": runs,
        **provenance(started),
    }
    write_json(RESULTS / f"{options.name}.json", report)
    print_table(report["comparison"])


if __name__ == "__main__":
    main()

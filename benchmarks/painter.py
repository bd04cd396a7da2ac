"""Does a painter paint what its prompts ask for? A parser that knows the tiles reads its images.

    python benchmarks/painter.py --jobs 2

``mmrl collect`` records rooms, doors, full hands and mazes; ``mmrl fit tokenizer`` and ``mmrl fit
painter`` fit to them with the options of ``tiles.yaml`` and ``painter.yaml`` in ``configs/fit`` and
several seeds. Images whose description mentions one of the held-out pairs of colour and thing are
left out of both. Then other seeds' scenes are collected, and of each description one to three
constraints are drawn, as "a red ball, a purple key in front of the agent, a closed door". The
painter paints an image of each such prompt. The parser reads the image cell by cell and describes
it: a prompt counts as satisfied if the description satisfies every one of its constraints. Prompts
that mention a held-out pair are counted separately, and so, among these, are constraints that do.

As a baseline: the same painter with empty prompts, checked against the same ones; then how far
painted tiles are from the theme's; and how many tiles of unseen images the tokenizer gives back
so that the parser reads the same.

Kept in ``benchmarks/results/painter.json``, with 95% intervals: Wilson's of a seed, Student's over
seeds; and a sheet of images of the first seed.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
import yaml
from commands import collect, finish
from numpy.typing import NDArray
from seeds import add_options, each_seed, is_one, work_folder

from mmrl.data.captioned import read_scenes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.files import write_bytes, write_json
from mmrl.generative.image.painter import Painter
from mmrl.generative.image.tokenizer import PatchTokenizer
from mmrl.images import png
from mmrl.training.load import load
from mmrl.viz.contact_sheet import SheetImage, contact_sheet
from mmrl_envs.grid.language.prompts import constraints_of, prompt, satisfied
from mmrl_envs.grid.language.splits import mentions_held_out
from mmrl_envs.grid.rendering.views.reading import TileReader

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
CONFIGS: Final = ROOT / "configs" / "fit"
FITS: Final = {"tokenizer": "tiles", "painter": "painter"}  # and their configurations
UNSEEN: Final = 500_000_000  # seeds of the test episodes
SOURCES: Final = {
    "rooms": ("mmrl/GoToLocal-v0", "random", 600, {"num_dists": 3, "max_steps": 16}),
    "doors": ("mmrl/GoToObjDoor-v0", "random", 500, {"num_dists": 3, "max_steps": 24}),
    "hands": ("mmrl/PutNextLocalS5N3-v0", "expert", 1_000, {"max_steps": 32}),
    "boss": ("mmrl/BossLevel-v0", "expert", 600, {"max_steps": 64}),
}
"""Who plays what, how many episodes of it, and its arguments."""
TEST_SHARE: Final = 0.15  # as many test episodes, of those in training
SHOWN: Final = 8  # prompts of each kind
KINDS: Final = ("asked", "told_nothing", "held_out_pairs")
"""Keys of the results: prompts as in training, empty ones, and those with held-out pairs."""
SHARP: Final = 16.0  # a tile whose bytes are off by less, in the mean, is one of the theme's


def collect_all(folder: Path, scale: float) -> None:
    """The episodes to learn from and to test with."""
    for name, (env, by, episodes, env_args) in SOURCES.items():
        args = {**env_args, "describe": "all"}
        for kind, seed, share in (("learn", 0, 1.0), ("test", UNSEEN, TEST_SHARE)):
            count = max(round(episodes * scale * share), 4)
            collect(folder / f"{name}-{kind}", env, by, count, seed, args)


def fit(task: str, seed: int, folder: Path, more: list[str]) -> Path:
    """The run folder of a fit."""
    out = folder / f"{task}-{seed}"
    data = ", ".join(str(folder / f"{name}-learn") for name in SOURCES)
    options = ["--config", CONFIGS / f"{FITS[task]}.yaml", "--data", f"[{data}]"]
    seeded = ["--seed", seed, "--device", "cpu", "--held-out-pairs"]
    finish(out, "fit", task, *options, *seeded, *more)
    return out


def prompts(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """``count`` prompts without held-out pairs, and up to as many that mention one; each of another
    scene.
    """
    generator = np.random.default_rng(UNSEEN)
    scenes = read_scenes([str(folder / f"{name}-test") for name in SOURCES])
    described = sorted(set(scenes.sentences))
    drawn = [prompt(described[k], generator) for k in generator.permutation(len(described))]
    drawn = [one for one in drawn if one]
    plain = [one for one in drawn if not mentions_held_out(one)]
    return plain[:count], [one for one in drawn if mentions_held_out(one)][:count]


def check(prompted: list[str], images: NDArray[np.uint8]) -> dict[str, Any]:
    """Which prompts their images satisfy, by the parser: whole prompts, by their number of
    constraints, and single constraints, those that mention a held-out pair separately.
    """
    reading = TileReader()(images)
    described = [str(scene) for scene in reading.scenes()]
    kept = [satisfied(*pair) for pair in zip(prompted, described, strict=True)]
    right = np.array([all(one) for one in kept])
    counts = np.array([len(constraints_of(one)) for one in prompted])
    of_held_out = [
        ok
        for one, oks in zip(prompted, kept, strict=True)
        for constraint, ok in zip(constraints_of(one), oks, strict=True)
        if mentions_held_out(constraint)
    ]
    return {
        "requests": rate(right),
        "by_constraints": {
            str(n): rate(right[counts == n]) for n in (1, 2, 3) if (counts == n).any()
        },
        "constraints": rate(np.array([ok for one in kept for ok in one])),
        "constraints_held_out": rate(np.array(of_held_out)) if of_held_out else None,
        "sharp_tiles": round(float((reading.off < SHARP).mean()), 5),
    }


def rate(right: NDArray[np.bool_]) -> dict[str, Any]:
    """A share and its interval."""
    count, of = int(right.sum()), len(right)
    return {
        "satisfied": round(count / of, 4),
        "of": of,
        "95": [round(one, 4) for one in wilson_interval(count, of)],
    }


def reconstructed(tokenizer: PatchTokenizer, folder: Path) -> dict[str, Any]:
    """How many tiles of unseen images are read the same after the tokenizer, of images with and
    without held-out pairs.
    """
    scenes = read_scenes([str(folder / f"{name}-test") for name in SOURCES])
    images = torch.from_numpy(scenes.images)
    made = tokenizer.decode(tokenizer.encode(images)).numpy()
    read = TileReader()
    same = read(scenes.images).codes == read(made).codes
    new = np.array([mentions_held_out(one) for one in scenes.sentences])
    return {
        name: {
            "images": int(where.sum()),
            "tiles_read_the_same": round(float(same[where].mean()), 6),
            "images_read_the_same": round(float(same[where].all((1, 2)).mean()), 5),
        }
        for name, where in (("seen", ~new), ("held_out_pairs", new))
    }


def measure(count: int, seed: int, folder: Path, more: list[str]) -> dict[str, Any]:
    """Fit one seed, and have its images read."""
    tokenizer = fit("tokenizer", seed, folder, [])
    run = fit("painter", seed, folder, ["--tokenizer", str(tokenizer), *more])
    torch.set_num_threads(1)
    painter = cast("Painter", load(run, "painter", "cpu"))
    plain, new = prompts(folder, count)
    made, made_new = (painter.paint(some, seed=seed) for some in (plain, new))
    if seed == 0:
        shown = [
            SheetImage(image, None, one)
            for images, prompted in ((made, plain), (made_new, new))
            for image, one in zip(images[:SHOWN], prompted, strict=False)
        ]
        sheet = contact_sheet("prompts and paintings; held-out pairs below", shown)
        write_bytes(folder / "painter.png", png(sheet))
    report = {
        "seed": seed,
        "asked": check(plain, made),
        "told_nothing": check(plain, painter.paint([""] * len(plain), seed=seed)),
        "held_out_pairs": check(new, made_new),
    }
    whole = cast("PatchTokenizer", load(tokenizer, "tokenizer", "cpu"))
    seconds = {
        name: json.loads((path / "result.json").read_text())["wall_seconds"]
        for name, path in (("tokenizer", tokenizer), ("painter", run))
    }
    return {**report, "tokenizer": reconstructed(whole, folder), "fit_seconds": seconds}


def main() -> None:
    """Collect, fit, paint, read, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of episodes")
    parser.add_argument("--out", type=Path, default=RESULTS / "painter.json")
    options, more = parser.parse_known_args()
    if is_one(options, more, partial(measure, options.requests)):
        return
    started = time.monotonic()
    with work_folder(options) as folder:
        collect_all(folder, options.scale)
        count = ["--requests", str(options.requests)]
        runs = each_seed(__file__, options, folder, [*count, *more])
        sheet = folder / "painter.png"
        if sheet.is_file():
            write_bytes(options.out.with_suffix(".png"), sheet.read_bytes())
    report = {
        "sources": {name: list(source) for name, source in SOURCES.items()},
        "scale": options.scale,
        "configs": {
            name: yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) for name in FITS.values()
        },
        "changed": more,
        "runs": runs,
        "over_seeds": over_seeds(runs),
        **provenance(started),
    }
    write_json(options.out, report)
    print("| seed | as in training | empty prompts | held-out pairs |\n|---|---|---|---|")
    for run in runs:
        print(f"| {run['seed']} | {' | '.join(cell(run[kind]) for kind in KINDS)} |")


def over_seeds(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean share of satisfied prompts, and its interval."""
    found = {}
    for kind in KINDS:
        shares = [run[kind]["requests"]["satisfied"] for run in runs]
        if len(shares) > 1:
            low, high = mean_interval(shares, 0.0, 1.0)
            found[kind] = {"satisfied": float(np.mean(shares)), "95": [low, high]}
    return found


def cell(part: dict[str, Any]) -> str:
    """A share with its interval."""
    one = part["requests"]
    return f"{one['satisfied']:.1%} of {one['of']} ({one['95'][0]:.1%} to {one['95'][1]:.1%})"


if __name__ == "__main__":
    main()

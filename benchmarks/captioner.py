"""How often captions are correct, by the environment's verifier, on unseen seeds and pairs.

    python benchmarks/captioner.py --jobs 3

``mmrl collect`` records the expert's episodes; each is replayed in Minigrid's symbols, which hold
all that its images show. A captioner is fitted as ``mmrl fit captioner`` does with the options of
``configs/fit/captioner.yaml``, with several seeds. Steps where a held-out pair of colour and noun
is mentioned, or is anywhere in the images, are excluded from training, and counted. Then every step
of other seeds' episodes that achieved something is captioned, from the two images around it: a
caption is accepted where the verifier, had it been the episode's instruction, would have reported
success by then. Steps whose achievements mention held-out pairs are counted separately. As a
baseline: captions of random other steps (blind).

Kept in ``benchmarks/results/captioner.json``, with 95% Wilson intervals.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
import torch
import yaml
from commands import collect
from numpy.typing import NDArray
from seeds import add_options, each_seed, is_one, work_folder

import mmrl_envs  # noqa: F401  # registers the grid worlds
from mmrl.cli.fit import parse
from mmrl.contract import IMAGE
from mmrl.data import Episode, EpisodeDataset, open_dataset
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import wilson_interval
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.generative.text.models import as_input
from mmrl.language import is_among
from mmrl.training.tasks.captioner import CaptionerTask
from mmrl.training.trainer import fit
from mmrl_envs.grid.language.grid_language import GridLanguage

LANGUAGE: Final = GridLanguage()
RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "fit" / "captioner.yaml"
UNSEEN: Final = 500_000_000  # seeds of the test episodes
COLOURS: Final = ("red", "green", "blue", "purple", "yellow", "grey")
THINGS: Final = {4: "door", 5: "key", 6: "ball", 7: "box"}
"""What Minigrid's numbers stand for."""


class End(NamedTuple):
    """A step that achieved something: ``now`` by this step, ``true`` by it or before."""

    now: tuple[str, ...]
    true: tuple[str, ...]


def ends(episodes: EpisodeDataset) -> tuple[list[NDArray[np.uint8]], list[End]]:
    """The two images around every step that achieved something, one after the other, and what it
    achieved.
    """
    images, found = [], []
    for episode in episodes:
        before: tuple[str, ...] = ()
        for step, now in enumerate(episode.achieved):
            before = (*before, *now)
            if now:
                images += [episode.images[step], episode.images[step + 1]]
                found.append(End(now, before))
    return images, found


def things(view: NDArray[np.uint8]) -> list[str]:
    """What Minigrid's symbols uint8 [7, 7, 3] show, such as "red key"."""
    cells = view.reshape(-1, view.shape[2]).tolist()
    return sorted({f"{COLOURS[cell[1]]} {THINGS[cell[0]]}" for cell in cells if cell[0] in THINGS})


def accepted(captions: list[str], found: list[End]) -> dict[str, Any]:
    """The share of captions that are accepted, of steps with and without held-out pairs."""
    right = np.array(
        [is_among(LANGUAGE, one, end.true) for one, end in zip(captions, found, strict=True)]
    )
    new = np.array([any(map(LANGUAGE.is_held_out, end.now)) for end in found])
    return {name: _rate(right[where]) for name, where in (("seen", ~new), ("held_out", new))}


def random_captions(found: list[End], without: str) -> list[str]:
    """Captions as in training, each of a random other step."""
    generator = np.random.default_rng(0)
    wanted = [[one for one in end.now if not re.search(without, one)] for end in found]
    some = [captions for captions in wanted if captions]
    drawn = [some[k] for k in generator.integers(len(some), size=len(found))]
    return [captions[int(generator.integers(len(captions)))] for captions in drawn]


def _rate(right: NDArray[np.bool_]) -> dict[str, Any]:
    count, of = int(right.sum()), len(right)
    return {"accepted": round(count / of, 4), "of": of, "95": wilson_interval(count, of)}


def visible(episodes: EpisodeDataset, folder: Path) -> list[list[str]]:
    """All things that each image of each episode shows, such as "red key", found by replaying the
    episode in symbols; kept in the folder.
    """
    done = folder / "visible.json"
    if not done.is_file():
        env = gym.make(episodes[0].env_id, obs="symbolic")
        write_json(done, [_visible(env, episode) for episode in episodes])
    read: list[list[str]] = json.loads(done.read_text())
    return read


def _visible(env: gym.Env[Any, Any], episode: Episode) -> list[str]:
    """What each image of an episode shows."""
    views = [env.reset(seed=episode.seed)[0][IMAGE]]
    views += [env.step(int(action))[0][IMAGE] for action in episode.actions]
    return [", ".join(things(view)) for view in views]


def measure(seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Fit one seed's captioner, and check its captions of all test steps."""
    torch.set_num_threads(1)
    started, cpu = time.monotonic(), time.process_time()
    episodes = open_dataset(str(folder / "data"))
    described = [
        dataclasses.replace(episode, descriptions=tuple(each))
        for episode, each in zip(episodes, visible(episodes, folder), strict=True)
    ]
    out = folder / f"seed-{seed}"
    data = ["--data", str(folder / "data"), "--out", str(out)]
    config, resolved = parse(
        "captioner", ["--config", str(CONFIG), "--seed", str(seed), *data, *overrides], None
    )
    torch.manual_seed(seed)
    task = CaptionerTask(config, described, LANGUAGE)
    fit(task, config, Run.create(out, resolved))
    generator = task.module.eval()
    images, found = ends(open_dataset(str(folder / "test")))
    captions = [one.sentence for one in generator.generate(as_input(images, generator))]
    return {
        "seed": seed,
        **accepted(captions, found),
        "distinct_captions": len(set(captions)),
        **task.cases.counts(),
        "parameters": sum(one.numel() for one in generator.parameters()),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "wall_seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Collect, fit, check, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", default="mmrl/ActionObjDoor-v0")
    parser.add_argument("--episodes", type=int, default=3_000, help="to learn from")
    parser.add_argument("--test-episodes", type=int, default=1_000)
    add_options(parser)
    options, overrides = parser.parse_known_args()
    if is_one(options, overrides, measure):
        return
    started = time.monotonic()
    with work_folder(options) as folder:
        collect(folder / "data", options.env, "expert", options.episodes)
        collect(folder / "test", options.env, "expert", options.test_episodes, UNSEEN)
        visible(open_dataset(str(folder / "data")), folder)
        runs = each_seed(__file__, options, folder, overrides)
        found = ends(open_dataset(str(folder / "test")))[1]
    without = yaml.safe_load(CONFIG.read_text())["without"]
    blind = accepted(random_captions(found, without), found)
    report = {
        "env": options.env,
        "episodes": options.episodes,
        "test_episodes": options.test_episodes,
        "config": yaml.safe_load(CONFIG.read_text()),
        "overrides": overrides,
        "runs": runs,
        "blind": blind,
        **provenance(started),
    }
    write_json(RESULTS / "captioner.json", report)
    print("| seed | accepted, unseen seeds | held-out pairs |\n|---|---|---|")
    for name, one in [*((str(run["seed"]), run) for run in runs), ("blind", blind)]:
        cells = [
            f"{part['accepted']:.1%} of {part['of']} ({part['95'][0]:.1%} to {part['95'][1]:.1%})"
            for part in (one["seen"], one["held_out"])
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

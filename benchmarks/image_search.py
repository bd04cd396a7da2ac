"""Image search: the right image among 1,000 for its description, and the other way round.

    python benchmarks/image_search.py --jobs 3

Images come from two batches of environments that go alongside, one in pixels and one in Minigrid's
symbols: half of the time an expert acts, half of the time at random. Seeds for training and for the
test lie apart. An image that shows a held-out pair of colour and thing, carried ones included, by
the symbols, is excluded from training, whether its description mentions it or not. Each seed is a
model of its own, fitted as in ``configs/fit/retrieval.yaml``. Tested are:

- 1,000 scenes, each described differently, that show no held-out pair;
- 1,000 scenes, each described differently, whose descriptions mention one;
- queries of a few words, such as "the agent faces a red ball", among all images of the test: how
  many of the first ten are described so.

The contact sheet beside the results is what ``mmrl index`` and ``mmrl search`` write, for the first
seed's model and the first kind of scenes as files in a folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import commands
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from seeds import add_options, each_seed, is_one, work_folder

from mmrl.cli.fit import parse
from mmrl.contract import EVAL_SEED_START, IMAGE
from mmrl.data.captioned import Scenes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.retrieval.metrics import ranks, recall
from mmrl.retrieval.queries import facts_of
from mmrl.training.tasks.retrieval import RetrievalTask, embed
from mmrl.training.trainer import fit
from mmrl.wrappers.adapters import make_vec_env
from mmrl_envs.grid.language.grid_language import GridLanguage
from mmrl_envs.grid.language.queries import SUBJECT
from mmrl_envs.grid.language.splits import HELD_OUT_PAIRS, mentions_held_out

LANGUAGE: Final = GridLanguage()
# The keys "learnt" and "learnt_from" are those of the committed results.
RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = "configs/fit/retrieval.yaml"
ENV: Final = "mmrl/GoToLocal-v0"
ENV_ARGS: Final = {"num_dists": 5, "max_steps": 64}
SCENES: Final = 1_000
FIRST: Final = 10
QUERY: Final = "the agent faces a red ball"
SEEDS: Final = {"learnt": 0, "test": EVAL_SEED_START}
"""Of the first of the environments."""
IMAGES: Final = {"learnt": 50_000, "test": 10_000}
"""Of each of the two sources of actions."""
TOGETHER: Final = 64
NUMBERS: Final = (
    {"red": 0, "green": 1, "blue": 2, "purple": 3, "yellow": 4, "grey": 5},
    {"door": 4, "key": 5, "ball": 6, "box": 7},
)
"""What Minigrid calls colours and things."""


def draw(kind: str) -> tuple[Scenes, NDArray[np.bool_]]:
    """Images with descriptions, and which of them show a held-out pair, bool [N]."""
    images, sentences, episodes, shows = [], [], [], []
    begun = 0
    for number, by in enumerate(("expert", "random")):
        seed = SEEDS[kind] + number * TOGETHER
        env = make_vec_env(ENV, TOGETHER, describe=True, **ENV_ARGS)
        symbolic = make_vec_env(ENV, TOGETHER, obs="symbolic", **ENV_ARGS)
        worlds: Any = env.unwrapped
        generator = np.random.default_rng(seed)
        (observation, infos), (symbols, _) = env.reset(seed=seed), symbolic.reset(seed=seed)
        running = begun + np.arange(TOGETHER)
        begun += TOGETHER
        for _ in range(IMAGES[kind] // TOGETHER):
            images.append(observation[IMAGE].copy())
            sentences += infos["description"].tolist()
            episodes.append(running.copy())
            shows.append(shows_held_out(symbols[IMAGE]))
            actions = worlds.expert_actions()
            if by == "random":
                actions = generator.integers(0, 6, TOGETHER)
            observation, _, terminated, truncated, infos = env.step(actions)
            symbols = symbolic.step(actions)[0]
            over = terminated | truncated
            running[over] = begun + np.arange(over.sum())
            begun += int(over.sum())
        env.close()
        symbolic.close()
    scenes = Scenes(np.concatenate(images), sentences, np.concatenate(episodes), LANGUAGE)
    return scenes, np.concatenate(shows)


def shows_held_out(symbols: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of Minigrid's views, uint8 [N, 7, 7, 3], show a held-out pair, bool [N]."""
    colours, things = NUMBERS
    pairs = [
        (symbols[..., 0] == things[noun]) & (symbols[..., 1] == colours[colour])
        for colour, noun in HELD_OUT_PAIRS
    ]
    return np.any(pairs, axis=(0, 2, 3))


def prepare(folder: Path) -> dict[str, Any]:
    """Draw scenes, leave out what training must not show, keep the rest; how many there are."""
    done = folder / "images.json"
    if done.is_file():
        read: dict[str, Any] = json.loads(done.read_text())
        return read
    counts: dict[str, Any] = {}
    for kind in SEEDS:
        scenes, shows = draw(kind)
        mentions = np.array([mentions_held_out(one) for one in scenes.sentences])
        assert not (mentions & ~shows).any(), "a description mentions what its image lacks"
        counts[kind] = {
            "images": len(scenes),
            "that_show_a_held_out_pair": int(shows.sum()),
            "that_mention_one": int(mentions.sum()),
        }
        generator = np.random.default_rng(0)
        if kind == "learnt":
            keep(folder / "learnt.npz", scenes.where(~shows))
            continue
        keep(folder / "test.npz", scenes.where(~shows).unique(SCENES, generator))
        keep(folder / "held-out.npz", scenes.where(mentions).unique(SCENES, generator))
        keep(folder / "all.npz", scenes)
    write_json(done, counts)
    return counts


def keep(file: Path, scenes: Scenes) -> None:
    """Write scenes for the seeds to read."""
    np.savez(file, images=scenes.images, sentences=scenes.sentences, episodes=scenes.episodes)


def kept(file: Path) -> Scenes:
    """What :func:`keep` wrote."""
    with np.load(file) as read:
        return Scenes(read["images"], read["sentences"].tolist(), read["episodes"], LANGUAGE)


def measure(seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Fit one seed's model and test it."""
    torch.set_num_threads(1)
    started, cpu = time.monotonic(), time.process_time()
    out = folder / f"seed-{seed}"
    arguments = ["--config", CONFIG, "--seed", str(seed), "--out", str(out), *overrides]
    config, resolved = parse("retrieval", arguments, None)
    torch.manual_seed(seed)
    task = RetrievalTask(config, kept(folder / "learnt.npz"))
    fit(task, config, Run.create(out, resolved))
    module = task.module.eval()
    tests = {
        name: both_ways(*embed(module, kept(folder / f"{name}.npz")))
        for name in ("test", "held-out")
    }
    return {
        "seed": seed,
        "learnt_from": len(task.train),
        "different_descriptions": len(set(task.train.sentences)),
        "examples_shown": task.shown,
        "examples_shown_with_a_held_out_pair": task.held_out_shown,
        **tests,
        "short_queries": short_queries(task, kept(folder / "all.npz")),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "wall_seconds": round(time.monotonic() - started, 1),
    }


def both_ways(images: NDArray[np.float32], sentences: NDArray[np.float32]) -> dict[str, Any]:
    """Recall with intervals, text → image and image → text."""
    similar = torch.from_numpy(sentences @ images.T)
    report: dict[str, Any] = {"scenes": len(images)}
    for name, matrix in (("find_image", similar), ("find_sentence", similar.T)):
        found = ranks(matrix)
        for first in (1, 5):
            low, high = wilson_interval(int((found <= first).sum()), len(found))
            report[f"{name}_r_at_{first}"] = round(recall(found, first), 4)
            report[f"{name}_r_at_{first}_95"] = [round(low, 4), round(high, 4)]
        report[f"{name}_mean_rank"] = round(float(found.double().mean()), 3)
    return report


def short_queries(task: RetrievalTask, scenes: Scenes) -> dict[str, Any]:
    """For every thing that is faced at least ten times: how many of the first ten images are
    described so, of things that training shows, and of those held out.
    """
    images, _ = embed(task.module, scenes)
    facts = [facts_of(sentence, scenes.language) for sentence in scenes.sentences]
    faced = sorted({fact for each in facts for fact in each if fact.startswith("faces a ")})
    shares: dict[str, list[float]] = {"learnt": [], "held_out": []}
    for fact in faced:
        fits = np.array([fact in each for each in facts])
        if fits.sum() >= FIRST:
            cosines = images @ task.module.of_sentences([f"{SUBJECT}{fact}"])[0]
            kind = "held_out" if mentions_held_out(fact) else "learnt"
            shares[kind].append(float(fits[np.argsort(-cosines)[:FIRST]].mean()))
    return {
        "images": len(scenes),
        **{
            kind: {"queries": len(each), f"fit_of_first_{FIRST}": round(float(np.mean(each)), 4)}
            for kind, each in shares.items()
        },
    }


def sheet(folder: Path, seed: int) -> None:
    """The contact sheet of a short query, by the commands."""
    album, index, model = (str(folder / name) for name in ("album", "index", f"seed-{seed}"))
    Path(album).mkdir(exist_ok=True)
    for number, image in enumerate(kept(folder / "test.npz").images):
        Image.fromarray(image).save(folder / "album" / f"{number:04}.png")
    for arguments in (
        ["index", album, "--model", model, "--out", index],
        ["search", index, QUERY, "--top", "8", "--out", str(RESULTS / "image_search.png")],
    ):
        commands.run(arguments)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds, and its interval."""
    means: dict[str, Any] = {}
    for test in ("test", "held-out"):
        for name in ("find_image_r_at_1", "find_image_r_at_5", "find_sentence_r_at_1",
                     "find_sentence_r_at_5"):  # fmt: skip
            values = [run[test][name] for run in runs]
            low, high = mean_interval(values, 0.0, 1.0)
            means[f"{test}_{name}"] = {
                "mean": round(float(np.mean(values)), 4),
                "interval_95": [round(low, 4), round(high, 4)],
            }
    return means


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options, overrides = parser.parse_known_args()
    if is_one(options, overrides, measure):
        return
    started = time.monotonic()
    with work_folder(options) as folder:
        counts = prepare(folder)
        runs = each_seed(__file__, options, folder, overrides)
        RESULTS.mkdir(exist_ok=True)
        sheet(folder, options.seeds[0])
    report = {
        "env": ENV,
        "env_args": ENV_ARGS,
        "config": CONFIG,
        "overrides": overrides,
        "held_out_pairs": [" ".join(pair) for pair in HELD_OUT_PAIRS],
        "images": counts,
        "summary": summary(runs),
        "runs": runs,
        **provenance(started),
    }
    write_json(RESULTS / "image_search.json", report)
    print("| seed | scenes | text → image R@1 | R@5 | image → text R@1 | R@5 | CPU |")
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        for test in ("test", "held-out"):
            rates = " | ".join(
                f"{run[test][f'{way}_r_at_{first}']:.1%}"
                for way in ("find_image", "find_sentence")
                for first in (1, 5)
            )
            print(f"| {run['seed']} | {test} | {rates} | {run['cpu_seconds']:.0f} s |")


if __name__ == "__main__":
    main()

"""How well a world model predicts episodes of unseen seeds, beside the last image, and without the
instruction.

    python benchmarks/world_model.py --jobs 2

``mmrl collect`` records episodes of the expert and of random actions on two levels. For each seed,
``mmrl fit`` makes an image tokenizer, a world model by ``configs/fit/world_model.yaml``, and
another one without the instruction (blind). The first learns reward and end from relabelled
instructions as well, which the verifier names; with ``--relabelled 0``, from those of the episodes
alone. They are tested on episodes of other seeds, by the expert and by random actions: each is
observed up to a random moment, and 15 steps are imagined from there, by its actions alone, whatever
is predicted of its end, which is evaluated separately.

Counted are the predictable tiles of the view. Of the 7 × 7 tiles a step later, these are those
whose cell of the grid was visible in an image before the first imagined step, and those that are
hidden now and were in view, hidden, before. Where the agent walked, since that step, against a cell
that was never visible, no tile is predictable from there on: where it stands cannot be known. Poses
and visibility are those of the environment, which is played once more. The same tiles are counted
for the last real image, as if nothing ever changed. Reward and end: F1 over all steps of all test
episodes, by their own instructions, one step ahead.

Kept in ``benchmarks/results/world_model.json``, with means over seeds and 95% intervals. Bars:
99.5% of the tiles are right after 1 step, 95% after 15, and F1 is 0.9.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import gymnasium as gym
import numpy as np
import torch
from commands import collect, finish
from numpy.typing import NDArray
from seeds import add_options, each_seed, is_one, work_folder

import mmrl_envs  # noqa: F401  (registers the levels)
from mmrl.data import Episode, open_dataset
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.files import write_json
from mmrl.generative.world_model.dataset import TokenEpisodes, read_memory, read_tokens, split
from mmrl.generative.world_model.metrics import Predictions, outcome_f1, predict_episodes
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.training.load import load
from mmrl.training.tasks.world_model import HORIZONS

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "fit" / "world_model.yaml"
LEVELS: Final = ("GoToRedBall", "GoToLocal")
BY: Final = ("expert", "random")
UNSEEN: Final = 500_000_000  # seeds of the test episodes
VIEW: Final = 7
AHEAD: Final = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # by the agent's direction
FORWARD: Final = 2
FULL, BLIND = "told", "blind"
"""Keys of the results: the model that reads instructions, and the one that does not."""


def collect_all(folder: Path, episodes: int, tests: int) -> None:
    """All datasets."""
    for level in LEVELS:
        for by in BY:
            for name, count, seed in (("train", episodes, 0), ("test", tests, UNSEEN)):
                collect(folder / f"{name}-{level}-{by}", f"mmrl/{level}-v0", by, count, seed)


def replayed(episode: Episode) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """What an episode's images show, by the environment.

    Returns:
        The cell of each tile, int64 [T + 1, 7, 7, 2]; which tiles are visible, bool [T + 1, 7, 7];
        and the cell in front of the agent, int64 [T + 1, 2].
    """
    env: Any = gym.make(episode.env_id, obs="symbolic").unwrapped
    observation, _ = env.reset(seed=episode.seed)
    cells, visible, fronts = [], [], []
    for action in (*episode.actions, None):
        state, layout = env.worlds.state, env.worlds.layout
        where = np.array(layout.position(int(state.agent_cell[0])))
        facing = int(state.agent_direction[0])
        ahead, right = AHEAD[facing], AHEAD[(facing + 1) % 4]
        steps, sides = VIEW - 1 - np.arange(VIEW), np.arange(VIEW) - VIEW // 2
        cells.append(where + steps[:, None, None] * ahead + sides[None, :, None] * right)
        visible.append(observation["image"][..., 0].T != 0)
        fronts.append(where + ahead)
        if action is not None:
            observation, *_ = env.step(int(action))
    env.close()
    return np.stack(cells), np.stack(visible), np.stack(fronts)


def predictable(episode: Episode, start: int, steps: int) -> NDArray[np.bool_]:
    """Which tiles are predictable after each of ``steps`` steps from ``start`` on, bool [H, 49]."""
    cells, visible, fronts = replayed(episode)
    in_view = {tuple(cell) for frame in cells[: start + 1] for row in frame for cell in row}
    known = {tuple(cell) for cell in cells[: start + 1][visible[: start + 1]]}
    can = np.zeros((steps, VIEW * VIEW), np.bool_)
    for k in range(min(steps, len(episode) - start)):
        t = start + k
        if episode.actions[t] == FORWARD and tuple(fronts[t]) not in known:
            break
        can[k] = [
            tuple(cell) in known or (tuple(cell) in in_view and not is_visible)
            for cell, is_visible in zip(
                cells[t + 1].reshape(-1, 2), visible[t + 1].ravel(), strict=True
            )
        ]
    return can


def test(world: WorldSimulator, played: Sequence[Episode], seed: int) -> dict[str, Any]:
    """How well a world model predicts some episodes."""
    read = read_tokens(played, world.images.images, world.tokenizer)
    episodes = replace(read, ids=world.images.renumber(read.ids))
    steps = HORIZONS[-1]
    predictions = predict_episodes(world.model, episodes, steps, np.random.default_rng(seed))
    can = torch.from_numpy(
        np.stack(
            [
                predictable(one, int(start), steps)
                for one, start in zip(played, predictions.starts, strict=True)
            ]
        )
    )
    return {
        "steps": {str(step): _after(predictions, step, can) for step in HORIZONS},
        **_outcomes(world, episodes),
    }


def _after(predictions: Predictions, step: int, can: torch.Tensor) -> dict[str, float | None]:
    """None is the share of no tiles, where no imagined episode lasted so long."""
    shares = {
        name: None if np.isnan(value) else round(value, 4)
        for name, value in predictions.k_step_accuracy(step, can).items()
    }
    there = predictions.mask[:, step - 1]
    return {**shares, "episodes": int(there.sum()), "tiles": int(can[there, step - 1].sum())}


def _outcomes(world: WorldSimulator, episodes: TokenEpisodes) -> dict[str, float]:
    batches = split(episodes, read_memory(episodes, world.model), 8)
    return {name: round(value, 4) for name, value in outcome_f1(world.model, batches).items()}


def measure(seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Fit one seed's tokenizer and world models, and test them."""
    torch.set_num_threads(1)
    data = "[" + ", ".join(str(folder / f"train-{level}-{by}") for level in LEVELS for by in BY)
    data += "]"
    out, common = folder / f"seed-{seed}", ["--seed", str(seed), "--data", data]
    tokenizer, full, blind = out / "tokenizer", out / "full", out / "blind"
    own = ["--config", CONFIG, "--tokenizer", tokenizer, *common, *overrides]
    finish(tokenizer, "fit", "tokenizer", *common, "--steps", 500, "--learning-rate", 3e-3)
    finish(full, "fit", "world-model", *own)
    finish(blind, "fit", "world-model", *own, "--text", "", "--text-args", "{}")
    report: dict[str, Any] = {"seed": seed}
    for name, path in ((FULL, full), (BLIND, blind)):
        world = cast("WorldSimulator", load(path, "world-model", "cpu"))
        report[name] = {
            f"{level}, {by}": test(world, open_dataset(str(folder / f"test-{level}-{by}"))[:], seed)
            for level in LEVELS
            for by in BY
        }
        seconds = json.loads((path / "result.json").read_text())["wall_seconds"]
        report[name] |= {
            "fit_seconds": seconds,
            "parameters": sum(one.numel() for one in world.model.parameters()),
        }
    return report


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds with their intervals, of the four tests: of the seeds that have a value, and
    nothing where none has.
    """
    means: dict[str, Any] = {}
    for name in (f"{level}, {by}" for level in LEVELS for by in BY):
        one: dict[str, list[float | None]] = {}
        for run in runs:
            full, blind = run[FULL][name], run[BLIND][name]
            for step, shares in full["steps"].items():
                one.setdefault(f"tiles_{step}", []).append(shares["predictable"])
                one.setdefault(f"tiles_{step}_blind", []).append(
                    blind["steps"][step]["predictable"]
                )
                one.setdefault(f"last_image_{step}", []).append(shares["copied"])
            for key in ("reward_f1", "end_f1"):
                one.setdefault(key, []).append(full[key])
                one.setdefault(f"{key}_blind", []).append(blind[key])
        known = {key: [v for v in values if v is not None] for key, values in one.items()}
        means[name] = {
            key: {
                "mean": round(float(np.mean(values)), 4),
                "95": [round(edge, 4) for edge in mean_interval(values, 0.0, 1.0)],
                "seeds": len(values),
            }
            for key, values in known.items()
            if values
        }
    return means


def main() -> None:
    """Collect, fit, test, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=500, help="of each dataset, to learn from")
    parser.add_argument("--test-episodes", type=int, default=200, help="of each test")
    add_options(parser)
    parser.add_argument("--out", type=Path, default=RESULTS / "world_model.json")
    options, overrides = parser.parse_known_args()
    if is_one(options, overrides, measure):
        return
    started = time.monotonic()
    with work_folder(options) as folder:
        collect_all(folder, options.episodes, options.test_episodes)
        runs = each_seed(__file__, options, folder, overrides)
    report = {
        "episodes": options.episodes,
        "test_episodes": options.test_episodes,
        "overrides": overrides,
        "summary": summary(runs),
        "runs": runs,
        **provenance(started),
    }
    write_json(options.out, report)
    columns = [f"{name}{step}" for step in HORIZONS for name in ("tiles_", "last_image_")]
    columns += ["reward_f1", "reward_f1_blind", "end_f1", "end_f1_blind"]
    print(f"| test | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    for name, means in report["summary"].items():
        cells = [f"{means[one]['mean']:.1%}" if one in means else "" for one in columns]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

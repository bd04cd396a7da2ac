"""Synthetic episode records: an arm moves a disc to a place, in several runs, kinds and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.records.episode import EpisodeRecord
from mmrl.records.file import write_record

KINDS: Final = ("reach", "push", "sort", "wait")
ACTIONS: Final = ("left", "right", "up", "down", "grip", "stay")
PLACES: Final = ("the left shelf", "the upper rack", "the tray", "the far corner")
SIDE: Final = 64


def episode(
    seed: int = 0,
    *,
    steps: int = 12,
    success: bool | None = True,
    kind: str = "reach",
    checkpoint: int | None = 10_000,
    source: str = "training",
    attention: bool = False,
    continuous: bool = False,
    imagined: bool = False,
    side: int = SIDE,
    **more: Any,
) -> EpisodeRecord:
    """An episode of so many actions; equal arguments make equal episodes.

    Args:
        seed, steps, success, kind, checkpoint, source: of the episode.
        attention: with attention over image and words, weights of modalities, and clauses.
        continuous: actions are three numbers rather than one of six.
        imagined: with what a world model predicts after four observed steps.
        side: pixels of the image that the agent sees; the scene is twice as large.
        more: of the record, in place of what is made.
    """
    rng = np.random.default_rng(seed)
    track = np.linspace(rng.uniform(0.1, 0.4, 2), rng.uniform(0.6, 0.9, 2), steps + 1)
    image = np.stack([drawn(at, track[-1], side) for at in track])
    frames = {"scene": np.stack([drawn(at, track[-1], 2 * side) for at in track]), "image": image}
    if imagined:
        noise = rng.integers(0, 40, image[4:].shape).astype(np.uint8)
        frames["imagined"] = np.concatenate([image[:4], np.maximum(image[4:], noise) - noise // 2])
    place = PLACES[seed % len(PLACES)]
    sentence = f"{kind} for {place} and then stop"
    logits = rng.normal(size=(steps, len(ACTIONS))) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    choice = shares.argmax(1)
    numbers: dict[str, NDArray[Any]] = {
        "value": np.linspace(0.1, 0.9, steps) + rng.normal(size=steps) * 0.05,
        "advantage": rng.normal(size=steps) * 0.2,
    }
    about: dict[str, Any] = {"expert_steps": max(1, steps - 3)}
    infos: list[dict[str, Any]] = [{"distance": round(1 - k / steps, 3)} for k in range(steps)]
    if not continuous:
        numbers["probabilities"] = shares
        about["actions"] = list(ACTIONS)
    if attention:
        words = sentence.split()
        about |= {"words": words, "modalities": ["image", "instruction"]}
        numbers["attention_image"] = rng.dirichlet(np.ones(64) * 0.3, steps).reshape(steps, 8, 8)
        numbers["attention_words"] = rng.dirichlet(np.ones(len(words)), steps)
        numbers["modality_weights"] = rng.dirichlet(np.ones(2), steps)
        for k, info in enumerate(infos):
            info["clauses_done"] = [k >= steps // 2, bool(success) and k == steps - 1]
    if imagined:
        about["observed_steps"] = 3
        numbers["imagined_reward"] = rng.normal(size=steps) * 0.1
    if success is False:
        infos[-1]["achieved"] = [f"{kind} for {PLACES[(seed + 1) % len(PLACES)]}"]
        about["relabelled_instruction"] = infos[-1]["achieved"][0]
    rewards = [0.0] * (steps - 1) + [1.0 if success else 0.0]
    made: dict[str, Any] = {
        "source": source,
        "env": "synthetic/Arm-v0",
        "env_args": {"size": side},
        "seed": seed,
        "checkpoint": checkpoint,
        "instruction_kind": kind,
        "success": success,
        "frames": frames,
        "instructions": [sentence] * (steps + 1),
        "rewards": rewards,
        "actions": rng.normal(size=(steps, 3)) if continuous else choice,
        "action_names": [] if continuous else [ACTIONS[k] for k in choice],
        "numbers": numbers,
        "infos": infos,
        "about": about,
    }
    return EpisodeRecord(**{**made, **more})


def drawn(at: NDArray[Any], goal: NDArray[Any], side: int) -> NDArray[np.uint8]:
    """The disc on its way and the goal, uint8 [side, side, 3]."""
    y, x = np.mgrid[:side, :side] / side
    frame = np.empty((side, side, 3), np.uint8)
    frame[:] = (38, 44, 58)
    frame[(np.arange(side) * 8 // side) % 2 == 0] = (42, 49, 64)
    ring = np.hypot(x - goal[0], y - goal[1])
    frame[(ring < 0.12) & (ring > 0.08)] = (240, 196, 84)
    frame[(abs(y - at[1]) < 0.015) & (x < at[0])] = (120, 132, 156)
    frame[np.hypot(x - at[0], y - at[1]) < 0.07] = (94, 178, 226)
    return frame


def write_runs(folder: Path) -> int:
    """Several runs below a folder; how many records that are whole."""
    count = 0
    for run, rate in (("arm/first", 0.3), ("arm/second", 0.6), ("planner", 0.5)):
        rng = np.random.default_rng(len(run))
        for k in range(24):
            share = min(1.0, rate + k / 40)
            record = episode(
                k % 12,
                steps=6 + k % 7,
                kind=KINDS[k % len(KINDS)],
                success=None if k == 5 else bool(rng.random() < share),
                checkpoint=(k // 4 + 1) * 20_000,
                source="evaluation" if k % 3 == 0 else "training",
                attention=run == "arm/second",
                continuous=run == "planner" and k % 2 == 1,
                imagined=run == "planner" and k % 2 == 0,
            )
            write(folder / run, f"{k:04d}", record)
            count += 1
    return count


def write(run: Path, name: str, record: EpisodeRecord) -> Path:
    """Write a record of a run."""
    path = run / "episodes" / f"{name}.episode"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(path, record)
    return path

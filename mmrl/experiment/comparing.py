"""Evaluated runs read from their folders, and sorted into the arms of a comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.evaluation.comparison import ComparedArm, ScoredRun
from mmrl.experiment.config import flat
from mmrl.experiment.run import CONFIG
from mmrl.files import is_file
from mmrl.schema import Count, Finite, OpenSchema, convert, parse_yaml, read_json, read_text

RESULT: Final = "result.json"
_OF_A_SEED: Final = frozenset(
    {
        "seed", "out", "device", "clip_every", "record_mb", "checkpoint_every", "profile",
        "checkpoint_minutes", "keep_checkpoints", "eval_episodes", "controls", "env_workers",
    }
)  # fmt: skip
"""What may differ between the runs of one arm."""
_PROTOCOL: Final = ("episodes", "seeds", "actions", "split", "max_episode_steps")
"""What has to be the same in all evaluations that are compared."""


class EvaluationResult(OpenSchema):
    """What ``result.json`` has to hold."""

    mean_return: Finite
    success_rate: Finite | None = None
    controls: dict[str, Any] | None = None


class TrainedIn(OpenSchema):
    """What ``config.yaml`` has to hold."""

    env: str
    seed: Count = 0


def find_runs(paths: Sequence[str]) -> list[ScoredRun]:
    """The evaluated runs in some folders: run folders, or folders of them, at any depth.

    Raises:
        UserError: a folder with none, or a run that cannot be read or has no result yet.
    """
    found: dict[Path, ScoredRun] = {}
    for path in map(Path, paths):
        if is_file(path / CONFIG):
            folders = [path]
        else:
            folders = sorted(file.parent for file in path.glob(f"**/{RESULT}"))
            folders = [one for one in folders if (one / CONFIG).is_file()]
        if not folders:
            raise UserError(f"{path}: there is no evaluated run, a folder with {CONFIG}, in it")
        found |= {folder.resolve(): read_run(folder) for folder in folders}
    return list(found.values())


def read_run(folder: Path) -> ScoredRun:
    """An evaluated run.

    Raises:
        UserError: it has no result, or cannot be read.
    """
    file = folder / RESULT
    if not file.is_file():
        raise UserError(f"{folder} has no {RESULT}: it was not evaluated; 'mmrl eval' does that")
    result = read_json(file, dict[str, Any])
    convert(result, EvaluationResult, str(file))
    config = parse_yaml(read_text(folder / CONFIG), str(folder / CONFIG))
    settings = flat(convert(config, dict[str, Any], str(folder / CONFIG)))
    trained = convert(settings, TrainedIn, str(folder / CONFIG))
    env, seed = str(settings.pop("env")), trained.seed
    kept = {key: value for key, value in settings.items() if key not in _OF_A_SEED}
    protocol: dict[str, Any] = {key: result[key] for key in _PROTOCOL if key in result}
    return ScoredRun(str(folder), env, seed, kept, protocol, result)


def arms_of(runs: Sequence[ScoredRun], *, force: bool = False) -> list[ComparedArm]:
    """Runs by their configurations, in the order in which these come first.

    Args:
        runs: at least one.
        force: compare runs that were evaluated differently, too.

    Raises:
        UserError: there are two runs of one seed in an arm; arms have other environments than the
            first one; or the runs were evaluated differently.
    """
    if not force:
        _check_protocol(runs)
    groups: dict[str, list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.settings, sort_keys=True, default=str), []).append(run)
    known = all(run.result.get("success_rate") is not None for run in runs)
    metric = "success_rate" if known else "mean_return"
    names = _names([group[0].settings for group in groups.values()])
    arms = [
        ComparedArm(name, tuple(group), metric)
        for name, group in zip(names, groups.values(), strict=True)
    ]
    _check_environments(arms)
    return arms


def _names(settings: Sequence[Any]) -> list[str]:
    """What each configuration has that another one has not, or has otherwise."""
    keys = sorted({key for one in settings for key in one})
    different = [
        key for key in keys if len({json.dumps(s.get(key), default=str) for s in settings}) > 1
    ]
    named = [
        ", ".join(f"{key}={one[key]}" for key in different if one.get(key) is not None)
        for one in settings
    ]
    return [name or "as configured" for name in named]


def _check_protocol(runs: Sequence[ScoredRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        keys = sorted(first.protocol.keys() | run.protocol.keys())
        wrong = [key for key in keys if first.protocol.get(key) != run.protocol.get(key)]
        if wrong:
            differences = "; ".join(
                f"{key}: {first.protocol.get(key)} and {run.protocol.get(key)}" for key in wrong
            )
            raise UserError(
                f"{first.path} and {run.path} were evaluated differently: {differences}. "
                "--force compares them nevertheless"
            )


def _check_environments(arms: Sequence[ComparedArm]) -> None:
    first = arms[0]
    for arm in arms:
        pairs = [(run.env, run.seed) for run in arm.runs]
        twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
        if twice is not None:
            paths = [run.path for run in arm.runs if (run.env, run.seed) == twice]
            raise UserError(
                f"{' and '.join(paths)} are the same training: seed {twice[1]} of {twice[0]}"
            )
        if arm.scores.keys() != first.scores.keys():
            raise UserError(
                f"{first.name!r} was trained in {', '.join(first.scores)}, and {arm.name!r} in "
                f"{', '.join(arm.scores)}: only runs of the same environments can be compared"
            )

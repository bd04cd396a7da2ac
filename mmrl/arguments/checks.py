"""Checks of a request to train, before anything is written."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

from mmrl.arguments.request import TrainRequest
from mmrl.arguments.resuming import changes
from mmrl.contract import EVAL_SEED_START
from mmrl.device import find_device
from mmrl.env_sets import members_of
from mmrl.errors import UserError, unknown
from mmrl.experiment.config import CHANNELS, TrainConfig
from mmrl.experiment.env_info import EnvInfo, probe
from mmrl.loggers import check_loggers
from mmrl.models.fusion import check_fusion
from mmrl.registry import agent_section
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.error_context import close

_FIXED: Final = ("agent", "instruction")
"""Keys that cannot change when a training is resumed."""


def probe_environment(request: TrainRequest) -> EnvInfo:
    """Check the configuration of a request, and probe the environment: read what the resumed run
    has kept, or build the environment once. Its arguments become the configuration's.

    Raises:
        UserError: what cannot work, before anything is written.
    """
    check_settings(request.config)
    kept = None if request.resume is None else request.resume.env_info
    if kept is None or not kept.is_of(request.config):
        kept = probe(request.config, words=request.resume is None)
    request.config = replace(request.config, env_args=kept.env_args)
    request.resolved["env_args"] = kept.env_args
    return kept


def check(config: TrainConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UserError: as :func:`check_settings`; no such environment, or arguments that it refuses.
    """
    check_settings(config)
    for one in members_of(config.env):
        close(make_env(one.env, **one.args(config.env_args)))


def check_settings(config: TrainConfig) -> None:
    """As :func:`check`, of all but the environment.

    Raises:
        UserError: unknown fusion or channel, impossible numbers, no such device.
    """
    if config.steps < 1:
        raise UserError(f"steps={config.steps}: must be at least 1")
    if config.keep_checkpoints < 1:
        raise UserError(f"keep_checkpoints={config.keep_checkpoints}: must be at least 1")
    for name in ("env_workers", "eval_episodes", "clip_every", "checkpoint_every"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 0")
    if config.model.instruction_length < 2:
        raise UserError(
            f"model.instruction_length={config.model.instruction_length}: must be at least 2, a "
            "mark and a word"
        )
    if config.record_mb != 0 and not config.record_mb >= 1:
        raise UserError(f"record_mb={config.record_mb}: must be 0 for no records, or at least 1")
    if not 0 <= config.seed < EVAL_SEED_START:
        raise UserError(
            f"seed={config.seed}: must be 0 to {EVAL_SEED_START - 1}; evaluation is above"
        )
    check_loggers(config.logger)
    find_device(config.device)
    check_fusion(config.model.fusion)
    if config.instruction not in CHANNELS:
        raise unknown("instruction", config.instruction, CHANNELS)


def check_resume(request: TrainRequest) -> list[str]:
    """Make sure that a run can be resumed by a request; nothing in it is changed.

    Returns:
        What differs from its configuration, a line each.

    Raises:
        UserError: the configuration has changed and changes are not allowed, or a key that cannot
            change.
    """
    run = request.resume
    assert run is not None
    agent = agent_section(request.config.agent)
    defaults = {**asdict(TrainConfig("", "")), agent: asdict(type(request.hyper)())}
    differences = changes(run, request.resolved, defaults, "model", "optimizer", agent)
    if differences and not request.allow_changes:
        raise UserError(
            f"{run.path} was trained with another configuration; nothing was changed:\n  "
            + "\n  ".join(differences)
            + "\nIf that is meant, add --allow-changes"
        )
    for key in _FIXED:
        if run.config.get(key, request.resolved[key]) != request.resolved[key]:
            raise UserError(
                f"{key}: {run.config[key]} → {request.resolved[key]}: a run that is resumed keeps "
                f"its {key}; nothing was changed. Begin a new one with another --out"
            )
    return differences

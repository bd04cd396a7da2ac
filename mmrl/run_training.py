"""A training from its request to its result: the run folder, the agent, the evaluation, a clip."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from mmrl.agent import Actor
from mmrl.arguments.checks import check_resume, probe_environment
from mmrl.arguments.request import TrainRequest
from mmrl.contract import EVAL_SEED_START
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.evaluation.evaluate import evaluate_actor
from mmrl.evaluation.player import EpisodePlayer
from mmrl.evaluation.recording import BatchRecorder
from mmrl.evaluation.report import HELD_OUT, format_report, markdown, scalars
from mmrl.experiment.agent import DistributedAgent
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.ending import ending
from mmrl.experiment.run import Run
from mmrl.loggers import open_loggers
from mmrl.records import EVALUATION, MEGABYTES, RecordFolder
from mmrl.registry import find_agent
from mmrl.splits import split_argument
from mmrl.text_output import format_table, printable, shortened
from mmrl.trained_agent import TrainedAgent
from mmrl.viz.clips import (
    Clip,
    draw_clip,
    stacked,
    write_clip,
)
from mmrl.viz.tensorboard import event_writer

ALTERNATIVES_CLIP: Final = "two_instructions.gif"
"""The file of a run folder that shows one scene with two instructions, where there is one."""
_RECORDED: Final = 32  # episodes of the evaluation at the end of a training
_SCENES: Final = 20  # in which another instruction is looked for


@dataclass(frozen=True)
class TrainedRun:
    """A training that has finished.

    Attributes:
        run: its folder.
        agent: what was trained.
        result: of the evaluation, as ``result.json`` has it; None where ``eval_episodes=0``.
    """

    run: Run
    agent: TrainedAgent
    result: dict[str, Any] | None

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as ``config.yaml`` has it."""
        return self.run.config

    def __fspath__(self) -> str:
        """The run folder, for whatever takes a path."""
        return str(self.path)


def run_training(request: TrainRequest, log: Callable[[str], None] = print) -> TrainedRun:
    """Train by a request, or resume; then play held-out episodes.

    Args:
        request: of a command or of :func:`train`.
        log: takes the lines that report progress.

    Raises:
        UserError: what cannot work; nothing was written then, or a checkpoint was saved.
        KeyboardInterrupt: the user interrupted; a checkpoint was saved.
    """
    info = probe_environment(request)
    config, resume = request.config, request.resume
    if resume is None:
        run = Run.create(config.out, request.resolved, info)
    else:
        run, differences = resume, check_resume(request)
        changed = f", with {len(differences)} changes" if differences else ""
        name = run.newest_checkpoint().name
        log(f"resuming {run.path} from {name} to {config.steps:,} steps{changed}")
    with run.lock():
        if resume is None:
            env = printable(short_name(config.env))
            what = f"{config.agent} on {env} for {config.steps:,} steps"
            if info.adaptation:
                log(format_table(("observation", "is", "becomes", "note"), info.adaptation))
            log(f"training {what} → {run.path}")
            if sys.stdout.isatty():
                log(f"look at it meanwhile: mmrl dashboard {printable(str(run.path.parent))}")
        else:
            run.resume({**request.resolved, "out": run.config["out"]}, info)
        return _train_and_evaluate(request, run, log)


def plan_training(request: TrainRequest) -> str:
    """What ``--workers`` would do, for people to read.

    Raises:
        UserError: as :func:`run_training`, or an agent that learns in one process.
    """
    probe_environment(request)
    agent = _distributed(request.config)
    return agent.plan_together(request.config, request.hyper, *request.cluster)


def _train_and_evaluate(request: TrainRequest, run: Run, log: Callable[[str], None]) -> TrainedRun:
    config, started = request.config, time.monotonic()
    with ending(run, f"mmrl train --resume {run.path}"):
        agent = TrainedAgent(_train(request, run), run)
        run.write_config()  # an agent may not have done so
    seconds = round(time.monotonic() - started, 1)
    log(f"trained in {seconds:.0f} s")
    report = None
    if config.eval_episodes:
        more = {
            "agent": config.agent,
            "steps": config.steps,
            "seed": config.seed,
            "training_seconds": seconds,
        }
        count = _RECORDED if config.record_mb else 0
        with batch_recorder(run, count, config.env, config.env_args, config.record_mb) as recorder:
            report = evaluate_actor(
                agent,
                config.env,
                config.env_args,
                config.eval_episodes,
                more,
                controls=config.controls,
                env_workers=config.env_workers,
                recorder=recorder,
            )
        if config.split:
            report[HELD_OUT] = _evaluate_held_out(config, agent)
        run.save_result(report)
        _write_events(run, report, config.steps)
        log(format_report(report))
    if config.clip_every and (clip := _clip_with_alternative(config, agent)):
        path = run.path / ALTERNATIVES_CLIP
        clip.save(path)
        with event_writer(run.events) as writer:
            write_clip(writer, "eval", clip, config.steps)
        log(f"one scene, two instructions: {path}")
    folder = printable(str(run.path.parent))
    log(f"see it: mmrl dashboard {folder}, or tensorboard --logdir {folder}")
    return TrainedRun(run, agent, report)


def _train(request: TrainRequest, run: Run) -> Actor:
    """Here, or by many workers."""
    config = request.config
    more: dict[str, Any] = {} if request.resume is None else {"resume": True}
    if not request.workers:
        return find_agent(config.agent).train(config, request.hyper, run, **more)
    workers, address = request.cluster
    return _distributed(config).train_together(
        config, request.hyper, run, workers=workers, address=address, **more
    )


def _distributed(config: TrainConfig) -> DistributedAgent:
    agent = find_agent(config.agent)
    if not hasattr(agent, "train_together"):
        raise UserError(f"--workers: agent {config.agent!r} learns in one process")
    return cast("DistributedAgent", agent)


def _evaluate_held_out(config: TrainConfig, agent: Actor) -> dict[str, Any]:
    """The evaluation of the instructions that the split holds out, without controls."""
    return evaluate_actor(
        agent,
        config.env,
        {**config.env_args, **split_argument(config.split, held_out=True)},
        config.eval_episodes,
        {"split": config.split},
        env_workers=config.env_workers,
    )


def _write_events(run: Run, report: dict[str, Any], steps: int) -> None:
    """Write the evaluation where the training's curves are."""
    numbers = scalars(report)
    writer = event_writer(run.events)
    for tag, value in numbers.items():
        writer.add_scalar(tag, value, steps)
    writer.add_text("eval/report", markdown(report), steps)
    writer.close()
    try:
        with open_loggers(run.config.get("logger"), run.path, run.flat_config(), steps) as loggers:
            loggers.log(numbers, steps)
    except UserError as error:  # such as a network that is down by now
        warnings.warn(str(error), stacklevel=2)


def _clip_with_alternative(config: TrainConfig, agent: Actor) -> Clip | None:
    """A held-out scene with its own instruction and with another; None where the environment names
    no other, or cannot be shown.
    """
    try:
        with EpisodePlayer(config.env, config.env_args) as player:
            for seed in range(EVAL_SEED_START, EVAL_SEED_START + _SCENES):
                if records := player.play_alternatives(agent, seed=seed):
                    return stacked(list(map(draw_clip, records)))
    except Exception as error:  # a clip is for people: the result does not need it
        warnings.warn(f"no clip with two instructions: {shortened(error)}", stacklevel=2)
    return None


@contextmanager
def batch_recorder(
    run: Run | None,
    count: int,
    env: str,
    env_args: dict[str, Any],
    megabytes: float = MEGABYTES,
) -> Iterator[BatchRecorder | None]:
    """What records an evaluation in a run folder; None where nothing is to be recorded."""
    if run is None or not count:
        yield None
        return
    with RecordFolder(run.records, megabytes=megabytes) as folder:
        yield BatchRecorder(
            folder.add,
            count,
            source=EVALUATION,
            env_id=env,
            env_args=env_args,
            checkpoint=run.newest_steps(),
        )

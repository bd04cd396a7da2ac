"""``mmrl train``: trains an agent, writes a run folder, and plays held-out episodes."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import yaml
from jsonargparse import ActionConfigFile

from mmrl.agent import Actor
from mmrl.cli.common import changes, check_code, ending, named_run
from mmrl.cli.eval import evaluate, sentence
from mmrl.cli.parser import Parser
from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError, unknown
from mmrl.experiment.agent import DistributedAgent
from mmrl.experiment.config import TrainConfig, find_device
from mmrl.experiment.preprocessing import CHANNELS, with_speakers
from mmrl.experiment.run import CONFIG, Run
from mmrl.models.fusion import FUSIONS
from mmrl.registry import agent_names, find_agent
from mmrl.text_output import printable
from mmrl.wrappers.adapters import make_env

_DESCRIPTION = """\
Train an agent on an environment with an image and an instruction.

A YAML file gives any of the options below (--config configs/demo.yaml); options that follow it
override it. The run folder holds the resolved configuration, TensorBoard's event files,
checkpoints, and result.json with the success on held-out episodes.

A training that was interrupted goes on by --resume RUN, exactly as it would have without the
interruption: mmrl train --resume runs/first. Options that follow and differ from what the run was
trained with are refused, unless --allow_changes says that they are meant.

--workers N trains with N processes under Ray (pip install 'multimodal-rl[ray]'), on this machine
or, with --address, on a cluster whose machines all see the run folder: each has its part of the
environments, gradients are averaged, and a lost worker is replaced. The result is the same as
without. --dry_run true prints the plan and does nothing.
"""

_NOT_THE_EXPERIMENT: Final = {
    "config", "resume", "allow_changes", "workers", "address", "dry_run", "trust_code",
}  # fmt: skip
_FIXED: Final = ("agent", "instruction")
"""Keys that cannot change when a training is resumed."""


def run(arguments: list[str]) -> int:
    """Train as the arguments say."""
    request = parse(arguments)
    config = request.config
    check(config)
    config = with_speakers(config)
    if request.dry_run:
        print(_team_agent(config).plan_together(config, request.hyper, *request.cluster))
        return 0
    request.resolved["env_args"] = config.env_args
    if request.resume is None:
        folder = Run.create(config.out, request.resolved)
    else:
        folder = resumed(request)
    with folder.lock():
        return _train_and_evaluate(request, config, folder)


def _train_and_evaluate(request: Request, config: TrainConfig, folder: Run) -> int:
    if request.resume is None:
        what = f"{config.agent} on {printable(config.env)} for {config.steps:,} steps"
        print(f"training {what} → {folder.path}")
    else:
        folder.resume({**request.resolved, "out": folder.config["out"]})
    started = time.monotonic()
    with ending(folder, f"mmrl train --resume {folder.path}"):
        actor = _train(request, config, folder)
        folder.write_config()  # an agent may not have done so
    seconds = round(time.monotonic() - started, 1)
    print(f"trained in {seconds:.0f} s")
    if config.eval_episodes:
        report = evaluate(
            actor,
            config.env,
            config.env_args,
            config.eval_episodes,
            agent=config.agent,
            steps=config.steps,
            seed=config.seed,
            training_seconds=seconds,
        )
        folder.save_result(report)
        print(sentence(report))
    print(f"see it: tensorboard --logdir {folder.path.parent}")
    return 0


@dataclass
class Request:
    """What the arguments ask for.

    Attributes:
        config: of the training.
        hyper: the chosen agent's hyperparameters.
        resolved: both as plain values.
        resume: the run that is to go on, if any.
        allow_changes: whether its configuration may change.
        workers: processes that train together; 0 for this one.
        address: of the cluster that they run on; None for this machine.
        dry_run: only say what would be done.
    """

    config: TrainConfig
    hyper: Any
    resolved: dict[str, Any]
    resume: Run | None
    allow_changes: bool
    workers: int
    address: str | None
    dry_run: bool

    @property
    def cluster(self) -> tuple[int, str | None]:
        """How many workers, and where."""
        return max(self.workers, 1), self.address


def _train(request: Request, config: TrainConfig, folder: Run) -> Actor:
    """Here, or by many workers."""
    more: dict[str, Any] = {} if request.resume is None else {"resume": True}
    if not request.workers:
        return find_agent(config.agent).train(config, request.hyper, folder, **more)
    workers, address = request.cluster
    return _team_agent(config).train_together(
        config, request.hyper, folder, workers=workers, address=address, **more
    )


def _team_agent(config: TrainConfig) -> DistributedAgent:
    agent = find_agent(config.agent)
    if not hasattr(agent, "train_together"):
        raise UserError(f"--workers: agent {config.agent!r} learns in one process")
    return cast("DistributedAgent", agent)


def resumed(request: Request) -> Run:
    """The run folder of a training that is resumed; nothing in it is changed.

    Raises:
        UserError: the configuration has changed, and nobody said that this is meant, or cannot
            change; or there is no checkpoint.
    """
    run = request.resume
    assert run is not None
    agent = request.config.agent
    defaults = {**asdict(TrainConfig("", "")), agent: asdict(type(request.hyper)())}
    differences = changes(run, request.resolved, defaults, "model", "optimizer", agent)
    if differences and not request.allow_changes:
        raise UserError(
            f"{run.path} was trained with another configuration; nothing was changed:\n  "
            + "\n  ".join(differences)
            + "\nIf that is meant, add --allow_changes true"
        )
    for key in _FIXED:
        if run.config.get(key, request.resolved[key]) != request.resolved[key]:
            raise UserError(
                f"{key}: {run.config[key]} → {request.resolved[key]}: a run that is resumed keeps "
                f"its {key}; nothing was changed. Begin a new one with another --out"
            )
    name = run.newest_checkpoint().name
    steps = f"{request.config.steps:,} steps"
    changed = f", with {len(differences)} changes" if differences else ""
    print(f"resuming {run.path} from {name} to {steps}{changed}")
    return run


def parse(arguments: list[str]) -> Request:
    """What the arguments ask for.

    Raises:
        UserError: an agent that there is not, or no run to go on with.
    """
    parser = Parser(prog="mmrl train", description=_DESCRIPTION)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these")
    parser.add_argument("--resume", type=str | None, default=None, help="run folder to go on with")
    parser.add_argument(
        "--allow_changes", type=bool, default=False, help="go on with another configuration"
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that train together; 0 for this one"
    )
    parser.add_argument(
        "--address", type=str | None, default=None, help="of a Ray cluster; this machine, if empty"
    )
    parser.add_argument(
        "--dry_run", type=bool, default=False, help="print what --workers would do, and stop"
    )
    parser.add_class_arguments(TrainConfig)
    for name in agent_names():
        parser.add_class_arguments(find_agent(name).Config, name)
    resumed = named_run(arguments)
    if resumed is not None:
        arguments = [f"--config={resumed.path / CONFIG}", *arguments]
    parsed = parser.parse_args(arguments)
    agent = parsed.agent
    if agent not in agent_names():
        raise unknown("agent", agent, agent_names())
    plain = yaml.safe_load(parser.dump(parsed, skip_none=False))
    others = set(agent_names()) - {agent} | _NOT_THE_EXPERIMENT
    resolved = {key: value for key, value in plain.items() if key not in others}
    check_code(parsed, resolved)
    objects = parser.instantiate_classes(parsed)
    sections = {*_NOT_THE_EXPERIMENT, *agent_names()}
    config = TrainConfig(**{k: v for k, v in vars(objects).items() if k not in sections})
    if parsed.workers < 0:
        raise UserError(f"--workers {parsed.workers}: must be at least 0")
    if parsed.address is not None and not parsed.workers:
        raise UserError(f"--address {parsed.address}: say how many --workers")
    how = (parsed.allow_changes, parsed.workers, parsed.address, parsed.dry_run)
    return Request(config, objects[agent], resolved, resumed, *how)


def check(config: TrainConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UserError: unknown environment or fusion, impossible numbers, no such device.
    """
    if config.steps < 1:
        raise UserError(f"steps={config.steps}: must be at least 1")
    if config.keep_checkpoints < 1:
        raise UserError(f"keep_checkpoints={config.keep_checkpoints}: must be at least 1")
    for name in ("eval_episodes", "clip_every", "checkpoint_every"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 0")
    if not 0 <= config.seed < EVAL_SEED_START:
        raise UserError(
            f"seed={config.seed}: must be 0 to {EVAL_SEED_START - 1}; evaluation is above"
        )
    find_device(config.device)
    if config.model.fusion not in FUSIONS and "." not in config.model.fusion:
        raise unknown("fusion", config.model.fusion, FUSIONS)
    if config.instruction not in CHANNELS:
        raise unknown("instruction", config.instruction, CHANNELS)
    make_env(config.env, **config.env_args).close()

"""A request to train: from the command's arguments or from nested dictionaries alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Final

from jsonargparse import ActionConfigFile

from mmrl.arguments.agents import agents_of_others, named_agents
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.arguments.resuming import (
    as_argument,
    changes,
    check_code,
    check_value,
    named_run,
    source_of,
)
from mmrl.contract import EVAL_SEED_START
from mmrl.device import find_device
from mmrl.errors import UserError, unknown
from mmrl.experiment.config import TrainConfig, read_config
from mmrl.experiment.env_info import CHANNELS, EnvInfo, probe
from mmrl.experiment.renamed import announce, rename_keys
from mmrl.experiment.run import Run, flat
from mmrl.models.fusion import check_fusion
from mmrl.registry import agent_names, agent_section, find_agent
from mmrl.schema import convert
from mmrl.wrappers.adapters import make_env

_DESCRIPTION: Final = """\
Train an agent on an environment with an image and an instruction.

A YAML file gives any of the options below (--config configs/demo.yaml), its keys with underscores;
options that follow it override it. The run folder holds the resolved configuration, TensorBoard's
event files, checkpoints, and result.json with the success rate on held-out episodes.

  mmrl train --env mmrl/GoToRedBallGrey-v0 --out runs/first
  mmrl train --config configs/demo.yaml --model.fusion film --seed 1 --out runs/film
  mmrl train --resume runs/first                            continue an interrupted training

A resumed training ends with the same weights as one that was not interrupted. Options that follow
--resume and differ from the run's configuration are refused, unless --allow-changes is given:

  mmrl train --resume runs/first --steps 1000000 --allow-changes

--workers N trains with N processes under Ray (pip install 'multimodal-rl[ray]'), on this machine
or, with --address, on a cluster whose machines all see the run folder: each has its part of the
environments, gradients are averaged, and a lost worker is replaced. The result is the same as
without. --dry-run prints the plan and stops.
"""
_NOT_THE_EXPERIMENT: Final = {
    "config", "resume", "allow_changes", "workers", "address", "dry_run", "trust_code",
}  # fmt: skip
_FIXED: Final = ("agent", "instruction")
"""Keys that cannot change when a training is resumed."""


@dataclass
class TrainRequest:
    """A request to train.

    Attributes:
        config: of the training.
        hyper: the chosen agent's hyperparameters.
        resolved: both as plain values.
        resume: the run that is to be resumed, if any.
        allow_changes: whether its configuration may change.
        workers: processes that train together; 0 for this one.
        address: of the cluster that they run on; None for this machine.
        dry_run: only print what would be done.
    """

    config: TrainConfig
    hyper: Any
    resolved: dict[str, Any]
    resume: Run | None = None
    allow_changes: bool = False
    workers: int = 0
    address: str | None = None
    dry_run: bool = False

    @property
    def cluster(self) -> tuple[int, str | None]:
        """How many workers, and where."""
        return max(self.workers, 1), self.address

    def probe(self) -> EnvInfo:
        """Check the configuration, and probe the environment: read what the resumed run has kept,
        or build the environment once. Its arguments become the configuration's.

        Raises:
            UserError: what cannot work, before anything is written.
        """
        check_settings(self.config)
        kept = None if self.resume is None else self.resume.env_info
        if kept is None or not kept.is_of(self.config):
            kept = probe(self.config, words=self.resume is None)
        self.config = replace(self.config, env_args=kept.env_args)
        self.resolved["env_args"] = kept.env_args
        return kept


def parse(arguments: list[str]) -> TrainRequest:
    """The request in the arguments of ``mmrl train``.

    Raises:
        UserError: an agent that there is not, or no run to resume.
    """
    resumed = named_run(arguments)
    if resumed is not None:
        arguments = [as_argument(resumed), *arguments]
    parser = train_parser((*agent_names(), *named_agents(arguments)))
    parsed = parser.parse_args(arguments)
    request = _request(parser, parsed)
    check_code(parsed, request.resolved)
    if parsed.workers < 0:
        raise UserError(f"--workers {parsed.workers}: must be at least 0")
    if parsed.address is not None and not parsed.workers:
        raise UserError(f"--address {parsed.address}: give the number of --workers")
    how = (parsed.allow_changes, parsed.workers, parsed.address, parsed.dry_run)
    return TrainRequest(request.config, request.hyper, request.resolved, resumed, *how)


def request_of(config: Mapping[str, Any]) -> TrainRequest:
    """The request in a configuration.

    Args:
        config: as a YAML file has it: nested dictionaries, or dataclasses such as
            :class:`~mmrl.models.config.ModelConfig`.

    Raises:
        UserError: a key that does not exist, or a value of another type.
    """
    plain = {
        key: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for key, value in config.items()
    }
    plain, renamed = rename_keys(plain)
    announce(renamed, "mmrl.train")
    wrong = sorted(plain.keys() & _NOT_THE_EXPERIMENT)
    if wrong:
        raise UserError(f"{wrong[0]}: is an option of 'mmrl train', and no key of a configuration")
    parser = train_parser((*agent_names(), *agents_of_others([plain.get("agent")])))
    request = _request(parser, parser.parse_object(plain))
    for key, value in flat(request.resolved).items():
        check_value(key, value)
    return request


@cache
def train_parser(agents: tuple[str, ...]) -> Parser:
    """The parser of ``mmrl train``, with a section for each of the agents; one for all requests."""
    parser = Parser(
        prog="mmrl train", description=_DESCRIPTION, formatter_class=AsWritten,
        usage="mmrl train --env ENV --out OUT [options]",
    )  # fmt: skip
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these")
    parser.add_argument("--resume", type=str | None, default=None, help="run folder to resume")
    parser.add_argument(
        "--allow-changes", type=bool, default=False, help="resume with another configuration"
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that train together; 0 for this one"
    )
    parser.add_argument(
        "--address", type=str | None, default=None, help="of a Ray cluster; this machine, if empty"
    )
    parser.add_argument(
        "--dry-run", type=bool, default=False, help="print what --workers would do, and stop"
    )
    parser.add_class_arguments(TrainConfig)
    taken = {one.name for one in fields(TrainConfig)}
    for name in agents:
        section = agent_section(name)
        if section in taken:
            raise UserError(
                f"agent {name!r}: its hyperparameters would be the section {section!r}, which is "
                "taken: give the class another name"
            )
        taken.add(section)
        parser.add_class_arguments(find_agent(name).Config, section)
    return parser


def _request(parser: Parser, parsed: Any) -> TrainRequest:
    convert({"agent": parsed.agent}, dict[str, str], source_of(parsed))
    find_agent(parsed.agent)
    section = agent_section(parsed.agent)
    plain, known = parser.plain_values(parsed), {one.name for one in fields(TrainConfig)}
    resolved = {key: value for key, value in plain.items() if key in {*known, section}}
    read_config(resolved, find_agent(parsed.agent).Config, source_of(parsed))  # no blank values
    objects = parser.instantiate_classes(parsed)
    config = TrainConfig(**{k: v for k, v in vars(objects).items() if k in known})
    return TrainRequest(config, objects[section], resolved)


def check(config: TrainConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UserError: as :func:`check_settings`; no such environment, or arguments that it refuses.
    """
    check_settings(config)
    make_env(config.env, **config.env_args).close()


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
    if config.record_mb != 0 and not config.record_mb >= 1:
        raise UserError(f"record_mb={config.record_mb}: must be 0 for no records, or at least 1")
    if not 0 <= config.seed < EVAL_SEED_START:
        raise UserError(
            f"seed={config.seed}: must be 0 to {EVAL_SEED_START - 1}; evaluation is above"
        )
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

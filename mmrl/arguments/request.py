"""A request to train: from the command's arguments or from nested dictionaries alike."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonargparse import ActionConfigFile

from mmrl.arguments.agents import agents_of_others, named_agents
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.arguments.resuming import as_argument, check_code, check_value, named_run, source_of
from mmrl.env_sets import env_text, with_env_text
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig, flat, read_config
from mmrl.experiment.renamed import announce, rename_keys
from mmrl.recipes import CONFIG_HELP, with_config_files
from mmrl.registry import (
    agent_names,
    agent_section,
    find_agent,
    find_config,
    find_environments,
)
from mmrl.schema import convert

if TYPE_CHECKING:
    from mmrl.experiment.run import Run

_DESCRIPTION: Final = """\
Train an agent on an environment with an image and an instruction.

A YAML file, or a recipe of 'mmrl recipes' by its name, gives any of the options below
(--config demo), its keys with underscores; options that follow it override it. The run folder holds
the resolved configuration, TensorBoard's event files, checkpoints, and result.json with the success
rate on held-out episodes.

  mmrl train --env mmrl/GoToRedBallGrey-v0 --out runs/first
  mmrl train --config demo --model.fusion film --seed 1 --out runs/film
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


def parse(arguments: list[str]) -> TrainRequest:
    """The request in the arguments of ``mmrl train``.

    Raises:
        UserError: an agent or a recipe that there is not, or no run to resume.
    """
    arguments = with_config_files(arguments)
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
    plain, renamed = rename_keys(with_env_text(plain))
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
    parser.add_argument("--config", action=ActionConfigFile, help=CONFIG_HELP)
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
        config = _config_of(name)
        if config is not None:
            taken.add(section)
            parser.add_class_arguments(config, section)
    return parser


def _config_of(agent: str) -> type[Any] | None:
    """The hyperparameters of an agent; None, with a warning, where it is that of an installed
    package and cannot be imported.
    """
    try:
        return find_config(agent)
    except UserError as error:
        if agent not in agent_names():
            raise
        warnings.warn(str(error), stacklevel=2)
        return None


def _request(parser: Parser, parsed: Any) -> TrainRequest:
    convert({"agent": parsed.agent}, dict[str, str], source_of(parsed))
    find_agent(parsed.agent)
    parsed.env = env_text(find_environments(str(parsed.env)))
    section = agent_section(parsed.agent)
    plain, known = parser.plain_values(parsed), {one.name for one in fields(TrainConfig)}
    resolved = {key: value for key, value in plain.items() if key in {*known, section}}
    read_config(resolved, find_agent(parsed.agent).Config, source_of(parsed))  # no blank values
    objects = parser.instantiate_classes(parsed)
    config = TrainConfig(**{k: v for k, v in vars(objects).items() if k in known})
    return TrainRequest(config, objects[section], resolved)

"""The configuration of a training: one YAML file, every key also an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mmrl.env_sets import with_env_text
from mmrl.experiment.renamed import rename_keys
from mmrl.models.config import ModelConfig
from mmrl.records import MEGABYTES
from mmrl.registry import agent_section
from mmrl.schema import convert, well_formed
from mmrl.splits import split_argument
from mmrl.wrappers.adapt.config import ADAPTER

CHANNELS: Final = ("text", "speech", "both")
"""How an agent gets its instructions: written, spoken, or both."""


@dataclass
class OptimizerConfig:
    """How weights follow their gradients; the learning rate is the agent's.

    Attributes:
        name: adam, adamw, rmsprop or sgd.
        args: its own arguments, as in torch.optim, such as momentum or betas.
        l1: weight of the L1 penalty, l1 · sum of |w|.
        l2: weight of the L2 penalty, l2 / 2 · sum of w².
    """

    name: str = "adam"
    args: dict[str, Any] = field(default_factory=dict)
    l1: float = 0.0
    l2: float = 0.0


@dataclass
class TrainConfig:
    """What is trained, on what, for how long, and where it is kept.

    Attributes:
        env: id of the environment, module:id, or module:Class; or several of them, a list or a
            mapping of ids to weights, which share num_envs: "[a, b]", "{a: 2, b: 1}". A * stands
            for all installed ids that match, a minus leaves some out: "[Box*, -*Large*]".
        out: run folder, which must not exist yet.
        agent: name of the agent, or a dotted path to your own class; its hyperparameters are the
            section of that name, or of the class's.
        steps: environment steps to train for; gradient steps of agents that learn from recorded
            episodes: bc, dagger, iql, cql and td3_bc.
        init: run folder of an agent with the same model, whose weights and vocabulary the training
            begins with, such as one that was cloned; new weights, if empty.
        seed: of weights, sampling and environments; below one billion, where evaluation begins.
        env_args: arguments of the environment, or of all, such as room_size; and speech, the
            synthesised voices of the instructions (voices, words_per_minute, pitch, noise,
            seconds).
        env_adapter: what of the observations is used, and as what; found by itself, if empty. Its
            keys are those of :class:`~mmrl.wrappers.adapt.config.AdapterConfig`, such as image,
            instruction, success and discrete_actions.
        split: of the instructions: those that it holds out are never trained on, and are evaluated
            apart at the end. "sentences", or a name that the environment's language has; all
            instructions are trained on, if empty.
        env_workers: processes that step the environments of a training and of its evaluation, each
            a share of them, for slow simulators; 0 for this one. Batched engines do not use them.
        instruction: the agent's input: text, speech or both.
        model: encoders, fusion and their sizes.
        optimizer: the optimizer, and penalties on large weights.
        device: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1 or mps.
        eval_episodes: held-out episodes played at the end; 0 for none.
        controls: whether that evaluation plays controls, too: a random policy, another episode's
            instruction, an empty one, the expert.
        clip_every: steps between rollout clips in TensorBoard; 0 for none.
        record_mb: megabytes of episode records at most, which TensorBoard's tab Rollouts shows; the
            oldest are thinned. 0 for none.
        checkpoint_every: steps between checkpoints; 0 for none between the first update and the
            end.
        checkpoint_minutes: minutes between checkpoints, if that comes first; 0 for steps alone.
        keep_checkpoints: how many of the newest are kept.
        logger: where numbers go beside TensorBoard's event files, one name or several: csv, jsonl,
            trackio, mlflow, wandb, or a dotted path to your own, see :mod:`mmrl.loggers`.
        profile: print where the time goes, and write a trace of an update for TensorBoard.
    """

    env: str
    out: str
    agent: str = "ppo"
    steps: int = 500_000
    init: str = ""
    seed: int = 0
    env_args: dict[str, Any] = field(default_factory=dict)
    env_adapter: dict[str, Any] = field(default_factory=dict)
    split: str = ""
    env_workers: int = 0
    instruction: str = "text"
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    device: str = "auto"
    eval_episodes: int = 512
    controls: bool = True
    clip_every: int = 100_000
    record_mb: float = MEGABYTES
    checkpoint_every: int = 100_000
    checkpoint_minutes: float = 10.0
    keep_checkpoints: int = 3
    logger: list[str] | str | None = None
    profile: bool = False

    def __post_init__(self) -> None:
        if self.env_adapter:
            self.env_args = {**self.env_args, ADAPTER: self.env_adapter}
        if self.split:
            self.env_args = {**self.env_args, **split_argument(self.split)}


def read_config(
    plain: Mapping[str, Any], hyperparameters: type[Any], source: str = "the configuration"
) -> tuple[TrainConfig, Any]:
    """The configuration of a run, and its agent's hyperparameters.

    Args:
        plain: as it is in the run's YAML file; what it does not name has its default.
        hyperparameters: the agent's dataclass.
        source: the file that it is from, for errors.

    Raises:
        FileError: it has unknown keys, or values of another type.
    """
    given, _ = rename_keys(with_env_text(plain))
    agent = agent_section(given.get("agent", TrainConfig.agent))
    hyper = _hyperparameters(given.pop(agent, {}), hyperparameters, f"{source}: {agent}")
    with well_formed(source):
        model = convert(given.pop("model", {}), ModelConfig, f"{source}: model")
    optimizer = convert(given.pop("optimizer", {}), OptimizerConfig, f"{source}: optimizer")
    config = convert({"out": "", **given}, TrainConfig, source)
    return replace(config, model=model, optimizer=optimizer), hyper


def _hyperparameters(given: Any, kind: type[Any], source: str) -> Any:
    """Those of an agent, which may be of a user's own types that msgspec does not know."""
    try:
        return convert(given, kind, source)
    except TypeError:
        with well_formed(source):
            return kind(**given)


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration by dotted names."""
    return dict(_flatten(config))


def _flatten(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs

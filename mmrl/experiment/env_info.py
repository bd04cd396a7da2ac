"""What is known of an environment: learned by building it once, before training, and kept.

A run keeps it as ``env_info.json``, plain data, so that its agent is loaded without the
environment; runs of earlier versions have no such file, and their environment is built instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.action_labels import action_names
from mmrl.contract import SPEECH, contract_violation
from mmrl.env_sets import members_of, names_several
from mmrl.errors import UserError, unknown
from mmrl.experiment.config import CHANNELS, TrainConfig
from mmrl.files import write_json
from mmrl.schema import Schema, read_json, well_formed
from mmrl.wrappers.adapters import info_keys, make_env, sample_instructions, words_of
from mmrl.wrappers.common_spaces import common_actions, common_entries, common_observations
from mmrl.wrappers.error_context import ErrorContext
from mmrl.wrappers.making import adaptation
from mmrl.wrappers.speech import Speakers

FILE: Final = "env_info.json"
_MOST: Final = 2**26  # numbers in one observation
Plain = dict[str, Any]


class _Saved(Schema):
    """What ``env_info.json`` holds."""

    env: str
    env_args: Plain
    observation_space: Plain
    action_space: Plain
    instruction_words: tuple[str, ...] | None
    info_keys: dict[str, str | None] | None
    actions: dict[str, str] | None
    language: str | None
    adaptation: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class EnvInfo:
    """What is known of an environment without building it.

    Attributes:
        env: its id.
        env_args: its arguments, with ``speech`` where the instructions are spoken.
        observation_space: of one environment, as :mod:`mmrl.contract` has it.
        action_space: of one environment.
        instruction_words: the words of its instructions, sorted; None where they were not needed.
        info_keys: optional entries of its infos, each with the argument that turns it on; None
            where it declares none.
        actions: the names of its actions by their numbers, where it declares them.
        language: the dotted path of its :mod:`mmrl.language`, where it declares one.
        adaptation: what an adapter makes of its observations, see
            :meth:`mmrl.wrappers.adapt.plan.AdapterPlan.rows`; empty where it fulfils the contract.
    """

    env: str
    env_args: Plain
    observation_space: spaces.Dict
    action_space: gym.Space[Any]
    instruction_words: tuple[str, ...] | None = None
    info_keys: Mapping[str, str | None] | None = None
    actions: Mapping[str, str] | None = None
    language: str | None = None
    adaptation: tuple[tuple[str, ...], ...] = ()

    def is_of(self, config: TrainConfig) -> bool:
        """Whether this is the environment of a configuration."""
        return (self.env, self.env_args) == (config.env, config.env_args)

    def save(self, folder: Path) -> None:
        """Write it into a folder; spaces that are not plain data are not written, nor is the rest.

        Raises:
            WriteError: the folder cannot be written.
        """
        try:
            plain = {
                **vars(self),
                "observation_space": space_to_plain(self.observation_space),
                "action_space": space_to_plain(self.action_space),
            }
            json.dumps(plain)
        except TypeError:  # a space, or an argument, of another kind
            return
        write_json(folder / FILE, plain)

    @classmethod
    def load(cls, folder: Path) -> EnvInfo | None:
        """What is written in a folder; None where nothing is.

        Raises:
            UserError: it cannot be read.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            return cls._of(read_json(file, _Saved), file)
        except UserError as error:
            raise UserError(
                f"{error}; remove the file, and the environment is built instead"
            ) from error

    @classmethod
    def _of(cls, saved: _Saved, file: Path) -> EnvInfo:
        with well_formed(file):
            observation = space_from_plain(saved.observation_space)
            action = space_from_plain(saved.action_space)
            if (wrong := contract_violation(observation)) is not None:
                raise ValueError(wrong)
        plain = {name: getattr(saved, name) for name in saved.__struct_fields__}
        return cls(**{**plain, "observation_space": observation, "action_space": action})


def probe(config: TrainConfig, *, words: bool = True) -> EnvInfo:
    """Build the environment of a configuration once, and learn all that training needs to know; of
    several environments, each.

    Where the agent needs speech and the environment has none, the default
    :class:`~mmrl.wrappers.speech.Speakers` speak the instructions.

    Args:
        config: of the training.
        words: whether the words of the instructions are needed; where the environment does not
            declare them, they are those of the instructions of at most 512 episodes.

    Raises:
        UserError: no such environment or channel, arguments that it refuses, or several that one
            policy cannot play.
    """
    if config.instruction not in CHANNELS:
        raise unknown("instruction", config.instruction, CHANNELS)
    members = members_of(config.env)
    return _joined(
        config.env,
        [
            _probe(replace(config, env=one.env, env_args=one.args(config.env_args)), words=words)
            for one in members
        ],
        config.env_args,
    )


def _joined(env: str, infos: Sequence[EnvInfo], env_args: Plain) -> EnvInfo:
    """What is known of several environments together.

    Args:
        env: their name.
        infos: of each.
        env_args: of all.
    """
    first, *rest = infos
    if not rest and not names_several(env):
        return first
    words = [one.instruction_words for one in infos]
    speech = {SPEECH: first.env_args[SPEECH]} if SPEECH in first.env_args else {}
    return EnvInfo(
        env,
        {**env_args, **speech},
        common_observations([(one.env, one.observation_space) for one in infos]),
        common_actions([(one.env, one.action_space) for one in infos]),
        None if words[0] is None else tuple(sorted({w for one in words for w in one or ()})),
        None
        if any(one.info_keys is None for one in infos)
        else common_entries([one.info_keys or {} for one in infos]),
        first.actions if all(one.actions == first.actions for one in rest) else None,
        first.language if all(one.language == first.language for one in rest) else None,
        tuple(dict.fromkeys(row for one in infos for row in one.adaptation)),
    )


def _probe(config: TrainConfig, *, words: bool) -> EnvInfo:
    """As :func:`probe`, of one environment."""
    args = {**config.env_args}
    speech = args.pop(SPEECH, None)
    with closing(ErrorContext(make_env(config.env, **args))) as env:
        space = cast("spaces.Dict", env.observation_space)
        if speech is None and config.instruction != "text" and SPEECH not in space.spaces:
            speech = {}
        if speech is not None:
            space = spaces.Dict({**space.spaces, SPEECH: Speakers.from_args(speech).space})
        needed = words and config.instruction != "speech"
        language = env.metadata.get("language")
        return EnvInfo(
            config.env,
            config.env_args if speech is None else {**config.env_args, SPEECH: speech},
            space,
            env.action_space,
            tuple(words_of(env, sample_instructions)) if needed else None,
            info_keys(env),
            _names(env),
            language if isinstance(language, str) else None,
            tuple(adaptation(env)),
        )


def env_info(kept: EnvInfo | None, config: TrainConfig) -> EnvInfo:
    """What is known of a run's environment: as it was kept, else by building it.

    Args:
        kept: :attr:`mmrl.experiment.run.Run.env_info`.
        config: of the training.

    Raises:
        UserError: as :func:`probe`, or the file cannot be read.
    """
    return kept if kept is not None and kept.is_of(config) else probe(config)


def space_to_plain(space: gym.Space[Any]) -> Plain:
    """A space as plain data.

    Raises:
        TypeError: a space that is not of Gymnasium's ``Box``, ``Discrete``, ``MultiDiscrete``,
            ``MultiBinary``, ``Text``, ``Dict`` or ``Tuple``.
    """
    if isinstance(space, spaces.Box):
        bounds = {"low": _numbers(space.low), "high": _numbers(space.high)}
        return {"kind": "Box", **bounds, "shape": list(space.shape), "dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {
            "kind": "MultiDiscrete",
            "nvec": space.nvec.tolist(),
            "start": space.start.tolist(),
            "dtype": str(space.dtype),
        }
    if isinstance(space, spaces.MultiBinary):
        n = space.n if isinstance(space.n, int) else list(space.shape)
        return {"kind": "MultiBinary", "n": n}
    if isinstance(space, spaces.Text):
        return {
            "kind": "Text",
            "min_length": space.min_length,
            "max_length": space.max_length,
            "charset": "".join(sorted(space.character_set)),
        }
    if isinstance(space, spaces.Dict):
        return {
            "kind": "Dict",
            "spaces": [[key, space_to_plain(one)] for key, one in space.items()],
        }
    if isinstance(space, spaces.Tuple):
        return {"kind": "Tuple", "spaces": [space_to_plain(one) for one in space.spaces]}
    raise TypeError(f"{space} is of no known kind")


def space_from_plain(plain: Mapping[str, Any]) -> Any:
    """The space that :func:`space_to_plain` has written.

    Raises:
        ValueError, LookupError, TypeError: it is no such thing.
    """
    given = {**plain}
    kind = given.pop("kind")
    if kind == "Box":
        dtype, shape = np.dtype(given["dtype"]), tuple(given["shape"])
        if np.prod(shape, dtype=object) > _MOST:
            raise ValueError(f"a space of shape {list(shape)} is too large")
        low, high = (_filled(given[key], shape, dtype) for key in ("low", "high"))
        return spaces.Box(low, high, shape, cast("Any", dtype.type))
    if kind == "MultiDiscrete":
        nvec, start = np.array(given["nvec"]), np.array(given["start"])
        return spaces.MultiDiscrete(nvec, cast("Any", np.dtype(given["dtype"])), start=start)
    if kind == "Dict":
        return spaces.Dict({key: space_from_plain(one) for key, one in given["spaces"]})
    if kind == "Tuple":
        return spaces.Tuple([space_from_plain(one) for one in given["spaces"]])
    if kind == "Text" and not isinstance(given["charset"], str):
        raise TypeError(f"the characters of a text are {given['charset']!r:.60}, and no text")
    simple = {
        "Discrete": spaces.Discrete, "MultiBinary": spaces.MultiBinary, "Text": spaces.Text,
    }  # fmt: skip
    return simple[kind](**given)


def _numbers(bound: Any) -> Any:
    """A bound as one text, where it is the same everywhere, or as a list of them: a text holds an
    infinity, and every digit.
    """
    values = [repr(one) for one in bound.ravel().tolist()]
    return values[0] if len(set(values)) == 1 else values


def _filled(bound: str | Sequence[str], shape: tuple[int, ...], dtype: Any) -> Any:
    """What :func:`_numbers` was given."""
    number = float if dtype.kind == "f" else int
    if isinstance(bound, str):
        return np.full(shape, number(bound), dtype)
    return np.array([number(one) for one in bound], dtype).reshape(shape)


def _names(env: gym.Env[Any, Any]) -> Mapping[str, str] | None:
    """The names of the actions by their numbers, where each has one."""
    names = action_names(env)
    if not names or not all(isinstance(name, str) for name in names.values()):
        return None
    return {str(number): name for number, name in names.items()}

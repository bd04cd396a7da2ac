"""Several environments under one name: the text of a list of ids, or of a mapping of ids to
weights.

Wherever an environment is named, such a text can stand: ``[Pong-v0, Tennis-v0]``, or ``{Pong-v0: 2,
Tennis-v0: {weight: 1, env_args: {mode: 1}}}``. It is YAML; :func:`env_text` writes it in one way,
so that equal sets have equal names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from mmrl.errors import UserError
from mmrl.schema import Positive, Schema, convert, parse_yaml
from mmrl.yaml_text import to_yaml

_STREAM: Final = 0x5E75  # keeps the choice of an environment apart from what its seed decides
_KEY: Final = "env"


@dataclass(frozen=True)
class WeightedEnvironment:
    """One of several environments.

    Attributes:
        env: its id.
        weight: its share, relative to the others'.
        env_args: arguments of its own, beside those of all.
    """

    env: str
    weight: float = 1.0
    env_args: Mapping[str, Any] = field(default_factory=dict)

    def args(self, common: Mapping[str, Any] | None) -> dict[str, Any]:
        """Its arguments, with those of all."""
        return {**(common or {}), **self.env_args}


class _Options(Schema):
    """What may stand in place of a weight."""

    weight: Positive = 1.0
    env_args: dict[str, Any] = {}


def names_several(env: str) -> bool:
    """Whether a name is that of several environments."""
    return env.lstrip()[:1] in ("[", "{")


def members_of(env: str) -> tuple[WeightedEnvironment, ...]:
    """The environments that a name stands for, in the order of their ids; an id stands for itself.

    Raises:
        UserError: the text of a list or mapping that is wrong.
    """
    if not names_several(env):
        return (WeightedEnvironment(env),)
    return _members(parse_yaml(env, f"env {env!r:.60}"))


def env_text(given: Any) -> str:
    """The name of some environments.

    Args:
        given: an id or a name; a list of ids; or a mapping of ids to weights, or to ``{weight: …,
            env_args: …}``.

    Returns:
        The same for the same environments, weights and arguments, in whichever order.

    Raises:
        UserError: an empty list, an id twice, or a weight that is not above 0.
    """
    members = members_of(given) if isinstance(given, str) else _members(given)
    has_args = any(one.env_args for one in members)
    if len({one.weight for one in members}) == 1 and not has_args:
        ids = [one.env for one in members]
        return ids[0] if len(ids) == 1 else to_yaml(ids, flow=True)
    return to_yaml({one.env: _plain(one) for one in members}, flow=True)


def with_env_text(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration whose ``env`` is a text, also where it is written as a list or mapping."""
    env = config.get(_KEY)
    return {**config, _KEY: env_text(env)} if isinstance(env, list | Mapping) else dict(config)


def short_name(env: str) -> str:
    """A name for people to read: of more than three environments, how many and the first ones."""
    members = members_of(env)
    ids = [one.env for one in members]
    if len(ids) <= 3:
        return ", ".join(ids)
    return f"{len(ids)} environments ({ids[0]}, {ids[1]}, …)"


def assign(env: str, count: int, what: str = "num_envs") -> list[int]:
    """How many of something each environment gets: at least one, and its share by weight.

    Args:
        env: the name of the environments.
        count: how many there are.
        what: they are, for errors.

    Raises:
        UserError: there are more environments.
    """
    members = members_of(env)
    if count < len(members):
        raise UserError(
            f"{what}={count}: there are {len(members)} environments, each of which needs one; "
            f"give at least {len(members)}"
        )
    weights = np.array([one.weight for one in members])
    shares = count * weights / weights.sum()
    counts = np.ones(len(members), np.int64)
    for _ in range(count - len(members)):
        counts[np.argmax(shares - counts)] += 1
    return [int(one) for one in counts]


def file_name(env: str) -> str:
    """An id as the name of a file or folder."""
    return re.sub(r"[^\w.-]+", "_", env)


def draw(env: str, seed: int) -> WeightedEnvironment:
    """The environment of a single episode: random by weight, the same for the same seed."""
    members = members_of(env)
    weights = np.array([one.weight for one in members])
    rng = np.random.default_rng([_STREAM, seed])
    return members[int(rng.choice(len(members), p=weights / weights.sum()))]


def _members(given: Any) -> tuple[WeightedEnvironment, ...]:
    """The environments of a list or mapping."""
    options: dict[str, float | _Options]
    if isinstance(given, list | tuple):
        ids = convert(list(given), list[str], "env")
        for one in ids:
            if ids.count(one) > 1:
                raise UserError(f"env: {one} is there twice; give a weight, such as {{{one}: 2}}")
        options = dict.fromkeys(ids, 1.0)
    else:
        options = convert(given, dict[str, Positive | _Options], "env")
    if not options:
        raise UserError("env: names no environment; give an id, a list of ids, or ids and weights")
    for one in options:
        if names_several(one):
            raise UserError(f"env: {one!r} is a list within a list; give ids")
    return tuple(_member(one, options[one]) for one in sorted(options))


def _member(env: str, options: float | _Options) -> WeightedEnvironment:
    if isinstance(options, _Options):
        return WeightedEnvironment(env, options.weight, options.env_args)
    return WeightedEnvironment(env, float(options))


def _plain(member: WeightedEnvironment) -> Any:
    weight: float = int(member.weight) if member.weight.is_integer() else member.weight
    return {"weight": weight, "env_args": dict(member.env_args)} if member.env_args else weight

"""Configuration of a curriculum: its kind, and the numbers that it goes by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from mmrl.errors import UserError, unknown
from mmrl_agents.choices import NONE
from mmrl_agents.curriculum.scores import find_score

_TYPES: Final[dict[str, tuple[Any, str]]] = {
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "float | None": ((int, float, type(None)), "a number"),
    "str": (str, "a name"),
}


@dataclass(frozen=True)
class Kind:
    """What distinguishes curricula.

    Attributes:
        robust: nothing is learned from levels that are played for the first time.
        edits: levels that were replayed are edited.
        replay: probability that an episode replays a level, unless the configuration gives one.
    """

    robust: bool
    edits: bool
    replay: float


CURRICULA: Final = {
    "plr": Kind(robust=False, edits=False, replay=0.5),  # Jiang et al. (2021a)
    "robust_plr": Kind(robust=True, edits=False, replay=0.5),  # Jiang et al. (2021b)
    "accel": Kind(robust=True, edits=True, replay=0.8),  # Parker-Holder et al. (2022)
}


@dataclass(frozen=True)
class CurriculumConfig:
    """Configuration of a curriculum, named as in the papers where these have names.

    Attributes:
        kind: plr, robust_plr or accel.
        score: estimate of how much there is to learn from a level: positive_value_loss, value_l1
            or max_mc.
        size: levels in the buffer, K.
        first: levels in the buffer before the first one is replayed.
        replay: probability p that an episode replays a level; edited levels are not counted.
            None for the kind's own: 0.5, for accel 0.8.
        temperature: β of the ranks: towards 0, nothing but the highest score is replayed.
        staleness: ρ, the weight of levels that were not played for long.
        edits: changes of a level from which a new one is made.

    Raises:
        UserError: a number that cannot be, no such kind, or no such score.
    """

    kind: str
    score: str = "positive_value_loss"
    size: int = 512
    first: int = 64
    replay: float | None = None
    temperature: float = 0.3
    staleness: float = 0.3
    edits: int = 1

    def __post_init__(self) -> None:
        for one in fields(self):
            types, name = _TYPES[str(one.type)]
            value = getattr(self, one.name)
            if not isinstance(value, types) or isinstance(value, bool):
                raise UserError(f"curriculum {one.name}={value!r}: must be {name}")
        find_kind(self.kind)
        find_score(self.score)
        for name in ("size", "first", "edits"):
            if getattr(self, name) < 1:
                raise UserError(f"curriculum {name}={getattr(self, name)}: must be at least 1")
        if self.first > self.size:
            raise UserError(f"curriculum first={self.first}: must be at most size={self.size}")
        if not 0 < self.replay_probability < 1:
            raise UserError(f"curriculum replay={self.replay}: must be between 0 and 1")
        if not self.temperature > 0:
            raise UserError(f"curriculum temperature={self.temperature}: must be above 0")
        if not 0 <= self.staleness <= 1:
            raise UserError(f"curriculum staleness={self.staleness}: must be 0 to 1")

    @property
    def properties(self) -> Kind:
        """What distinguishes this kind from others."""
        return CURRICULA[self.kind]

    @property
    def replay_probability(self) -> float:
        """``replay``, or the kind's own."""
        return self.properties.replay if self.replay is None else self.replay


def find_kind(name: str) -> Kind:
    """The curriculum of a name.

    Raises:
        UserError: there is none.
    """
    if name not in CURRICULA:
        raise unknown("curriculum", name, (NONE, *CURRICULA))
    return CURRICULA[name]

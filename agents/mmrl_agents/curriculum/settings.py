"""What a curriculum is, by name, and the numbers that it goes by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from mmrl.errors import UserError, unknown
from mmrl_agents.curriculum.scores import find_score

NOBODY: Final = "none"
_KINDS: Final = {int: "a whole number", float: "a number", str: "a name"}


@dataclass(frozen=True)
class Kind:
    """What tells curricula apart.

    Attributes:
        robust: nothing is learnt from levels that are played for the first time.
        edits: levels that were replayed are edited.
        replay: how often an episode is to be a replay, unless the settings say otherwise.
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
class Settings:
    """The numbers of a curriculum, named as in the papers where these have names.

    Attributes:
        score: how much there is to learn from a level: positive_value_loss, value_l1 or max_mc.
        size: levels that are kept, K.
        first: levels that are there before the first one is replayed.
        replay: how often an episode is to be a replay, p; edited levels are not counted.
        temperature: β of the ranks: towards 0, nothing but the highest score is replayed.
        staleness: ρ, the weight of what was not played for long.
        edits: changes of a level from which a new one is made.

    Raises:
        UserError: a number that cannot be, or no such score.
    """

    score: str = "positive_value_loss"
    size: int = 512
    first: int = 64
    replay: float = 0.5
    temperature: float = 0.3
    staleness: float = 0.3
    edits: int = 1

    def __post_init__(self) -> None:
        find_score(self.score)
        for name in ("size", "first", "edits"):
            if getattr(self, name) < 1:
                raise UserError(f"curriculum {name}={getattr(self, name)}: must be at least 1")
        if self.first > self.size:
            raise UserError(f"curriculum first={self.first}: must be at most size={self.size}")
        if not 0 < self.replay < 1:
            raise UserError(f"curriculum replay={self.replay}: must be between 0 and 1")
        if not self.temperature > 0:
            raise UserError(f"curriculum temperature={self.temperature}: must be above 0")
        if not 0 <= self.staleness <= 1:
            raise UserError(f"curriculum staleness={self.staleness}: must be 0 to 1")

    @classmethod
    def read(cls, given: dict[str, Any], kind: Kind) -> Settings:
        """The settings that a configuration gives a curriculum; what it does not name has its
        default.

        Raises:
            UserError: it has a name that there is not, or a value that cannot be.
        """
        known = {one.name: type(one.default) for one in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise unknown("part of curriculum_args", name, known)
            numbers = (int, float) if known[name] is float else known[name]
            if not isinstance(value, numbers) or isinstance(value, bool):
                raise UserError(f"curriculum {name}={value!r}: must be {_KINDS[known[name]]}")
        return cls(**{"replay": kind.replay, **given})


def find_kind(name: str) -> Kind:
    """The curriculum of a name.

    Raises:
        UserError: there is none.
    """
    if name not in CURRICULA:
        raise unknown("curriculum", name, (NOBODY, *CURRICULA))
    return CURRICULA[name]

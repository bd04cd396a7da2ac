"""The memories by their names, and the part of an agent that chooses one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from torch import nn

from mmrl.errors import UserError, unknown
from mmrl_agents.choices import KIND
from mmrl_agents.networks.memory.base import Memory
from mmrl_agents.networks.memory.frame_stack import FrameStack
from mmrl_agents.networks.memory.recurrent import Recurrent
from mmrl_agents.networks.memory.transformer import TransformerMemory
from mmrl_agents.parts import Part

MEMORIES: Final[dict[str, Callable[..., Memory]]] = {
    "lstm": lambda width, **args: Recurrent(width, nn.LSTM, **args),
    "gru": lambda width, **args: Recurrent(width, nn.GRU, **args),
    "frame_stack": FrameStack,
    "transformer": TransformerMemory,
}


def build_memory(name: str, width: int, args: dict[str, Any]) -> Memory:
    """The memory of that name.

    Args:
        name: a key of :data:`MEMORIES`.
        width: of the features.
        args: ``size`` of the hidden state, ``frames`` of the stack, or ``size``, ``layers``,
            ``heads`` and ``window`` of the transformer.

    Raises:
        UserError: unknown name, or arguments that do not fit.
    """
    if name not in MEMORIES:
        raise unknown("memory", name, MEMORIES)
    try:
        return MEMORIES[name](width, **args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"memory options {args} do not fit {name}: {error}") from error


@dataclass(frozen=True)
class MemoryConfig:
    """Configuration of a memory; an option that is None has the memory's own default.

    Attributes:
        kind: lstm, gru, frame_stack or transformer.
        size: of the hidden state of an LSTM or a GRU; width of a transformer.
        frames: of a frame stack.
        layers, heads: of a transformer.
        window: earlier steps that each layer of a transformer attends to.
    """

    kind: str
    size: int | None = None
    frames: int | None = None
    layers: int | None = None
    heads: int | None = None
    window: int | None = None


class MemoryPart(Part):
    """A memory of an on-policy agent's policy."""

    Config = MemoryConfig
    kinds = tuple(MEMORIES)

    def check(self, hyper: Any) -> None:
        """As :meth:`Part.check`."""
        self.check_kind()
        if hyper.batch_size % hyper.n_steps:
            section = self.key.rpartition(".")[0]
            raise UserError(
                f"{section}.batch_size={hyper.batch_size}: with a memory, minibatches are whole "
                f"rollouts of some environments: give a multiple of n_steps={hyper.n_steps}"
            )

    def check_kind(self) -> None:
        """Refuse an unknown kind.

        Raises:
            UserError: it is.
        """
        if self.config.kind not in MEMORIES:
            raise unknown(self.key, self.config.kind, MEMORIES)

    def policy_kwargs(self) -> dict[str, Any]:
        """As :meth:`Part.policy_kwargs`."""
        options = {name: value for name, value in asdict(self.config).items() if value is not None}
        return {"memory": options.pop(KIND), "memory_args": options}

"""Saving and loading replay buffers as plain data: no file is unpickled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutReturn
from torch import nn

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    put_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from mmrl.schema import well_formed
from mmrl_agents.algorithms.saving import Saveable
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.buffers.undo import UndoLog
from mmrl_agents.saving.folder import (
    CHECKPOINT,
    REPLAY,
    find_folder,
    new_folder,
    refuse_pickle,
)


class OffPolicySaveable(Saveable, OffPolicyAlgorithm):
    """An algorithm with a replay buffer, which is saved as plain data, too.

    Its replay buffer is :class:`~mmrl_agents.buffers.replay.FrameReplay` unless another is given.
    What a rollout that was not finished has changed can be undone.

    Attributes:
        target_networks: networks that follow others while a rollout is collected.
    """

    default_buffer = FrameReplay
    target_networks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, policy: Any, env: Any, *args: Any, **kwargs: Any) -> None:
        theirs = kwargs.get("optimize_memory_usage") or kwargs.get("n_steps", 1) != 1
        if kwargs.get("replay_buffer_class") is None and not theirs:
            kwargs["replay_buffer_class"] = self.default_buffer
        super().__init__(policy, env, *args, **kwargs)

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> RolloutReturn:
        """As in SB3; until it has ended, :meth:`undo_rollout` can undo it."""
        undo = self._undo
        undo.begin()
        rollout = super().collect_rollouts(*args, **kwargs)
        if rollout.continue_training:
            undo.end()
        return rollout

    def undo_rollout(self) -> None:
        """Restore replay buffer and target networks as they were at the beginning of a rollout
        that was stopped.
        """
        self._undo.undo()

    def _on_step(self) -> None:
        for name in self.target_networks:
            self._undo.record_once(name, partial(_restores, getattr(self, name)))
        super()._on_step()

    @property
    def _undo(self) -> UndoLog:
        """That of the replay buffer; of another buffer than mmrl's, one that undoes nothing."""
        buffer = self.replay_buffer
        return buffer.undo if isinstance(buffer, FrameReplay) else UndoLog()

    def save_replay_buffer(self, path: Any) -> None:
        """Write the replay buffer into a folder, which is replaced only by a whole new one.

        Args:
            path: the folder; its parents are made.

        Raises:
            UserError: a buffer that is not mmrl's, something else is there, or it cannot be
                written.
        """
        buffer = self._frame_replay()
        about = {
            "replay_buffer": type(buffer).__name__,
            "buffer_size": buffer.buffer_size,
            "n_envs": buffer.n_envs,
        }
        with new_folder(path, REPLAY, about) as draft:
            state = {**about, "state": buffer.get_state()}
            write_checkpoint(draft / CHECKPOINT, Checkpoint(self.num_timesteps, {}, state))

    def load_replay_buffer(
        self, path: Any, truncate_last_traj: bool = True, *, trust_pickle: bool = False
    ) -> None:
        """Load the replay buffer in a folder.

        Args:
            path: the folder.
            truncate_last_traj: of SB3's buffers of hindsight.
            trust_pickle: read stable-baselines3's file, which may run any code.

        Raises:
            UserError: there is none, it is of a buffer of another class or size, damaged, or a file
                that would have to be unpickled.
        """
        folder = find_folder(path, REPLAY)
        if folder is None:
            if trust_pickle:
                return super().load_replay_buffer(path, truncate_last_traj)
            refuse_pickle(path, "replay buffer", "load_replay_buffer", ".save_replay_buffer")
        state = read_checkpoint(folder / CHECKPOINT).state
        buffer = self._frame_replay()
        ours = (type(buffer).__name__, buffer.buffer_size, buffer.n_envs)
        with well_formed(folder):
            saved = (state["replay_buffer"], state["buffer_size"], state["n_envs"])
            if saved != ours:
                raise UserError(
                    f"{folder} is a {saved[0]} of {saved[1]:,} transitions and {saved[2]} "
                    f"environments; this agent's is a {ours[0]} of {ours[1]:,} and {ours[2]}"
                )
            buffer.set_state(state["state"])
        return None

    def _frame_replay(self) -> FrameReplay:
        if not isinstance(self.replay_buffer, FrameReplay):
            raise UserError(
                f"a replay buffer {type(self.replay_buffer).__name__} is saved by pickling alone, "
                "which mmrl does not do: give replay_buffer_class=FrameReplay"
            )
        return self.replay_buffer


def _restores(network: nn.Module) -> Callable[[], None]:
    """What gives a network its present weights again."""
    weights = {name: one.detach().clone() for name, one in weights_of(network).items()}
    return partial(put_weights, network, weights)

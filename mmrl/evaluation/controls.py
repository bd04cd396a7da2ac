"""Controls of an evaluation: what a success rate has to be compared with.

On the seeds of the evaluation play a random policy, the agent with another episode's instruction,
with none and with blank images, and the environment's expert; language accuracy is counted in the
evaluation itself.
A control that cannot be had is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mmrl.agent import Actor
from mmrl.contract import ACHIEVED
from mmrl.errors import UserError
from mmrl.evaluation.environments import NORMALIZED
from mmrl.evaluation.episodes import Episodes, play_episodes
from mmrl.evaluation.expert import Expert, NoExpertError, path_efficiency
from mmrl.evaluation.language_accuracy import ActRecorder, first_acts
from mmrl.evaluation.random_policy import RandomPolicy
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.evaluation.wrappers import (
    BlankImage,
    EmptyInstruction,
    InstructionSwap,
    NoImageError,
    NoInstructionError,
    OneInstructionError,
)
from mmrl.text_output import printable
from mmrl.wrappers.adapters import with_info
from mmrl.wrappers.episode_limit import Env, EpisodeLimit, declared_limit

EPISODES: Final = 256
"""Episodes of a control, at most."""
RANDOM: Final = "random_policy"
SWAPPED: Final = "swapped_instructions"
EMPTY: Final = "empty_instruction"
BLANK: Final = "blank_image"
EXPERT: Final = "expert"
GREEDY: Final = "greedy_actions"
SAMPLED: Final = "sampled_actions"
LANGUAGE: Final = "language_accuracy"
LEFT_OUT: Final = "left_out"
PLAYED: Final = (RANDOM, SWAPPED, EMPTY, BLANK, EXPERT)
"""The controls that play episodes of their own."""
_LONGER: Final = 4
_LEAST: Final = 100
_REASON: Final = 100  # characters of an error that a reason keeps
OnEpisodes = Callable[[str, int], None]


class ControlLimit(EpisodeLimit):
    """Where the episodes of a control are cut, without a warning: as in the evaluation, but in an
    environment that declares no limit after four times the steps of the longest episode in it.

    Args:
        max_episode_steps: as of :class:`~mmrl.wrappers.episode_limit.EpisodeLimit`.
        longest: steps of the longest episode.
    """

    def __init__(self, max_episode_steps: int | None, longest: int) -> None:
        super().__init__(max_episode_steps)
        self._undeclared = max(_LONGER * longest, _LEAST)

    def of(self, env: Env) -> int:
        """The limit in an environment, or a batch of them, that has been reset."""
        limit = super().of(env)
        is_fixed = self._given is not None or declared_limit(env) is not None
        return limit if is_fixed else min(limit, self._undeclared)

    def cut(self, env: Env, steps: int, count: int = 1) -> None:
        """Note that ``count`` episodes are cut after so many steps."""
        self.reached, self.steps = self.reached + count, steps


def play_recorded(
    actor: Actor, env_id: str, episodes: int, *, env_args: dict[str, Any], **how: Any
) -> tuple[Episodes, ActRecorder]:
    """As :func:`~mmrl.evaluation.episodes.play_episodes`, and what the environment reports as
    achieved; an environment that fails with such reports plays without them.

    Args:
        actor, env_id, episodes, env_args, how: of ``play_episodes``.
    """
    acts = ActRecorder()
    reporting = _with_reports(env_id, env_args)
    try:
        return play_episodes(actor, env_id, episodes, env_args=reporting, acts=acts, **how), acts
    except Exception:
        if reporting == env_args:
            raise
    acts = ActRecorder()
    return play_episodes(actor, env_id, episodes, env_args=env_args, acts=acts, **how), acts


def play_controls(
    actor: Actor,
    env_id: str,
    played: Episodes,
    acts: ActRecorder,
    *,
    env_args: dict[str, Any],
    deterministic: bool = False,
    max_episode_steps: int | None = None,
    on_episodes: OnEpisodes | None = None,
    env_workers: int = 0,
    other_actions: bool = False,
) -> dict[str, Any]:
    """The controls of an evaluation, of at most :data:`EPISODES` episodes each.

    Args:
        actor: the agent.
        env_id, env_args: of the environment.
        played: the evaluation's episodes, all of its seeds.
        acts: of these.
        deterministic, max_episode_steps: of the evaluation.
        on_episodes: called with a control's name, and how many more of its episodes have ended.
        env_workers: of the evaluation.
        other_actions: play greedily, too, where the evaluation samples its actions, and sample
            where it takes the most probable ones.

    Returns:
        By the names of this module, a summary of each control's episodes as
        :meth:`~mmrl.evaluation.episodes.Episodes.summary` has it, ``spl`` with ``spl_95`` and
        ``spl_episodes`` in the expert's, and ``normalized_success``, the agent's success on its
        seeds divided by the expert's; ``language_accuracy`` with its ``rate``, ``rate_95``,
        ``episodes``, and the rates of the random policy and of the expert, if they have one; and
        under ``left_out`` why the others are not there. No control raises.
    """
    count = min(len(played.success), EPISODES)
    unspoken = {key: value for key, value in env_args.items() if key != "speech"}
    reporting = _with_reports(env_id, unspoken) if acts.reports else unspoken
    others = {RANDOM: ActRecorder(), EXPERT: ActRecorder()}

    def play(
        name: str,
        one: Actor,
        args: dict[str, Any],
        acts: ActRecorder | None = None,
        greedy: bool = deterministic,
    ) -> Episodes:
        return play_episodes(
            one,
            env_id,
            count,
            env_args=args,
            first_seed=played.first_seed,
            deterministic=greedy,
            limit=ControlLimit(max_episode_steps, int(played.lengths.max())),
            on_episodes=None if on_episodes is None else lambda more: on_episodes(name, more),
            acts=acts,
            env_workers=env_workers,
        )

    def swapped() -> dict[str, Any]:
        swap = InstructionSwap(actor)
        rest = play(SWAPPED, swap, env_args).without(swap.left_out)
        if not len(rest.success):
            raise OneInstructionError("no other instruction asks for something else")
        return rest.summary()

    controls: dict[str, Callable[[], dict[str, Any]]] = {
        RANDOM: lambda: play(RANDOM, RandomPolicy(), reporting, others[RANDOM]).summary(),
        SWAPPED: swapped,
        EMPTY: lambda: play(EMPTY, EmptyInstruction(actor), env_args).summary(),
        BLANK: lambda: play(BLANK, BlankImage(actor), env_args).summary(),
        EXPERT: lambda: _with_spl(play(EXPERT, Expert(), reporting, others[EXPERT]), played),
        LANGUAGE: lambda: _language_accuracy(acts, others),
    }
    if other_actions:
        other = SAMPLED if deterministic else GREEDY
        controls[other] = lambda: play(other, actor, env_args, greedy=not deterministic).summary()
    results: dict[str, Any] = {}
    left_out = {}
    for name, control in controls.items():
        try:
            results[name] = control()
        except Exception as error:  # whatever an agent or an environment does
            left_out[name] = _reason(name, error)
    return {**results, **({LEFT_OUT: left_out} if left_out else {})}


class NothingToCountError(UserError):
    """No episode counts; the message is the reason."""


def _with_spl(expert: Episodes, played: Episodes) -> dict[str, Any]:
    count = len(expert.success)
    efficiency = path_efficiency(
        played.success[:count], played.lengths[:count], expert.success, expert.lengths
    ).tolist()
    summary = expert.summary()
    if not efficiency:
        return summary
    own, theirs = float(played.success[:count].mean()), float(expert.success.mean())
    return {
        **summary,
        **({NORMALIZED: own / theirs} if played.is_known else {}),
        "spl": sum(efficiency) / len(efficiency),
        "spl_95": list(mean_interval(efficiency, 0, 1)),
        "spl_episodes": len(efficiency),
    }


def _language_accuracy(acts: ActRecorder, others: dict[str, ActRecorder]) -> dict[str, Any]:
    if not acts.reports:
        raise NothingToCountError("no events: no language accuracy")
    right = first_acts(acts)
    if not len(right):
        raise NothingToCountError("no act of a kind that was asked for: no language accuracy")
    theirs = {name: first_acts(one) for name, one in others.items()}
    return {
        "rate": float(right.mean()),
        "rate_95": list(wilson_interval(int(right.sum()), len(right))),
        "episodes": len(right),
        **{name: float(one.mean()) for name, one in theirs.items() if len(one)},
    }


def _with_reports(env_id: str, env_args: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with the one that has the environment report what was achieved."""
    try:
        return with_info(env_id, env_args, ACHIEVED) or env_args
    except Exception:  # whatever an environment raises; without them it is played all the same
        return env_args


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, NothingToCountError):
        return str(error)
    if isinstance(error, NoExpertError):
        return "no expert: no SPL"
    if isinstance(error, NoInstructionError):
        return f"no instruction: no {name.replace('_', ' ')}"
    if isinstance(error, NoImageError):
        return "no image: no blank image"
    if isinstance(error, OneInstructionError):
        return "one instruction only: none to swap it with"
    lines = str(error).splitlines() or [type(error).__name__]
    return f"no {name.replace('_', ' ')}: {printable(lines[0])[:_REASON]}"

"""An evaluation: held-out episodes of an actor, the controls beside them, and the report."""

from __future__ import annotations

import warnings
from typing import Any, Final

from mmrl.agent import Actor
from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.evaluation.controls import (
    EPISODES,
    LEFT_OUT,
    PLAYED,
    play_controls,
    play_recorded,
)
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.groups import success_by
from mmrl.evaluation.recording import BatchRecorder
from mmrl.evaluation.report import CONTROLS, PARAPHRASES, SUCCESS_BY, result
from mmrl.evaluation.wrappers import InstructionSwap, ParaphrasedInstructions
from mmrl.paraphrases import Paraphrases
from mmrl.progress import ProgressBar

_NAMED: Final = 12  # unknown words, in a warning


def evaluate_actor(
    actor: Actor,
    env: str,
    env_args: dict[str, Any],
    episodes: int,
    more: dict[str, Any],
    *,
    first_seed: int = EVAL_SEED_START,
    deterministic: bool = False,
    max_episode_steps: int | None = None,
    controls: bool = False,
    env_workers: int = 0,
    recorder: BatchRecorder | None = None,
    paraphrases: Paraphrases | None = None,
    other_actions: bool = False,
) -> dict[str, Any]:
    """Evaluate an actor under progress bars.

    Args:
        actor: the agent.
        env, env_args: where.
        episodes: how many, one a seed.
        more: entries of the report, such as the training steps.
        first_seed, deterministic, max_episode_steps, env_workers, recorder: as of
            :func:`~mmrl.evaluation.episodes.play_episodes`.
        controls: play the controls, see :func:`~mmrl.evaluation.controls.play_controls`.
        paraphrases: play all episodes with these instead of their instructions, too.
        other_actions: as of ``play_controls``.

    Returns:
        The report, as :func:`mmrl.evaluation.report.result` makes it.

    Raises:
        UserError: an environment that fails or does not fit the agent; or there is nothing to swap
            an instruction with.
    """
    how: dict[str, Any] = {
        "env_args": env_args,
        "deterministic": deterministic,
        "max_episode_steps": max_episode_steps,
        "env_workers": env_workers,
    }
    own: dict[str, Any] = {"first_seed": first_seed, "recorder": recorder}
    with ProgressBar("evaluating", episodes, "episodes") as bar:
        if controls or recorder is not None:
            played, acts = play_recorded(
                actor, env, episodes, on_episodes=bar.advance, **own, **how
            )
        else:
            played = play_episodes(actor, env, episodes, on_episodes=bar.advance, **own, **how)
    if paraphrases is not None:
        more = {
            **more,
            PARAPHRASES: _paraphrased(actor, env, episodes, paraphrases, first_seed, how),
        }
    _warn_of_unknown_words(actor)
    if controls:
        total = (len(PLAYED) + other_actions) * min(episodes, EPISODES)
        with ProgressBar("playing controls", total, "episodes") as bar:
            beside = play_controls(
                actor, env, played, acts,
                on_episodes=lambda name, count: bar.advance(count, name.replace("_", " ")),
                other_actions=other_actions, **how,
            )  # fmt: skip
        more = {**more, CONTROLS: beside}
    if isinstance(actor, InstructionSwap):
        played = played.without(actor.left_out)
        if not len(played.success):
            raise UserError(
                "in no episode does another one's instruction ask for something else: there is "
                "none to swap. Take another environment, or more episodes"
            )
    if groups := success_by(played):
        more = {**more, SUCCESS_BY: groups}
    actions = "most probable" if deterministic else "sampled"
    return result(played, env, env_args, actions=actions, **more)


def _paraphrased(
    actor: Actor,
    env: str,
    episodes: int,
    paraphrases: Paraphrases,
    first_seed: int,
    how: dict[str, Any],
) -> dict[str, Any]:
    """The summary of the same episodes in other words, by type, and why types are left out."""
    types: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    with ProgressBar("paraphrasing", len(paraphrases.types) * episodes, "episodes") as bar:
        for kind in paraphrases.types:
            reader = ParaphrasedInstructions(actor, paraphrases, kind)
            played = play_episodes(
                reader, env, episodes, on_episodes=bar.advance, first_seed=first_seed, **how
            ).without(reader.left_out)
            if len(played.success):
                types[kind] = played.summary()
            else:
                left_out[kind] = f"no instruction has a paraphrase of type {kind}"
    return {"types": types, **({LEFT_OUT: left_out} if left_out else {})}


def _warn_of_unknown_words(actor: Any) -> None:
    """Warn of words of instructions that are outside an agent's vocabulary, which all read as
    one.
    """
    while hasattr(actor, "actor"):
        actor = actor.actor
    tokenizer = getattr(getattr(actor, "preprocessing", None), "tokenizer", None)
    unknown = getattr(getattr(tokenizer, "counts", None), "unknown", None)
    if unknown:
        named = ", ".join(word for word, _ in unknown.most_common(_NAMED))
        warnings.warn(
            f"{len(unknown)} words of the instructions are outside the agent's vocabulary, and all "
            f"read as one: {named}",
            stacklevel=3,
        )

"""An evaluation: held-out episodes of an actor, the controls beside them, and the report."""

from __future__ import annotations

import warnings
from typing import Any, Final

from mmrl.agent import Actor
from mmrl.contract import EVAL_SEED_START
from mmrl.env_sets import members_of, names_several
from mmrl.errors import UserError
from mmrl.evaluation.controls import (
    EPISODES,
    LEFT_OUT,
    PLAYED,
    play_controls,
    play_recorded,
)
from mmrl.evaluation.environments import ENVIRONMENTS, combine_reports
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.groups import success_by
from mmrl.evaluation.recording import BatchRecorder
from mmrl.evaluation.report import (
    CONTROLS,
    PARAPHRASES,
    PROVENANCE,
    SUCCESS_BY,
    result,
    with_provenance,
)
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
    """Evaluate an actor under progress bars; in several environments, one after the other.

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
        The report, as :func:`mmrl.evaluation.report.result` makes it; of several environments,
        the means over them, and under ``environments`` the report of each.

    Raises:
        UserError: an environment that fails or does not fit the agent; or there is nothing to swap
            an instruction with.
    """
    how: dict[str, Any] = {
        "first_seed": first_seed,
        "deterministic": deterministic,
        "max_episode_steps": max_episode_steps,
        "env_workers": env_workers,
        "controls": controls,
        "paraphrases": paraphrases,
        "other_actions": other_actions,
    }
    evaluate = _evaluate_each if names_several(env) else _evaluate
    report = evaluate(actor, env, env_args, episodes, more, recorder, **how)
    _warn_of_unknown_words(actor)
    return report


def _evaluate(
    actor: Actor,
    env: str,
    env_args: dict[str, Any],
    episodes: int,
    more: dict[str, Any],
    recorder: BatchRecorder | None,
    *,
    controls: bool,
    paraphrases: Paraphrases | None,
    other_actions: bool,
    first_seed: int,
    **how: Any,
) -> dict[str, Any]:
    """As :func:`evaluate_actor`, in one environment."""
    how["env_args"] = env_args
    own: dict[str, Any] = {"first_seed": first_seed, "recorder": recorder}
    with ProgressBar("evaluating", episodes, "episodes") as bar:
        if controls or recorder is not None:
            played, acts = play_recorded(
                actor, env, episodes, on_episodes=bar.advance, **own, **how
            )
        else:
            played = play_episodes(actor, env, episodes, on_episodes=bar.advance, **own, **how)
    if paraphrases is not None:
        found = _paraphrased(actor, env, episodes, paraphrases, first_seed=first_seed, **how)
        more = {**more, PARAPHRASES: found}
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
    actions = "most probable" if how["deterministic"] else "sampled"
    return result(played, env, env_args, actions=actions, **more)


def _evaluate_each(
    actor: Actor,
    env: str,
    env_args: dict[str, Any],
    episodes: int,
    more: dict[str, Any],
    recorder: BatchRecorder | None,
    **how: Any,
) -> dict[str, Any]:
    """As :func:`evaluate_actor`, so many episodes in each of several environments."""
    members = members_of(env)
    reports: dict[str, dict[str, Any]] = {}
    left = 0 if recorder is None else recorder.left
    for k, one in enumerate(members):
        args = one.args(env_args)
        own = actor.anew() if isinstance(actor, InstructionSwap) else actor
        share = left * (k + 1) // len(members) - left * k // len(members)
        part = None if recorder is None or not share else recorder.of(one.env, args, share)
        report = _evaluate(own, one.env, args, episodes, {}, part, **how)
        reports[one.env] = {key: value for key, value in report.items() if key not in PROVENANCE}
    combined = {**combine_reports(reports), **more, ENVIRONMENTS: reports}
    return with_provenance(env, env_args, combined)


def _paraphrased(
    actor: Actor,
    env: str,
    episodes: int,
    paraphrases: Paraphrases,
    **how: Any,
) -> dict[str, Any]:
    """The summary of the same episodes in other words, by type, and why types are left out."""
    types: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    with ProgressBar("paraphrasing", len(paraphrases.types) * episodes, "episodes") as bar:
        for kind in paraphrases.types:
            reader = ParaphrasedInstructions(actor, paraphrases, kind)
            played = play_episodes(reader, env, episodes, on_episodes=bar.advance, **how).without(
                reader.left_out
            )
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

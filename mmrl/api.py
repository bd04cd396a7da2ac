"""The Python API: train, evaluate, load and show agents, by the same code as the command line.

Ten lines train an agent, evaluate it, let it act and show it in a notebook::

    import mmrl

    run = mmrl.train(
        "mmrl/GoToRedBallGrey-v0", steps=100_000, out="runs/first", model={"fusion": "film"}
    )
    agent = mmrl.load_agent("runs/first")
    print(mmrl.evaluate(agent, episodes=100)["success_rate_95"])
    env = mmrl.make_env("mmrl/GoToRedBallGrey-v0")
    observation, _ = env.reset(seed=0)
    action = agent.predict(observation)
    agent.clip(seed=7)  # an animated image, shown by the notebook
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from mmrl.agent import Actor
from mmrl.arguments.request import request_of
from mmrl.contract import EVAL_EPISODES, EVAL_SEED_START
from mmrl.env_apis.registration import EnvLike, env_id_of, is_same_name
from mmrl.errors import UserError
from mmrl.evaluation.evaluate import evaluate_actor
from mmrl.evaluation.player import EpisodePlayer
from mmrl.evaluation.predictor import Predictor, PredictorPlayer
from mmrl.evaluation.wrappers import InstructionSwap, TranslatedInstructions
from mmrl.experiment.run import CONFIG, Run
from mmrl.generative.text.models import Translator
from mmrl.language import find_language
from mmrl.paraphrases import Paraphrases, find_paraphrases
from mmrl.progress import ProgressBar
from mmrl.records import EPISODES_FOLDER, MEGABYTES, RecordFolder
from mmrl.registry import find_agent, find_environments
from mmrl.run_training import TrainedRun, batch_recorder, run_training
from mmrl.schema import well_formed
from mmrl.sharing.locate import find_run_folder, open_run
from mmrl.trained_agent import TrainedAgent, env_of
from mmrl.training.load import load


def train(
    env: EnvLike,
    *,
    steps: int,
    out: str | os.PathLike[str],
    agent: str = "ppo",
    verbose: bool = True,
    **config: Any,
) -> TrainedRun:
    """Train an agent as ``mmrl train`` does: the same run folder, files and weights.

    Args:
        env: id of a Gymnasium environment, ``module:Id`` or ``module:Class``; or a class, a factory
            (``lambda: MyEnv(size=5)``), a specification or an object, of which copies are used. Or
            several, which one policy learns at once: a list of such, or a mapping of such to
            weights. See :func:`mmrl.env_apis.registration.env_id_of`.
        steps: environment steps to train for.
        out: run folder, which must not exist yet.
        agent: name of the agent.
        verbose: print what the command prints.
        config: any other key of :class:`~mmrl.experiment.config.TrainConfig`, and the agent's
            hyperparameters under its name: ``model={"fusion": "film"}, ppo={"num_envs": 8}``.

    Raises:
        UserError: an impossible request, in one line; nothing is left behind then.
    """
    given = {"env": env_id_of(env), "steps": steps, "out": os.fspath(out), "agent": agent, **config}
    return run_training(request_of(given), log=print if verbose else _silent)


def resume(
    run: str | os.PathLike[str] | Run,
    *,
    env: EnvLike | None = None,
    allow_changes: bool = False,
    verbose: bool = True,
    **config: Any,
) -> TrainedRun:
    """Resume a training as ``mmrl train --resume`` does.

    Args:
        run: the run folder, or what :func:`train` returned.
        env: the run's environment, where it exists only in Python.
        allow_changes: whether ``config`` may differ from the run's configuration.
        verbose: print what the command prints.
        config: keys that change, as of :func:`train`, such as ``steps=200_000``.

    Raises:
        UserError: as :func:`train`; no such run, or changes that are not allowed.
    """
    opened = run if isinstance(run, Run) else Run.open(os.fspath(run))
    opened.check_resumable()
    if env is not None:
        name = env_id_of(env)
        if is_same_name(name, opened.config["env"]):  # of another process: no change
            opened = Run.open(opened.path)
            opened.config["env"] = name
        config["env"] = name
    merged = {**opened.config}
    for key, value in config.items():
        own = merged.get(key)
        merged[key] = (
            {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
        )
    request = replace(request_of(merged), resume=opened, allow_changes=allow_changes)
    return run_training(request, log=print if verbose else _silent)


def load_agent(
    run: str | os.PathLike[str] | Run, device: str = "auto", *, trust_code: bool = False
) -> TrainedAgent:
    """The agent of a run, from its newest checkpoint.

    Args:
        run: the run folder, or what :func:`train` returned; ``zoo:name`` of an installed package;
            or ``user/name`` of the hub, see :mod:`mmrl.sharing.locate`.
        device: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1 or mps.
        trust_code: import code that the run names; see :mod:`mmrl.trust`.

    Raises:
        UserError: no such run, or one without a checkpoint.
        UntrustedCodeError: it names code that is not trusted.
    """
    opened = run if isinstance(run, Run) else open_run(run, trust_code=trust_code)
    if "env" not in opened.config:
        raise UserError(
            f"{opened.path} was made by 'mmrl fit {opened.config['task']}': it holds no agent"
        )
    with well_formed(opened.path / CONFIG):
        kind = find_agent(opened.config.get("agent", "ppo"))
    return TrainedAgent(kind.load(opened, device), opened)


def evaluate(
    agent: str | os.PathLike[str] | Run | TrainedRun | TrainedAgent | Actor,
    env: EnvLike | None = None,
    *,
    env_args: dict[str, Any] | None = None,
    episodes: int = EVAL_EPISODES,
    first_seed: int = EVAL_SEED_START,
    deterministic: bool = False,
    max_episode_steps: int | None = None,
    swap_instructions: bool = False,
    controls: bool = True,
    paraphrases: bool | Sequence[str] = False,
    translator: str | None = None,
    env_workers: int = 0,
    record: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Play held-out episodes, one a seed, as ``mmrl eval`` does.

    Args:
        agent: an agent, or the run folder of one.
        env, env_args: where, as of :func:`train`; the environment of the training, if None.
        episodes: how many.
        first_seed: seed of the first; those from 1,000,000,000 on are never trained on.
        deterministic: take the most probable action instead of sampling.
        max_episode_steps: longer episodes are cut there, and are not successful.
        swap_instructions: give each episode the instruction of another one, see
            :class:`~mmrl.evaluation.wrappers.InstructionSwap`; without controls.
        controls: play the controls as well, on the first 256 episodes: a random policy, swapped and
            empty instructions, blank images, the expert, and greedy actions (sampled ones where
            ``deterministic``); see :mod:`mmrl.evaluation.controls`.
        paraphrases: play the episodes with paraphrases of their instructions as well: types of the
            environment's language, or files, see :func:`mmrl.paraphrases.find_paraphrases`; true
            for all types.
        translator: run folder of ``mmrl fit translation``, through which the agent reads.
        env_workers: processes that step the environments, for slow simulators; 0 steps them in this
            one. Batched engines do not use them.
        record: so many of the episodes are recorded in the run folder, for TensorBoard's tab
            Rollouts.
        device: of what is loaded; as :func:`~mmrl.device.find_device` takes it.

    Returns:
        ``success_rate``, ``mean_length`` and ``mean_return``, each with its 95% interval
        (``success_rate_95``); ``success_by``, as :func:`~mmrl.evaluation.groups.success_by` returns
        it; ``paraphrases``, by ``types`` the same as of all episodes; ``controls``, as
        :func:`~mmrl.evaluation.controls.play_controls` returns them; and all that is needed to
        repeat the evaluation. In several environments, so many episodes are played in each; these
        are means over them, and ``environments`` has the report of each.

    Raises:
        UserError: no such run, impossible numbers, or an environment that fails or does not fit.
    """
    _check_least(
        episodes=(episodes, 1), first_seed=(first_seed, 0), record=(record, 0),
        max_episode_steps=(max_episode_steps, 1), env_workers=(env_workers, 0),
    )  # fmt: skip
    actor: Any = _loaded(agent, device)
    run = actor.run if isinstance(actor, TrainedAgent) else None
    if run is None and env is None:
        raise UserError("env is missing: this agent does not know an environment; give its id")
    name, args = (env_id_of(env), env_args or {}) if run is None else env_of(run, env, env_args)
    name = find_environments(name)
    more: dict[str, Any] = {"swap_instructions": swap_instructions}
    if translator is not None:
        more["translator"] = translator
        actor = TranslatedInstructions(
            actor, cast("Translator", load(find_run_folder(translator), "translation", device))
        )
    if swap_instructions:
        actor = InstructionSwap(actor)
    if run is not None:
        more |= {"run": str(run.path), "checkpoint": run.newest_checkpoint().name}
    elif record:
        raise UserError(f"record={record}: this agent has no run folder; use mmrl.record")
    with batch_recorder(run, record, name, args) as recorder:
        return evaluate_actor(
            actor,
            name,
            args,
            episodes,
            more,
            controls=controls and not swap_instructions,
            other_actions=True,
            paraphrases=_paraphrases(paraphrases, name),
            first_seed=first_seed,
            deterministic=deterministic,
            max_episode_steps=max_episode_steps,
            env_workers=env_workers,
            recorder=recorder,
        )


def record(
    agent: str | os.PathLike[str] | Run | TrainedRun | TrainedAgent | Actor | Predictor,
    env: Any = None,
    *,
    env_args: dict[str, Any] | None = None,
    episodes: int = 20,
    out: str | os.PathLike[str] | None = None,
    first_seed: int = EVAL_SEED_START,
    deterministic: bool = False,
    max_episode_steps: int | None = None,
    megabytes: float = MEGABYTES,
    device: str = "auto",
) -> Path:
    """Play episodes and record them for TensorBoard's tab Rollouts, as ``mmrl record`` does.

    An agent of plain stable-baselines3 will do::

        mmrl.record(PPO.load("cartpole"), "CartPole-v1", out="runs/cartpole")

    Args:
        agent: an agent, the run folder of one, or anything with ``predict`` as of SB3, which plays
            in the environment as it is.
        env, env_args: where, as of :func:`train`; the environment of the training, if None. For an
            agent of SB3 also its vector environment of one, such as one that stacks frames.
        episodes: how many.
        out: folder of the run; records go to ``episodes`` in it. The agent's run folder, if None.
        first_seed: seed of the first episode; the others follow.
        deterministic: take the most probable action instead of sampling.
        max_episode_steps: longer episodes are cut there.
        megabytes: of records at most; the oldest are thinned.
        device: of what is loaded.

    Returns:
        The folder of the records.

    Raises:
        UserError: no such run, no ``out`` or ``env`` where they are needed, impossible numbers, an
            environment that fails or does not fit, or a disk that is full.
    """
    _check_least(
        episodes=(episodes, 1), first_seed=(first_seed, 0),
        max_episode_steps=(max_episode_steps, 1),
    )  # fmt: skip
    actor: Any = _loaded(agent, device)
    run = actor.run if isinstance(actor, TrainedAgent) else None
    if out is None and run is None:
        raise UserError("out is missing: this agent has no run folder; give a folder")
    if env is None and run is None:
        raise UserError("env is missing: this agent does not know an environment; give its id")
    path = Path(cast("Any", run.path if run is not None and out is None else out))
    folder = RecordFolder(path / EPISODES_FOLDER, megabytes=megabytes, wait=True)
    how: dict[str, Any] = {"deterministic": deterministic}
    player: Any
    if not hasattr(actor, "act"):
        player = PredictorPlayer(env, env_args, max_episode_steps=max_episode_steps)
    else:
        name, args = (env_id_of(env), env_args or {}) if run is None else env_of(run, env, env_args)
        name = find_environments(name)
        player = EpisodePlayer(name, args, max_episode_steps=max_episode_steps)
        how["checkpoint"] = None if run is None else run.newest_steps()
    with closing(player), ProgressBar("recording", episodes, "episodes") as bar:
        for seed in range(first_seed, first_seed + episodes):
            folder.add(player.play(actor, seed=seed, **how))
            bar.advance()
    return folder.path


def _paraphrases(given: bool | Sequence[str], env: str) -> Paraphrases | None:
    """Those that an evaluation asks for; None where it asks for none."""
    if given is False:
        return None
    return find_paraphrases([] if given is True else given, find_language(env))


def _check_least(**bounds: tuple[int | None, int]) -> None:
    """Refuse numbers below their least; None is allowed.

    Raises:
        UserError: the first one that is.
    """
    for name, (value, least) in bounds.items():
        if value is not None and value < least:
            raise UserError(f"{name}={value}: must be at least {least}")


def _loaded(agent: Any, device: str) -> Any:
    """The agent itself, where its run or the folder of that is given."""
    if isinstance(agent, TrainedRun):
        return agent.agent
    return load_agent(agent, device) if isinstance(agent, str | os.PathLike | Run) else agent


def _silent(line: str) -> None:
    """Print nothing."""

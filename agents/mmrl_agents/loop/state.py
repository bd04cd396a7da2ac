"""The state of a training of stable-baselines3, from which it resumes bit for bit, as plain data.

Between two updates, before the next rollout begins, a training is its learned state (weights,
optimisers, replay buffer) and its training state: counters, random generators, environments, the
last observations, statistics of recent episodes, and what is not logged yet.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.save_util import recursive_getattr
from torch.optim import Optimizer

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Tree, put_weights, weights_of
from mmrl.models.encoders.base import Encoder
from mmrl.seeding import rng_state, set_rng_state
from mmrl_agents.earlier import in_order
from mmrl_agents.parts import Part
from mmrl_agents.team import Team

_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls", "exploration_rate")


def get_training_state(algorithm: Any, parts: Sequence[Part] = ()) -> Tree:
    """All but the learned state, copied: it may be written later, as long as nothing is learned.

    Args:
        algorithm: that is training.
        parts: of the agent, whose states are under their names.
    """
    log = algorithm.logger
    auxiliary = getattr(algorithm.policy, "auxiliary", None)
    reference = getattr(algorithm, "reference", None)
    rewards = getattr(algorithm, "reward_scale", None)
    of_parts = {part.name: part.get_state() for part in parts}
    return {
        **{name: state for name, state in of_parts.items() if state is not None},
        "counters": {n: getattr(algorithm, n) for n in _COUNTERS if hasattr(algorithm, n)},
        "random": random_state(),
        "actions": algorithm.action_space.np_random.bit_generator.state,
        "env": algorithm.env.unwrapped.get_state(),
        "seen": {
            "observation": {key: seen.copy() for key, seen in algorithm._last_obs.items()},
            "starts": algorithm._last_episode_starts.copy(),
            "memory": _memory(algorithm),
        },
        "returns": None if rewards is None else rewards.returns.copy(),
        "reference_memory": None if reference is None else reference.state.clone(),
        "auxiliary_memory": None if auxiliary is None else auxiliary.get_state(),
        "recent": {
            "episodes": list(algorithm.ep_info_buffer),
            "successes": [bool(success) for success in algorithm.ep_success_buffer],
            "first_outcomes": _first_outcomes(algorithm),
        },
        "log": {
            name: [float(value), log.name_to_count[name], log.name_to_excluded[name]]
            for name, value in log.name_to_value.items()
            if isinstance(value, int | float | np.number)
        },
    }


def part_of(state: Tree, team: Team) -> Tree:
    """A worker's training state in a checkpoint, where the first worker's has all the rest as well;
    of a checkpoint that was written by more or fewer workers, one without environments.
    """
    parts = [state, *state.get("others", ())]
    return parts[team.rank] if len(parts) == team.size else {**state, "env": None}


def set_training_state(algorithm: Any, state: Tree, seed: int, parts: Sequence[Part] = ()) -> bool:
    """Resume from a training state.

    Args:
        algorithm: built as the one that it was of.
        state: from :func:`get_training_state`.
        seed: for the environments, where they have no state.
        parts: of the agent.

    Returns:
        Whether the environments resume exactly; otherwise new episodes begin.

    Raises:
        ValueError, KeyError: it is another algorithm's.
    """
    env = algorithm.env.unwrapped
    for name, value in state["counters"].items():
        setattr(algorithm, name, value)
    for part in parts:
        if part.get_state() is not None:
            if part.name not in state:
                raise ValueError(
                    f"it was trained without a {part.name}; resume with {part.key}=none"
                )
            part.set_state(state[part.name])
    if state.get("auxiliary_memory") is not None:
        algorithm.policy.auxiliary.set_state(state["auxiliary_memory"])
    exact = state["env"] is not None
    if exact and state.get("returns") is not None:
        algorithm.reward_scale.returns = state["returns"].copy()
    if exact and state.get("reference_memory") is not None:
        algorithm.reference.state = state["reference_memory"].to(algorithm.device)
    if exact:
        env.set_state(state["env"])
        algorithm._last_obs = in_order(
            state["seen"]["observation"], algorithm.env.observation_space
        )
        algorithm._last_episode_starts = state["seen"]["starts"].copy()
        if state["seen"]["memory"] is not None:
            algorithm._state = state["seen"]["memory"].to(algorithm.device)
    else:
        algorithm.env.seed(seed)
        algorithm._last_obs = algorithm.env.reset()
        algorithm._last_episode_starts = np.ones(env.num_envs, np.bool_)
    window = algorithm._stats_window_size
    algorithm.ep_info_buffer = deque(state["recent"]["episodes"], maxlen=window)
    algorithm.ep_success_buffer = deque(state["recent"]["successes"], maxlen=window)
    first = state["recent"].get("first_outcomes")
    algorithm._first_outcomes = None if first is None else dict(first)
    log = algorithm.logger
    for name, (value, count, excluded) in state["log"].items():
        log.name_to_value[name], log.name_to_count[name] = value, count
        log.name_to_excluded[name] = tuple(excluded) if isinstance(excluded, list) else excluded
    algorithm.action_space.np_random.bit_generator.state = state["actions"]
    set_random_state(state["random"])
    return exact


def _first_outcomes(algorithm: Any) -> list[list[Any]] | None:
    """The outcomes of the first episodes, where some environment's has not ended yet."""
    first: dict[int, bool] | None = algorithm._first_outcomes
    return None if first is None else [[row, outcome] for row, outcome in first.items()]


def _memory(algorithm: Any) -> torch.Tensor | None:
    """The state of a policy's memory, where the algorithm has one."""
    state = getattr(algorithm, "_state", None)
    return None if state is None else state.clone()


def get_learned_state(
    algorithm: Any, *, replay: bool = True
) -> tuple[dict[str, torch.Tensor], Tree]:
    """Weights; and the states of the optimisers, single tensors such as SAC's entropy coefficient,
    the scale of rewards, and the replay buffer, unless it is left out.

    The caches of frozen encoders are emptied, so that a training that resumes from here computes
    the same as this one.
    """
    for cache in caches(algorithm):
        cache.clear()
    optimizers, tensors = _names(algorithm)
    buffer = getattr(algorithm, "replay_buffer", None) if replay else None
    rewards = getattr(algorithm, "reward_scale", None)
    return weights_of(algorithm.policy), {
        "optimizers": {name: _state(recursive_getattr(algorithm, name)) for name in optimizers},
        "tensors": {name: recursive_getattr(algorithm, name).clone() for name in tensors},
        "reward_scale": None if rewards is None else rewards.get_state(),
        "replay": None if buffer is None else buffer.get_state(),
    }


def caches(algorithm: Any) -> list[Any]:
    """The caches of frozen encoders' features."""
    encoders = [part for part in algorithm.policy.modules() if isinstance(part, Encoder)]
    return [one.cache for one in encoders if one.cache is not None]


def set_learned_state(algorithm: Any, weights: dict[str, torch.Tensor], rest: Tree) -> None:
    """Resume from what :func:`get_learned_state` gave.

    Raises:
        UserError: it is of another model or algorithm.
    """
    put_weights(algorithm.policy, weights)
    optimizers, tensors = _names(algorithm)
    try:
        for name in optimizers:
            _resume_optimizer(recursive_getattr(algorithm, name), rest["optimizers"][name])
        for name in tensors:
            with torch.no_grad():
                recursive_getattr(algorithm, name).copy_(rest["tensors"][name])
    except (ValueError, KeyError) as error:
        raise UserError(f"the optimiser's state is another one's: {error}") from error
    if rest.get("reward_scale") is not None:
        algorithm.reward_scale.set_state(rest["reward_scale"])
    if rest["replay"] is not None:
        algorithm.replay_buffer.set_state(rest["replay"])


def _resume_optimizer(optimizer: Optimizer, state: Tree) -> None:
    """Resume from what :func:`_state` gave.

    Raises:
        ValueError: it is another optimiser's.
    """
    saved = set().union(*(group.keys() for group in state["param_groups"]))
    own = set().union(*(group.keys() for group in optimizer.param_groups))
    if saved != own:
        raise ValueError(
            f"{type(optimizer).__name__} has the settings {', '.join(sorted(own))}, and it has "
            f"{', '.join(sorted(saved))}"
        )
    by_number = {int(k): value for k, value in state["state"].items()}
    optimizer.load_state_dict({**state, "state": by_number})


def _names(algorithm: Any) -> tuple[list[str], list[str]]:
    """The names of an algorithm's optimisers and single tensors, as SB3's ``save`` knows them."""
    modules, tensors = algorithm._get_torch_save_params()
    return [name for name in modules if name != "policy"], tensors


def _state(optimizer: Optimizer) -> Tree:
    state = optimizer.state_dict()
    return {**state, "state": {str(k): value for k, value in state["state"].items()}}


def random_state() -> Tree:
    """Of Python's, numpy's and torch's generators."""
    version, numbers, gauss = random.getstate()
    return {
        "python": [version, np.array(numbers, np.uint32), gauss],
        "numpy": np.random.get_state(legacy=False),
        **rng_state(),
    }


def set_random_state(state: Tree) -> None:
    """As :func:`random_state` gave it."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    np.random.set_state(state["numpy"])
    set_rng_state(state)

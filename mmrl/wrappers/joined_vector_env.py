"""A batch whose rows are the environments of several batches, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl.wrappers.common_spaces import common_actions, common_entries, common_observations
from mmrl.wrappers.error_context import CheckedBatch
from mmrl.wrappers.single_environments import are_single
from mmrl.wrappers.state import State, batch_state, set_batch_state, try_state

_WORDS = "instruction_words"


class JoinedVectorEnv(VectorEnv[Any, Any, Any]):
    """Batches of several environments as one, which restarts within the step that ends an episode.

    The rows of each batch follow one another, and each batch keeps its own engine. Spaces are those
    that :mod:`mmrl.wrappers.common_spaces` finds; of the metadata, what is equal in all stays, and
    ``instruction_words`` are those of all, where all declare them.

    Args:
        batches: by the ids of their environments, which fulfil the contract and restart within the
            step that ends an episode; at least one.

    Attributes:
        levels: the id of each row's environment, N of them.

    Raises:
        UserError: their observations or actions differ.
    """

    def __init__(self, batches: Mapping[str, VectorEnv[Any, Any, Any]]) -> None:
        self._batches = list(batches.values())
        self._checked = [CheckedBatch(one) for one in self._batches]
        self._counts = [one.num_envs for one in self._batches]
        bounds = np.cumsum([0, *self._counts]).tolist()
        self._rows = list(map(slice, bounds, bounds[1:]))
        self.num_envs = bounds[-1]
        self.levels = [env for env, one in batches.items() for _ in range(one.num_envs)]
        self.copy = True  # each step has arrays of its own
        observations = [(env, one.single_observation_space) for env, one in batches.items()]
        self.single_observation_space: Any = common_observations(observations)
        self.single_action_space = common_actions(
            [(env, one.single_action_space) for env, one in batches.items()]
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = joined_metadata([one.metadata for one in self._batches])
        self.metadata["autoreset_mode"] = AutoresetMode.SAME_STEP

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode everywhere.

        Args:
            seed: environment e gets ``seed + e``, or ``seed[e]``.
            options: none are taken.

        Raises:
            ValueError: options, or another number of seeds.
        """
        if options:
            raise ValueError(f"options {options}: a batch of several environments takes none")
        if isinstance(seed, int | np.integer):
            seed = [int(seed) + e for e in range(self.num_envs)]
        if seed is not None and len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} environments")
        own = [None if seed is None else list(seed[rows]) for rows in self._rows]
        begun = [one.reset(given) for one, given in zip(self._checked, own, strict=True)]
        observations, infos = zip(*begun, strict=True)
        return self._joined(observations), join_infos(infos, self._counts)

    def step(
        self, actions: Any
    ) -> tuple[
        dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:  # fmt: skip
        """One step everywhere: observations, rewards, terminated and truncated [N], infos."""
        steps = [
            one.step(actions[rows]) for one, rows in zip(self._checked, self._rows, strict=True)
        ]
        observations, rewards, terminated, truncated, infos = zip(*steps, strict=True)
        return (
            self._joined(observations),
            np.concatenate(rewards),
            np.concatenate(terminated),
            np.concatenate(truncated),
            join_infos(infos, self._counts),
        )

    def get_state(self) -> State | None:
        """The states of all batches; None where one has none."""
        states = [batch_state(one) for one in self._batches]
        return None if any(one is None for one in states) else states

    def set_state(self, state: State) -> None:
        """Resume from a state that :meth:`get_state` of a batch like this one gave.

        Raises:
            ValueError: it is another batch's.
        """
        for one, own in zip(self._batches, state, strict=True):
            set_batch_state(one, own)

    def try_state(self, save: Callable[[State], State]) -> str | None:
        """As :func:`mmrl.wrappers.state.try_state`, of all batches."""
        reasons = (try_state(one, save) for one in self._batches)
        return next((reason for reason in reasons if reason is not None), None)

    def render(self) -> tuple[Any, ...] | None:
        """What all environments render; None where one batch renders nothing."""
        images = [one.render() for one in self._batches]
        if any(one is None for one in images):
            return None
        return tuple(image for one in images for image in one or ())

    def close_extras(self, **kwargs: Any) -> None:
        """Close all batches."""
        for one in self._batches:
            one.close()

    def _joined(self, observations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            key: _join([one[key] for one in observations]) for key in self.single_observation_space
        }


def steps_single(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether a batch steps single environments only, and no engine of its own."""
    inner = env.unwrapped
    batches = inner._batches if isinstance(inner, JoinedVectorEnv) else [env]
    return all(map(are_single, batches))


def joined_metadata(metadata: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The metadata of several environments: what is equal in all, and the words of all."""
    joined = common_entries(metadata)
    words = [one.get(_WORDS) for one in metadata]
    if all(one is not None for one in words):
        joined[_WORDS] = tuple(sorted({word for one in words for word in one or ()}))
    return joined


def join_infos(infos: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """The infos of several batches as those of one, with Gymnasium's masks ``_key``, which say
    where an entry is there.

    Args:
        infos: of each batch.
        counts: of the environments of each.
    """
    joined: dict[str, Any] = {}
    for key in dict.fromkeys(key for one in infos for key in one):
        columns = [one.get(key) for one in infos]
        if any(isinstance(one, Mapping) for one in columns):
            inner = [one if isinstance(one, Mapping) else {} for one in columns]
            joined[key] = join_infos(inner, counts)
        else:
            joined[key] = _column(columns, counts)
        if any(one is None for one in columns) and not key.startswith("_"):
            joined[f"_{key}"] = _mask(infos, key, counts)
    return joined


def _column(columns: Sequence[Any], counts: Sequence[int]) -> Any:
    """An entry of the infos of all rows; zeros, or None, where a batch has none."""
    known = [np.asarray(one) for one in columns if isinstance(one, np.ndarray)]
    alike = len({(one.dtype, one.shape[1:]) for one in known}) == 1
    if alike and all(one is None or isinstance(one, np.ndarray) for one in columns):
        blank = known[0]
        return np.concatenate(
            [
                np.full(
                    (count, *blank.shape[1:]), None if blank.dtype == object else 0, blank.dtype
                )
                if one is None
                else one
                for one, count in zip(columns, counts, strict=True)
            ]
        )
    rows: list[Any] = []
    for one, count in zip(columns, counts, strict=True):
        rows += [None] * count if one is None else list(one)
    column = np.full(len(rows), None, object)
    for e, row in enumerate(rows):
        column[e] = row
    return column


def _mask(infos: Sequence[Mapping[str, Any]], key: str, counts: Sequence[int]) -> NDArray[np.bool_]:
    """Where an entry is there, bool [N]."""
    masks = [
        one.get(f"_{key}", np.ones(count, np.bool_)) if key in one else np.zeros(count, np.bool_)
        for one, count in zip(infos, counts, strict=True)
    ]
    return np.concatenate(masks).astype(np.bool_)


def _join(values: Sequence[Any]) -> Any:
    """One key of the observations of several batches."""
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    return tuple(value for one in values for value in one)

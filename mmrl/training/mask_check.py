"""Random actions of an environment that is checked: valid ones, where it has action masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import gymnasium as gym

from mmrl.action_masks import sample_valid
from mmrl.errors import UserError
from mmrl.seeding import action_seed
from mmrl.wrappers.action_mappings import ActionMapping, Chain
from mmrl.wrappers.action_plan import mappings
from mmrl.wrappers.adapt.action_masks import MaskError, MaskSource, find_action_masks
from mmrl.wrappers.adapt.config import AdapterConfig
from mmrl.wrappers.adapt.instruction import Moment
from mmrl.wrappers.adapt.plan import named
from mmrl.wrappers.nested_spaces import Leaf

_FIX: Final = "mend the mask, or do without: env_adapter.action_masks=none"
OnViolation = Callable[[int, str, str, bool], None]
"""Takes the step, what is wrong, the fix, and whether no agent can be trained because of it."""


class RandomActions:
    """Random actions of an environment's own space, the same ones each time that it is played.

    Args:
        env: the environment, without adapters.
        found: the entries of its observations.
        config: of the adapter.
        seed: of the actions.
        on_violation: takes what is wrong with a mask.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        found: Sequence[Leaf],
        config: AdapterConfig,
        seed: int,
        on_violation: OnViolation,
    ) -> None:
        self._env, self._config, self._report = env, config, on_violation
        self._seed = seed
        self._found = {named(leaf): leaf for leaf in found if named(leaf) not in config.leave_out}
        self._chosen: list[Any] = []
        self._source: MaskSource | None = None
        self._mapping: ActionMapping | None = None
        env.action_space.seed(action_seed(seed))

    def choose(self, step: int, observation: Any, info: Mapping[str, Any]) -> Any:
        """The action of a step, 1 for the first one.

        Args:
            step: its number.
            observation, info: before it.
        """
        if step == 1 and not self._chosen:
            self._find(observation, info)
        if step > len(self._chosen):
            self._chosen.append(self._sample(step, observation, info))
        return self._chosen[step - 1]

    def _find(self, observation: Any, info: Mapping[str, Any]) -> None:
        given, bins = self._config.action_masks, self._config.discrete_actions
        space = self._env.action_space
        try:
            source = find_action_masks(given, self._found, self._env, info, observation, bins)
            if source is None:
                return
            self._mapping = Chain(space, mappings(space, bins))
        except UserError:  # which adapting reports
            return
        if source.read is None:
            self._report(0, f"{source.name}: {source.note}", _FIX, False)
            return
        self._source = source
        self._mapping.space.seed(action_seed(self._seed))

    def _sample(self, step: int, observation: Any, info: Mapping[str, Any]) -> Any:
        source, mapping = self._source, self._mapping
        if source is None or mapping is None or source.read is None:
            return self._env.action_space.sample()
        try:
            entries = {name: self._found[name].value(observation) for name in source.entries}
            mask = source.read(Moment(entries, info, self._env), False)
        except MaskError as error:
            self._report(step - 1, f"{source.name}: {error}", _FIX, True)
            return self._env.action_space.sample()
        return mapping(sample_valid(mapping.space, mask))

"""Saving and loading algorithms as folders of plain data: no file is unpickled.

An algorithm is saved as a folder: a checkpoint (see :mod:`mmrl.experiment.checkpoint`) of weights,
optimisers, hyperparameters, spaces and counters; the files of the tokenizer and of the speech
preprocessing; and a JSON file that describes it. stable-baselines3's own files are pickles,
which run whatever code is in them: they are loaded only with ``trust_pickle=True``.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import check_for_correct_spaces
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from mmrl.contract import INSTRUCTION
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    Tree,
    put_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from mmrl.models.config import ModelConfig
from mmrl.models.saved_encoders import save_encoders, saved_encoders
from mmrl.preprocessing.image import is_image, size_of
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.schema import well_formed
from mmrl.text_output import shortened
from mmrl.training.goal_images import with_goals
from mmrl.trust import sign
from mmrl_agents.algorithms.observations import (
    check_env,
    encode,
    fitting_env,
    is_text,
    with_action_masks,
)
from mmrl_agents.algorithms.success import SuccessStatistics
from mmrl_agents.earlier import entry
from mmrl_agents.loop.state import get_learned_state, set_learned_state
from mmrl_agents.saving.folder import (
    ALGORITHM,
    CHECKPOINT,
    check_code,
    code_of,
    find_folder,
    new_folder,
    refuse_pickle,
)
from mmrl_agents.saving.packing import pack, pack_known, unpack
from mmrl_agents.saving.policy import OF_THE_MODEL, SaveablePolicy

_COUNTERS: Final = (
    "num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_episode_num", "_n_updates",
    "_n_calls", "_current_progress_remaining", "exploration_rate",
)  # fmt: skip
_NOT_SETTINGS: Final = {
    "self", "policy", "env", "device", "args", "kwargs", "team", "_init_setup_model",
    "rollout_buffer_class", "rollout_buffer_kwargs", "replay_buffer_class", "replay_buffer_kwargs",
    "policy_kwargs",
}  # fmt: skip
_BUFFERS: Final = ("rollout_buffer_class", "replay_buffer_class")


class Saveable(SuccessStatistics):
    """An algorithm of stable-baselines3 that learns from a
    :class:`~mmrl_agents.vec_env.MultimodalVecEnv`, and whose :meth:`save`, :meth:`load` and
    :meth:`set_parameters` use a folder of plain data.

    Attributes:
        policy_aliases: its policies by the names under which they are saved.
        default_buffer: the class of its buffer, unless another is given.
    """

    policy_aliases: ClassVar[dict[str, Any]] = {}
    default_buffer: ClassVar[type[Any] | None] = None
    _preprocessing: Preprocessing | None = None

    def __init__(self, policy: Any, env: Any, *args: Any, **kwargs: Any) -> None:
        check_env(type(self).__name__, env)
        super().__init__(policy, env, *args, **kwargs)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing of instructions: its environment's, or the one it was saved with."""
        ours: Preprocessing | None = getattr(
            None if self.env is None else self.env.unwrapped, "preprocessing", None
        )
        return ours or self._preprocessing

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: Any = None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """As in SB3; observations may be the environment's own, with sentences.

        Args:
            observation: of one environment or of N, as the MultimodalVecEnv gives it; or ``image``
                uint8 [H, W, 3] and ``instruction`` str, or [N, H, W, 3] and N sentences, with
                ``speech`` beside them for an agent that hears.
            state: of the last call, where the policy has a memory.
            episode_start: whether an episode begins here, bool [N].
            deterministic: take the most probable action.
            action_masks: [n] or [N, n], 1 for each valid action, of an agent that was trained with
                masks, where the observation has none; without any, all actions are valid.

        Raises:
            UserError: there are sentences, and no tokenizer was saved; or images or masks of
                another size.
        """
        observation = with_action_masks(observation, action_masks, self.observation_space)
        if isinstance(observation, Mapping) and is_text(observation.get(INSTRUCTION)):
            space = cast("spaces.Dict", self.observation_space)
            observation = encode(observation, self.preprocessing, space)
        return super().predict(observation, state, episode_start, deterministic)

    def save(
        self,
        path: Any,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write the algorithm into a folder, which is replaced only by a whole new one.

        It holds the weights, the states of the optimisers, hyperparameters, spaces, counters, the
        tokenizer and the speech preprocessing; not the environment, nor the replay buffer (see
        :meth:`OffPolicySaveable.save_replay_buffer`). A warning names settings that are no plain
        data, such as a function for the learning rate; they are left out.

        Args:
            path: the folder; a suffix ``.zip`` is left out, and its parents are made.
            exclude, include: of SB3's pickles; not supported.

        Raises:
            UserError: there is something else, or it cannot be written.
        """
        if exclude is not None or include is not None:
            raise UserError(
                "save(exclude=…, include=…): nothing is pickled here, so there is nothing to "
                "choose; leave both out"
            )
        weights, learned = get_learned_state(self, replay=False)
        state = {**self._description(), "learned": learned}
        kinds = {"algorithm": _library_class(type(self)).__name__, "policy": state["policy"]}
        with new_folder(path, ALGORITHM, kinds) as draft:
            sign(code_of(self.policy_kwargs.get("model")), draft)
            save_encoders(self.policy, draft)
            checkpoint = Checkpoint(self.num_timesteps, weights, state)
            write_checkpoint(draft / CHECKPOINT, checkpoint)
            if self.preprocessing is not None:
                self.preprocessing.save(draft)

    def _description(self) -> dict[str, Tree]:
        """The description beside the weights, as plain data."""
        preprocessing = self.preprocessing
        return {
            "algorithm": _library_class(type(self)).__name__,
            "policy": self.policy_class.__name__,
            "settings": pack_known(self._settings(), type(self).__name__),
            "policy_kwargs": pack_known(self._policy_settings(), self.policy_class.__name__),
            "spaces": {
                "observation": pack(self.observation_space),
                "action": pack(self.action_space),
                "n_envs": self.n_envs,
            },
            "counters": {n: getattr(self, n) for n in _COUNTERS if hasattr(self, n)},
            "recent": {
                "episodes": [
                    {key: one[key] for key in ("r", "l", "t") if key in one}
                    for one in self.ep_info_buffer or ()
                ],
                "successes": [bool(success) for success in self.ep_success_buffer or ()],
            },
            "fingerprints": None if preprocessing is None else preprocessing.fingerprints,
        }

    def _policy_settings(self) -> dict[str, Any]:
        """The policy's arguments, without those that it sets by itself."""
        ours = issubclass(self.policy_class, SaveablePolicy)
        return {
            name: value
            for name, value in self.policy_kwargs.items()
            if not (ours and name in OF_THE_MODEL)
        }

    def _settings(self) -> dict[str, Any]:
        """The hyperparameters as they are now."""
        names = _setting_names(type(self))
        settings = {name: vars(self)[name] for name in names if name in vars(self)}
        noise = settings.get("action_noise")
        if noise is not None:  # of one environment: it is made one for each when it learns
            settings["action_noise"] = getattr(noise, "base_noise", noise)
        for name in _BUFFERS:
            if getattr(self, name, None) not in (None, self.default_buffer):
                settings[name] = getattr(self, name)
        return settings

    @classmethod
    def load(
        cls,
        path: Any,
        env: Any = None,
        device: Any = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        *,
        trust_pickle: bool = False,
        trust_code: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The algorithm in a folder that :meth:`save` wrote.

        Args:
            path: the folder, with or without a suffix ``.zip``.
            env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv` to learn on with; predicting
                needs none.
            device: of the weights.
            custom_objects, kwargs: attributes by name instead of those that were saved, such as
                ``learning_rate``, or ``policy_class`` for a custom policy.
            print_system_info, force_reset: of SB3's files.
            trust_pickle: read stable-baselines3's file, which may run any code.
            trust_code: import a fusion that is not mmrl's own.

        Raises:
            UserError: there is none, it is of another algorithm, damaged, does not fit the
                environment, or is a file that would have to be unpickled.
        """
        folder = find_folder(path, ALGORITHM)
        if folder is None:
            if trust_pickle:
                if env is not None:
                    check_env(cls.__name__, env)
                    data, _, _ = load_from_zip_file(path, custom_objects=custom_objects)
                    env = fitting_env(env, (data or {})["observation_space"])
                return super().load(
                    path, env, device, custom_objects, print_system_info, force_reset, **kwargs
                )
            refuse_pickle(path, "algorithm", f"{cls.__name__}.load", ".save")
        check_env(cls.__name__, env)
        checkpoint = read_checkpoint(folder / CHECKPOINT)
        changes = {**(custom_objects or {}), **kwargs}
        with well_formed(folder):
            model = cls._rebuild(folder, checkpoint.state, env, device, changes, trust_code)
            set_learned_state(model, checkpoint.weights, entry(checkpoint.state, "learned"))
        if model.use_sde:
            cast("Any", model.policy).reset_noise()
        return model

    @classmethod
    def _rebuild(
        cls,
        folder: Path,
        state: Tree,
        env: Any,
        device: Any,
        changes: dict[str, Any],
        trust_code: bool,
    ) -> Self:
        """The algorithm of a description, with new weights."""
        if state["algorithm"] != _library_class(cls).__name__:
            theirs = shortened(state["algorithm"])
            raise UserError(
                f"{folder} is of {theirs}, not of {cls.__name__}: load it by {theirs}.load"
            )
        known = _setting_names(cls).union(_BUFFERS)
        settings = {name: unpack(one) for name, one in state["settings"].items() if name in known}
        arguments = {**unpack(state["policy_kwargs"]), **changes.pop("policy_kwargs", {})}
        check_code(arguments.get("model"), folder / ALGORITHM, trust_code=trust_code)
        policy = changes.pop("policy_class", None) or cls._policy_named(str(state["policy"]))
        seen = unpack(state["spaces"]["observation"])
        model: Any = cls(policy, None, device=device, _init_setup_model=False)
        vars(model).update(settings)
        vars(model).update(
            policy_kwargs=arguments,
            observation_space=seen,
            action_space=unpack(state["spaces"]["action"]),
            n_envs=state["spaces"]["n_envs"],
            _preprocessing=_load_preprocessing(
                folder, state["fingerprints"], arguments.get("model"), seen
            ),
        )
        vars(model).update(changes)
        if env is not None:
            model._attach(env, state["fingerprints"])
        with saved_encoders(folder):
            model._setup_model()
        vars(model).update({n: one for n, one in state["counters"].items() if n in _COUNTERS})
        window = model._stats_window_size
        model.ep_info_buffer = deque(state["recent"]["episodes"], maxlen=window)
        model.ep_success_buffer = deque(state["recent"]["successes"], maxlen=window)
        return cast("Self", model)

    @classmethod
    def _policy_named(cls, name: str) -> Any:
        if name not in cls.policy_aliases:
            raise UserError(
                f"it was saved with a policy {name}, which is not one of "
                f"{', '.join(cls.policy_aliases)}: give it by "
                f"{cls.__name__}.load(…, policy_class={name})"
            )
        return cls.policy_aliases[name]

    def _attach(self, env: VecEnv, fingerprints: Mapping[str, str] | None) -> None:
        """Take an environment that observes and acts as the saved one did."""
        env = fitting_env(self._wrap_env(env, self.verbose), self.observation_space)
        theirs: Preprocessing | None = getattr(env.unwrapped, "preprocessing", None)
        if theirs is not None and fingerprints is not None:
            theirs.check(fingerprints)
        try:
            check_for_correct_spaces(env, self.observation_space, self.action_space)
        except ValueError as error:
            raise UserError(f"this agent was saved on another environment: {error}") from error
        self.env, self.n_envs = env, env.num_envs
        self._vec_normalize_env = unwrap_vec_normalize(env)

    @staticmethod
    def _wrap_env(env: Any, *_: Any, **__: Any) -> VecEnv:
        """The environment as it is, without ``VecTransposeImage``: the model turns images."""
        check_env("this agent", env)
        return cast("VecEnv", env)

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """As in SB3; an agent of images [3, H, W] gets them so."""
        check_env("this agent", env)
        super().set_env(fitting_env(env, self.observation_space), force_reset)

    def set_parameters(
        self,
        load_path_or_dict: Any,
        exact_match: bool = True,
        device: Any = "auto",
        *,
        trust_pickle: bool = False,
    ) -> None:
        """Take weights and optimisers from a folder that :meth:`save` wrote, or as
        ``get_parameters`` gives them.

        Args:
            load_path_or_dict: the folder, or the parameters.
            exact_match: refuse a folder or parameters that lack some of this agent's weights.
            device: of the weights in SB3's file.
            trust_pickle: read stable-baselines3's file, which may run any code.

        Raises:
            UserError: of another model, damaged, or a file that would have to be unpickled.
        """
        if isinstance(load_path_or_dict, dict):
            return super().set_parameters(load_path_or_dict, exact_match, device)
        folder = find_folder(load_path_or_dict, ALGORITHM)
        if folder is None:
            if trust_pickle:
                return super().set_parameters(load_path_or_dict, exact_match, device)
            refuse_pickle(load_path_or_dict, "algorithm", f"{type(self).__name__}.load", ".save")
        checkpoint = read_checkpoint(folder / CHECKPOINT)
        with well_formed(folder):
            if exact_match:
                set_learned_state(self, checkpoint.weights, entry(checkpoint.state, "learned"))
            else:
                own = weights_of(self.policy)
                there = {n: one for n, one in checkpoint.weights.items() if n in own}
                put_weights(self.policy, {**own, **there})
        return None


def _library_class(cls: type[BaseAlgorithm]) -> type[BaseAlgorithm]:
    """The class of stable-baselines3 or sb3-contrib that an algorithm is made of."""
    libraries = ("stable_baselines3", "sb3_contrib")
    return next(kind for kind in cls.__mro__ if kind.__module__.split(".")[0] in libraries)


def _setting_names(cls: type[BaseAlgorithm]) -> set[str]:
    """The attributes that are hyperparameters: the constructors' arguments, and these with an
    underscore.
    """
    names = constructor_arguments(cls) - _NOT_SETTINGS
    return names | {f"_{name}" for name in names}


def constructor_arguments(cls: type[BaseAlgorithm]) -> set[str]:
    """The names of the arguments that an algorithm and its base classes take."""
    return {
        name
        for kind in cls.__mro__
        if "__init__" in vars(kind)
        for name in inspect.signature(vars(kind)["__init__"]).parameters
    }


def _load_preprocessing(
    folder: Path, fingerprints: Any, model: ModelConfig | None, seen: spaces.Dict
) -> Preprocessing | None:
    """The preprocessing that an algorithm was saved with; None where it was without."""
    if fingerprints is None:
        return None
    frame = spaces.Dict(
        {
            key: spaces.Box(0, 255, (*size_of(one.shape), 3), np.uint8)
            for key, one in seen.spaces.items()
            if one.shape is not None and is_image(one.shape)
        }
    )
    preprocessing = with_goals(Preprocessing.load(folder), model or ModelConfig(), frame)
    preprocessing.check(fingerprints)
    return preprocessing

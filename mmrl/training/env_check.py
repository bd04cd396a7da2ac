"""The environment checker: plays random steps, and finds what would spoil a training.

Gymnasium's own checker raises at the first violation. This one finds them all, each with the step
at which it first happened and what to do about it, and says what an adapter makes of the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.action_masks import sample_valid
from mmrl.contract import ACTION_MASK, IS_SUCCESS, SPEECH, scalar
from mmrl.env_apis.registration import EnvLike, env_id_of
from mmrl.errors import UserError
from mmrl.evaluation.player import rendered
from mmrl.experiment.plain_data import round_trip
from mmrl.machine import resident_memory
from mmrl.observation_image import observation_image
from mmrl.registry import find_spec
from mmrl.seeding import action_seed
from mmrl.text_output import printable
from mmrl.training.mask_check import RandomActions
from mmrl.wrappers.adapt.config import ADAPTER, AdapterConfig
from mmrl.wrappers.adapt.plan import named
from mmrl.wrappers.adapters import make_env, make_vec_env
from mmrl.wrappers.making import adaptation
from mmrl.wrappers.nested_spaces import Leaf, leaves
from mmrl.wrappers.state import try_state

_REPEATED: Final = 20  # steps that are played twice
_IMAGES: Final = 12
_LONGEST: Final = 160  # characters of an exception


class Finding(NamedTuple):
    """One violation.

    Attributes:
        step: at which it first happened; 0 for the reset, None where it belongs to no step.
        what: is wrong.
        fix: what to do.
        is_fatal: whether no agent can be trained because of it.
    """

    step: int | None
    what: str
    fix: str
    is_fatal: bool = False


@dataclass
class EnvReport:
    """What the checker found.

    Attributes:
        env: its id.
        adaptation: what an adapter makes of it, see :func:`mmrl.wrappers.making.adaptation`.
        findings: violations, in the order in which they were found.
        steps: that were played.
        episodes: that ended in them.
        returns: of these.
        successes: of these; None where it is not known.
        steps_per_second: of one environment; 0 where none was played.
        megabytes: of memory that one more environment took.
        resumes_exactly: whether its state can be saved and restored.
        images: what an agent sees, uint8 [H, W, 3], at most 12.
    """

    env: str
    adaptation: list[tuple[str, ...]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    steps: int = 0
    episodes: int = 0
    returns: list[float] = field(default_factory=list)
    successes: list[bool | None] = field(default_factory=list)
    steps_per_second: float = 0.0
    megabytes: float = 0.0
    resumes_exactly: bool = False
    images: list[NDArray[np.uint8]] = field(default_factory=list)

    @property
    def trains(self) -> bool:
        """Whether an agent can be trained in it."""
        return not any(one.is_fatal for one in self.findings)

    def add(self, step: int | None, what: str, fix: str, *, is_fatal: bool = False) -> None:
        """Add a violation, unless it is there already, at an earlier step."""
        if all(one.what != what for one in self.findings):
            self.findings.append(Finding(step, what, fix, is_fatal))

    def add_violation(self, step: int, what: str, fix: str, is_fatal: bool) -> None:
        """As :meth:`add`."""
        self.add(step, what, fix, is_fatal=is_fatal)


def check_env(
    env: EnvLike,
    env_args: Mapping[str, Any] | None = None,
    *,
    steps: int = 200,
    seed: int = 0,
    on_step: Callable[[int], None] | None = None,
) -> EnvReport:
    """Check an environment by random steps.

    Args:
        env, env_args: the environment, as of :func:`~mmrl.wrappers.adapters.make_env`.
        steps: how many.
        seed: of the environment and of the actions.
        on_step: called with how many more steps were played.

    Raises:
        UserError: there is no such environment.
    """
    env_id = env_id_of(env)
    find_spec(env_id)
    report, args = EnvReport(env_id), dict(env_args or {})
    with _failures(report, "cannot be made", "mend its constructor"):
        _check_own(report, env_id, args, seed)
    if report.trains:
        with _failures(report, "cannot be adapted or fails in play", "see the message"):
            _check_adapted(report, env_id, args, steps, seed, on_step)
    return report


@contextmanager
def _failures(report: EnvReport, what: str, fix: str, step: int | None = None) -> Iterator[None]:
    """Within the block, whatever an environment raises is a violation."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except UserError as error:
        report.add(step, printable(str(error)), fix, is_fatal=True)
    except Exception as error:  # of any kind, from the environment
        reason = printable(f"{type(error).__name__}: {error}".splitlines()[0])[:_LONGEST]
        report.add(step, f"{what}: {reason}", fix, is_fatal=True)


def _check_own(report: EnvReport, env_id: str, args: Mapping[str, Any], seed: int) -> None:
    """What the environment itself gives, before any adapter."""
    own = {key: value for key, value in args.items() if key not in (ADAPTER, SPEECH)}
    with closing(gym.make(find_spec(env_id), disable_env_checker=True, **own)) as env:
        found = leaves(env.observation_space)
        config = AdapterConfig.read(args.get(ADAPTER))
        actions = RandomActions(env, found, config, seed, report.add_violation)
        first = _trace(report, env, found, actions, seed)
        again = _trace(report, env, found, actions, seed)
        if first is not None and again is not None and not _equal(first, again):
            report.add(
                None,
                f"is not deterministic: the same seed and {_REPEATED} same actions gave another "
                "episode",
                "draw all random numbers from self.np_random, which reset(seed=…) seeds",
            )
        modes = (env.metadata or {}).get("render_modes") or ()
    _check_render(report, env_id, own, seed, modes)


def _trace(
    report: EnvReport,
    env: gym.Env[Any, Any],
    found: Sequence[Leaf],
    actions: RandomActions,
    seed: int,
) -> list[Any] | None:
    """The observations and rewards of an episode from its seed; None where it fails."""
    trace: list[Any] = []
    with _failures(report, "reset() raised", "mend reset()", 0):
        answer: Any = env.reset(seed=seed)
        if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
            report.add(
                0,
                "reset() does not return (observation, info)",
                "return both; environments of gym 0.21 need shimmy",
                is_fatal=True,
            )
            return None
        trace.append(_checked(report, answer[0], found, 0))
        observation, info = answer
        for step in range(1, _REPEATED + 1):
            action = actions.choose(step, observation, info)
            with _failures(report, f"step({action!r}) raised", "mend step()", step):
                answer = env.step(action)
            if not isinstance(answer, tuple) or len(answer) != 5:
                report.add(step, "step() does not return five values", "return observation, "
                           "reward, terminated, truncated, info; environments of gym 0.21 need "
                           "shimmy", is_fatal=True)  # fmt: skip
                return None
            observation, reward, terminated, truncated, info = answer
            _check_step(report, reward, terminated, truncated, info, step)
            trace.append(_checked(report, observation, found, step))
            trace.append(scalar(reward))
            if terminated or truncated:
                break
    return trace if report.trains else None


def _check_step(
    report: EnvReport, reward: Any, terminated: Any, truncated: Any, info: Any, step: int
) -> None:
    number = scalar(reward)
    if number is None or not np.isfinite(number):
        report.add(step, f"the reward is {reward!r}", "return one finite number", is_fatal=True)
    for name, value in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(value, bool | np.bool_):
            report.add(step, f"{name} is {value!r}, no bool", f"return bool({name})")
    if not isinstance(info, dict):
        report.add(step, f"info is {type(info).__name__}, no dict", "return {}", is_fatal=True)


def _checked(
    report: EnvReport, observation: Any, found: Sequence[Leaf], step: int
) -> dict[str, Any]:
    """The entries of an observation by path, copied; each is compared with its space."""
    flat: dict[str, Any] = {}
    for leaf in found:
        path = named(leaf)
        try:
            value = leaf.value(observation)
        except (LookupError, TypeError):
            report.add(step, f"the observation lacks {path!r}",
                       "return every entry of observation_space", is_fatal=True)  # fmt: skip
            continue
        flat[path] = np.array(value) if isinstance(value, np.ndarray) else value
        wrong = _violation(value, leaf.space)
        if wrong is not None:
            report.add(step, f"observation {path!r} {wrong[0]}", wrong[1], is_fatal=wrong[2])
    return flat


def _violation(value: Any, space: gym.Space[Any]) -> tuple[str, str, bool] | None:
    """What is wrong with a value, what to do, and whether it is fatal; None where nothing is."""
    if not isinstance(space, spaces.Box):
        with suppress(Exception):
            if space.contains(value):
                return None
        return f"is {value!r:.60}, not of {space!s:.80}", "mend the space or the value", False
    array = np.asarray(value)
    if array.shape != space.shape:
        return (
            f"has shape {list(array.shape)}, and its space {list(space.shape)}",
            "return the declared shape at every step",
            True,
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all() and np.isnan(array).any():
        return "has values that are no numbers (NaN)", "find where they come from", True
    if not np.can_cast(array.dtype, space.dtype, "same_kind"):
        return (
            f"is {array.dtype}, and its space {space.dtype}",
            "declare the type that is returned, or convert it",
            True,
        )
    if (array < space.low).any() or (array > space.high).any():
        return (
            f"leaves its bounds: {array.min():.4g} to {array.max():.4g} in "
            f"{float(np.min(space.low)):.4g} to {float(np.max(space.high)):.4g}",
            "declare bounds that hold; images are scaled by them",
            False,
        )
    return None


def _equal(first: Any, again: Any) -> bool:
    if isinstance(first, Mapping):
        return first.keys() == again.keys() and all(_equal(first[k], again[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(again) and all(map(_equal, first, again))
    if isinstance(first, np.ndarray):
        return bool(np.array_equal(first, again, equal_nan=first.dtype.kind == "f"))
    return bool(first == again)


def _check_render(
    report: EnvReport, env_id: str, own: Mapping[str, Any], seed: int, modes: Sequence[str]
) -> None:
    if "rgb_array" not in modes:
        report.add(None, "does not render rgb_array: clips show the observations only",
                   "declare it in metadata['render_modes'] and return uint8 [H, W, 3]")  # fmt: skip
        return
    try:
        arguments = {**own, "render_mode": "rgb_array"}
        with closing(gym.make(find_spec(env_id), disable_env_checker=True, **arguments)) as env:
            env.reset(seed=seed)
            reason = rendered(env)[1]
    except Exception as error:  # of any kind, from the environment
        reason = printable(f"{type(error).__name__}: {error}".splitlines()[0])[:_LONGEST]
    if reason:
        report.add(None, f"render: {reason}; clips show the observations only", "mend render()")


def _check_adapted(
    report: EnvReport,
    env_id: str,
    args: dict[str, Any],
    steps: int,
    seed: int,
    on_step: Callable[[int], None] | None,
) -> None:
    """What an agent gets: the adapted environment, its speed, memory and episodes."""
    before = resident_memory() or 0
    with closing(make_vec_env(env_id, 1, round_up=True, **args)) as batch:
        report.megabytes = max((resident_memory() or 0) - before, 0) / 1e6
        report.resumes_exactly = try_state(batch, round_trip) is None
    with closing(make_env(env_id, **args)) as env:
        report.adaptation = adaptation(env)
        env.action_space.seed(action_seed(seed))
        observation, _ = env.reset(seed=seed)
        total, seconds = 0.0, 0.0
        for step in range(1, steps + 1):
            if len(report.images) < _IMAGES and (step - 1) % max(steps // _IMAGES, 1) == 0:
                report.images.append(observation_image(observation))
            began = time.perf_counter()
            with _failures(report, "step() raised", "mend step()", step):
                observation, reward, terminated, truncated, info = env.step(
                    sample_valid(env.action_space, observation.get(ACTION_MASK))
                )
            if not report.trains:
                return
            total += float(reward)
            if terminated or truncated:
                report.episodes += 1
                report.returns.append(total)
                report.successes.append(_success(info))
                total = 0.0
                observation, _ = env.reset()
            seconds += time.perf_counter() - began
            report.steps = step
            if on_step is not None:
                on_step(1)
        report.steps_per_second = report.steps / max(seconds, 1e-9)


def _success(info: Mapping[str, Any]) -> bool | None:
    value = info[IS_SUCCESS] if IS_SUCCESS in info else info.get("success")
    return None if value is None else bool(np.all(value))

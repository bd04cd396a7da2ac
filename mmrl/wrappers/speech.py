"""Spoken instructions: adds ``speech`` to the observations of any environment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.preprocessing.speech import RATE, spoken_length
from mmrl.preprocessing.tts import check_voice, speak
from mmrl.wrappers.state import batch_state, set_batch_state

Waveform = NDArray[np.float32]
_STREAM: Final = 0x5EAC  # keeps the speakers' generator apart from the environment's


@dataclass(frozen=True)
class Speakers:
    """The synthesised voices that speak the instructions.

    Each episode samples a voice, a speed and a pitch (in steps of 10), and the noise.

    Attributes:
        voices: of eSpeak NG, such as en-us or en+f3.
        words_per_minute: slowest and fastest.
        pitch: lowest and highest, 0 to 99.
        noise: standard deviation of white noise, where full scale is 1.
        seconds: waveforms have this length; silence follows, longer ones are cut.

    Raises:
        UserError: no such voice, or numbers that cannot be.
    """

    voices: Sequence[str] = ("en-us",)
    words_per_minute: Sequence[int] = (175, 175)
    pitch: Sequence[int] = (50, 50)
    noise: float = 0.0
    seconds: float = 4.0

    def __post_init__(self) -> None:
        if not self.voices or isinstance(self.voices, str):
            raise UserError(
                f"speech.voices={self.voices!r}: give a list of voices, such as [en-us]"
            )
        for name, lowest, highest in (("words_per_minute", 80, 450), ("pitch", 0, 99)):
            bounds = getattr(self, name)
            if len(bounds) != 2 or not lowest <= bounds[0] <= bounds[1] <= highest:
                raise UserError(
                    f"speech.{name}={list(bounds)}: give the lowest and the highest, "
                    f"within {lowest} to {highest}"
                )
        if self.noise < 0 or self.seconds <= 0:
            raise UserError(
                f"speech.noise={self.noise}, speech.seconds={self.seconds}: "
                "must be at least 0, and above 0"
            )
        for voice in self.voices:
            check_voice(voice)

    @classmethod
    def from_args(cls, arguments: Mapping[str, Any]) -> Speakers:
        """The speakers of an environment's argument ``speech``.

        Raises:
            UserError: an argument that does not exist, or as above.
        """
        try:
            return cls(**arguments)
        except TypeError as error:
            raise UserError(f"env_args.speech {dict(arguments)}: {error}") from error

    @property
    def samples(self) -> int:
        """Length of the waveforms."""
        return round(self.seconds * RATE)

    @property
    def space(self) -> spaces.Box:
        """float32 [T]."""
        return spaces.Box(-np.inf, np.inf, (self.samples,), np.float32)

    def speak(self, sentence: str, generator: np.random.Generator) -> Waveform:
        """A sentence spoken by one of the speakers, float32 [T]."""
        voice = self.voices[int(generator.integers(len(self.voices)))]
        speed, pitch = (_draw(one, generator) for one in (self.words_per_minute, self.pitch))
        spoken = speak(sentence, voice, speed, pitch)
        if len(spoken) > self.samples:
            warnings.warn(
                f"an instruction takes {len(spoken) / RATE:.1f} s to speak and is cut at "
                f"speech.seconds={self.seconds}: {sentence!r}",
                stacklevel=2,
            )
            spoken = spoken[: self.samples]
        waveform = np.zeros(self.samples, np.float32)
        waveform[: len(spoken)] = spoken
        if self.noise:
            length = spoken_length(waveform)
            waveform[:length] += self.noise * generator.standard_normal(length, np.float32)
        return waveform


def _draw(bounds: Sequence[int], generator: np.random.Generator) -> int:
    """The lowest, or so many tens above it: few enough that the synthesised speech is cached."""
    return bounds[0] + 10 * int(generator.integers((bounds[1] - bounds[0]) // 10 + 1))


def _generator(seed: int | None) -> np.random.Generator:
    return np.random.default_rng(None if seed is None else [_STREAM, seed])


class SpokenInstructions(gym.Wrapper[dict[str, Any], Any, Any, Any]):
    """Adds ``speech``, float32 [T] at 16 kHz: the instruction, spoken.

    Args:
        env: an environment that fulfils the contract.
        speakers: the voices.
    """

    def __init__(self, env: gym.Env[Any, Any], speakers: Speakers) -> None:
        super().__init__(env)
        source = env.observation_space
        assert isinstance(source, spaces.Dict)
        self.observation_space = spaces.Dict({**source.spaces, SPEECH: speakers.space})
        self._speakers = speakers
        self._generator = _generator(None)
        self._spoken = ("", np.zeros(0, np.float32))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; its instruction is spoken again."""
        if seed is not None:
            self._generator = _generator(seed)
        observation, info = self.env.reset(seed=seed, options=options)
        self._spoken = ("", self._spoken[1])
        return self._speak(observation), info

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """One step; an instruction that changes within the episode is spoken, too."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._speak(observation), reward, terminated, truncated, info

    def _speak(self, observation: dict[str, Any]) -> dict[str, Any]:
        sentence = observation[INSTRUCTION]
        if sentence != self._spoken[0]:
            self._spoken = (sentence, self._speakers.speak(sentence, self._generator))
        return {**observation, SPEECH: self._spoken[1]}


class SpokenInstructionsVector(VectorWrapper):
    """:class:`SpokenInstructions` for a batch that restarts within the step that ends an episode:
    ``speech`` float32 [N, T].

    Args:
        env: a batch that fulfils the contract.
        speakers: the voices.

    Raises:
        ValueError: the batch restarts otherwise.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], speakers: Speakers) -> None:
        if env.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("the batch must restart with autoreset_mode='SameStep'")
        super().__init__(env)
        single = env.single_observation_space
        assert isinstance(single, spaces.Dict)
        self.single_observation_space = spaces.Dict({**single.spaces, SPEECH: speakers.space})
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._speakers = speakers
        self._generators = [_generator(None) for _ in range(env.num_envs)]
        self._sentences = [""] * env.num_envs
        self._speech = np.zeros((env.num_envs, speakers.samples), np.float32)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin everywhere, or where ``options["reset_mask"]`` is true."""
        if seed is not None:
            seeds = range(seed, seed + self.num_envs) if isinstance(seed, int) else seed
            self._generators = [
                old if one is None else _generator(one)
                for one, old in zip(seeds, self._generators, strict=True)
            ]
        observation, info = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        for e in np.flatnonzero(mask):
            self._sentences[e] = ""
        return self._speak(observation), info

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """One step everywhere; instructions of new episodes are spoken."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        for e in np.flatnonzero(terminated | truncated):
            self._sentences[e] = ""
            infos["final_obs"][e] = {**infos["final_obs"][e], SPEECH: self._speech[e]}
        return self._speak(observation), rewards, terminated, truncated, infos

    def get_state(self) -> dict[str, Any] | None:
        """The batch's state, see :mod:`mmrl.wrappers.state`, the sentences and their speech, and
        the speakers' generators; None where the batch has no state.
        """
        batch = batch_state(self.env)
        if batch is None:
            return None
        return {
            "batch": batch,
            "generators": [one.bit_generator.state for one in self._generators],
            "said": list(self._sentences),  # the key of earlier checkpoints
            "speech": self._speech.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`get_state` of a batch like this one gave.

        Raises:
            ValueError: it is another batch's.
        """
        if state["speech"].shape != self._speech.shape:
            raise ValueError(
                f"speech of {list(state['speech'].shape)} samples, not {list(self._speech.shape)}"
            )
        set_batch_state(self.env, state["batch"])
        for generator, its_state in zip(self._generators, state["generators"], strict=True):
            generator.bit_generator.state = its_state
        self._sentences, self._speech = list(state["said"]), state["speech"].copy()

    def _speak(self, observation: dict[str, Any]) -> dict[str, Any]:
        sentences = observation[INSTRUCTION]
        new = [e for e, sentence in enumerate(sentences) if sentence != self._sentences[e]]
        if new:
            self._speech = self._speech.copy()  # the last observation still has the old ones
        for e in new:
            self._sentences[e] = sentences[e]
            self._speech[e] = self._speakers.speak(sentences[e], self._generators[e])
        return {**observation, SPEECH: self._speech}

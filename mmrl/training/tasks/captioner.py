"""``mmrl fit captioner``: images → text, from collected episodes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Episode, open_dataset
from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError, unknown
from mmrl.generative.text.models import TextGenerator, build_captioner
from mmrl.language import NEUTRAL, InstructionLanguage, is_among
from mmrl.preprocessing.text import split_words
from mmrl.training import TASKS
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import CaptionerConfig

ABOUT: Final = ("achieved", "scene")
_TESTED: Final = 512  # held-out examples of an evaluation


class Example(NamedTuple):
    """Images of an episode, and their captions.

    Attributes:
        episode, step: where they are from.
        captions: for training, one at a time.
        shown: all captions of the last image, those left out included.
        descriptions: of the images, by the dataset.
        true: all captions that are correct, what was achieved earlier in the episode included.
    """

    episode: int
    step: int
    captions: tuple[str, ...]
    shown: tuple[str, ...]
    descriptions: tuple[str, ...]
    true: tuple[str, ...]


class CaptionerTask(Task):
    """See :class:`CaptionerConfig`.

    Args:
        config: its configuration.
        rollouts: the episodes.
        language: of their sentences.

    Attributes:
        cases: counts the training examples, and those that were held out.

    Raises:
        UserError: options out of range, or too few episodes.
    """

    name, summary, Config = "captioner", TASKS["captioner"].summary, CaptionerConfig
    module: TextGenerator

    def __init__(
        self,
        config: CaptionerConfig,
        rollouts: Sequence[Episode],
        language: InstructionLanguage = NEUTRAL,
    ) -> None:
        _check(config)
        if config.held_out_pairs:
            check_held_out_pairs(language)
        self.config, self.language = config, language
        first_test = max(round(len(rollouts) * (1 - config.test_share)), 1)
        found = list(_examples(rollouts, config))
        self.cases = TrainingCases(_sentences, language if config.held_out_pairs else NEUTRAL)
        train = list(self.cases.sample(one for one in found if one.episode < first_test))
        test = [one for one in found if one.episode >= first_test]
        if not train or not test:
            is_unknown = config.about != "scene" and all(one.success is None for one in rollouts)
            raise UserError(
                f"data {config.data!r}: {len(train)} training and {len(test)} test examples "
                f"with about={config.about!r} in {len(rollouts)} episodes: "
                + (
                    "the success of none is known: give success=terminated_with_reward, or another "
                    "rule"
                    if is_unknown
                    else "collect more, in an environment that reports achievements or descriptions"
                )
            )
        chosen = np.random.default_rng(config.seed)
        self._train = _some(train, config.max_examples, chosen)
        self._test = _some(test, _TESTED, chosen)
        self._train_images = _images(rollouts, self._train, config.frames)
        self._test_images = _images(rollouts, self._test, config.frames)
        captions = {caption for one in found for caption in one.captions}
        words = sorted({word for sentence in captions for word in split_words(sentence)})
        self.recipe = {
            "image_size": list(self._train_images.shape[2:4]),
            "words": words,
            "frames": config.frames,
            "length": max(len(split_words(sentence)) for sentence in captions),
            "image": config.image,
            "image_args": config.image_args,
            "precision": config.precision,
            "width": config.width,
            "layers": config.layers,
            "heads": config.heads,
            "dropout": config.dropout,
            "word_dropout": config.word_dropout,
            "named": config.named,
        }
        self.module = self.build(self.recipe)

    @classmethod
    def prepare(cls, config: CaptionerConfig) -> CaptionerTask:
        """As :meth:`Task.prepare`."""
        rollouts = open_dataset(config.data, config.success)
        return cls(config, rollouts, rollouts.language)

    @staticmethod
    def build(recipe: dict[str, Any]) -> TextGenerator:
        """As :meth:`Task.build`."""
        return build_captioner(**recipe)

    def batch(self, generator: np.random.Generator) -> Batch:
        """Images uint8 [B, F, H, W, 3], and the token ids int32 [B, L] of a caption of each."""
        chosen = generator.integers(len(self._train), size=self.config.batch_size)
        captions = [self._train[k].captions for k in chosen]
        drawn = [some[int(generator.integers(len(some)))] for some in captions]
        return {
            "images": torch.from_numpy(self._train_images[chosen]),
            "ids": self.module.ids(drawn),
        }

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the words."""
        smoothing = self.config.label_smoothing
        return {"loss": self.module.loss(batch["images"], batch["ids"], label_smoothing=smoothing)}

    def evaluate(self) -> Evaluation:
        """The share of correct captions of held-out episodes; those that mention a held-out pair
        apart.
        """
        generated = self.module.generate(torch.from_numpy(self._test_images))
        right = np.array(
            [
                is_among(self.language, one.sentence, test.true)
                for one, test in zip(generated, self._test, strict=True)
            ]
        )
        new = np.array([any(map(self.language.is_held_out, test.shown)) for test in self._test])
        metrics = {"accepted": float(right[~new].mean()) if (~new).any() else float("nan")}
        if new.any():
            metrics["accepted_held_out_pairs"] = float(right[new].mean())
        if self.config.held_out_pairs:
            metrics["turned_away"] = self.cases.turned_away
        samples = [
            f"{one.sentence} ({one.probability:.0%}): {'right' if ok else 'wrong'}; "
            f"true: {test.captions[0]}"
            for one, ok, test in zip(generated[:12], right, self._test, strict=False)
        ]
        return Evaluation(metrics, samples)


def _check(config: CaptionerConfig) -> None:
    if config.about not in ABOUT:
        raise unknown("about", config.about, ABOUT)
    if config.frames < 1 or not 0 < config.test_share < 1:
        raise UserError(
            f"frames={config.frames}, test_share={config.test_share}: must be at least 1, and "
            "between 0 and 1"
        )
    try:
        re.compile(config.without)
    except re.error as error:
        raise UserError(f"without={config.without!r}: {error}") from error


def _examples(rollouts: Sequence[Episode], config: CaptionerConfig) -> Iterator[Example]:
    """All examples of all episodes, held-out pairs included."""
    unwanted = re.compile(config.without) if config.without else None
    for episode, rollout in enumerate(rollouts):
        before: tuple[str, ...] = ()
        for step, shown in _shown(rollout, config):
            before = (*before, *shown) if config.about == "achieved" else shown
            wanted = tuple(s for s in shown if unwanted is None or not unwanted.search(s))
            first = step - config.frames + 1
            if wanted and first >= 0:
                descriptions = rollout.descriptions[first : step + 1]
                yield Example(episode, step, wanted, shown, descriptions, before)


def _shown(rollout: Episode, config: CaptionerConfig) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The captions of each image that has any, by the image's number."""
    if config.about == "scene":
        yield from ((t, (one,)) for t, one in enumerate(rollout.descriptions) if one)
    elif any(rollout.achieved):
        yield from ((t + 1, done) for t, done in enumerate(rollout.achieved) if done)
    elif rollout.success:
        yield len(rollout.actions), (rollout.instruction,)


def _sentences(example: Example) -> tuple[str, ...]:
    return (*example.shown, *example.descriptions)


def _some(examples: list[Example], most: int, generator: np.random.Generator) -> list[Example]:
    """At most so many, in the order of their episodes."""
    if len(examples) <= most:
        return examples
    return [examples[k] for k in np.sort(generator.permutation(len(examples))[:most])]


def _images(rollouts: Sequence[Episode], examples: list[Example], frames: int) -> NDArray[np.uint8]:
    """uint8 [M, F, H, W, 3]."""
    shape = rollouts[examples[0].episode].images.shape[1:]
    images = np.empty((len(examples), frames, *shape), np.uint8)
    last, of_episode = -1, images[:0]
    for k, one in enumerate(examples):
        if one.episode != last:
            last, of_episode = one.episode, rollouts[one.episode].images
        images[k] = of_episode[one.step - frames + 1 : one.step + 1]
    return images

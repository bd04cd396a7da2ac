"""Fits a captioner to collected episodes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Rollout, open_rollouts
from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError, unknown
from mmrl.generative.text.models import TextGenerator, build_captioner
from mmrl.language import NEUTRAL, InstructionLanguage, is_among
from mmrl.preprocessing.text import split_words
from mmrl.training.task import Batch, Evaluation, FitConfig, Task

ABOUT: Final = ("achieved", "scene")
_SHOWN: Final = 512  # held-out examples that an evaluation looks at


@dataclass
class CaptionerConfig(FitConfig):
    """What a captioner is fitted to, and what it is made of.

    Attributes:
        data: dataset of 'mmrl collect'.
        about: achieved, what the last step has carried out; or scene, what is to be seen.
        frames: images that are looked at together, the newest last.
        without: captions that this regular expression finds are not learnt, such as "on your".
        held_out_pairs: leave out whatever mentions a pair of words that the environment's language
            holds out, in what was achieved or in the descriptions of the images.
        test_share: of the episodes, the last ones, that are not learnt from.
        max_examples: as many are kept in memory, spread over all episodes.
        image: the encoder of an image.
        image_args: its arguments.
        width: of the decoder.
        layers: of the decoder.
        heads: of its attention.
        dropout: of the decoder.
        word_dropout: share of the words said so far that are hidden while learning.
        named: words, such as those for colours, that are said of colours alone, so that they are
            right of things that never had this colour; the encoder has to hold colours aside, as
            luma_chroma does.
    """

    data: str = ""
    about: str = "achieved"
    frames: int = 2
    without: str = ""
    held_out_pairs: bool = False
    test_share: float = 0.05
    max_examples: int = 30_000
    image: str = "small_resnet"
    image_args: dict[str, Any] = field(default_factory=dict)
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0
    word_dropout: float = 0.0
    named: list[str] = field(default_factory=list)


class Example(NamedTuple):
    """Images, and what may be said of them.

    Attributes:
        episode, step: where they are from.
        captions: of which one is learnt at a time.
        shown: everything that the last of the images shows, wanted as a caption or not.
        seen: what the dataset describes of the images.
        true: everything that is right to say: with what was carried out before and may be again.
    """

    episode: int
    step: int
    captions: tuple[str, ...]
    shown: tuple[str, ...]
    seen: tuple[str, ...]
    true: tuple[str, ...]


class CaptionerTask(Task):
    """See :class:`CaptionerConfig`.

    Args:
        config: its configuration.
        rollouts: the episodes.
        language: of their sentences.

    Attributes:
        cases: examples that were let through to be learnt from, and those turned away, counted.

    Raises:
        UserError: options that cannot be, or too few episodes.
    """

    name, summary, Config = (
        "captioner",
        "puts the last images of an episode, or what is to be seen, into words",
        CaptionerConfig,
    )
    module: TextGenerator

    def __init__(
        self,
        config: CaptionerConfig,
        rollouts: Sequence[Rollout],
        language: InstructionLanguage = NEUTRAL,
    ) -> None:
        _check(config)
        if config.held_out_pairs:
            check_held_out_pairs(language)
        self.config, self.language = config, language
        first_test = max(round(len(rollouts) * (1 - config.test_share)), 1)
        found = list(_examples(rollouts, config))
        self.cases = TrainingCases(_said_of, language if config.held_out_pairs else NEUTRAL)
        train = list(self.cases.sample(one for one in found if one.episode < first_test))
        test = [one for one in found if one.episode >= first_test]
        if not train or not test:
            raise UserError(
                f"data {config.data!r}: {len(train)} examples to learn from and {len(test)} to "
                f"test of about={config.about!r} in {len(rollouts)} episodes: collect more, in an "
                "environment that says what was achieved or is to be seen"
            )
        chosen = np.random.default_rng(config.seed)
        self._train = _some(train, config.max_examples, chosen)
        self._test = _some(test, _SHOWN, chosen)
        self._train_images = _images(rollouts, self._train, config.frames)
        self._test_images = _images(rollouts, self._test, config.frames)
        said = {caption for one in found for caption in one.captions}
        words = sorted({word for sentence in said for word in split_words(sentence)})
        self.recipe = {
            "image_size": list(self._train_images.shape[2:4]),
            "words": words,
            "frames": config.frames,
            "length": max(len(split_words(sentence)) for sentence in said),
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
        rollouts = open_rollouts(config.data)
        return cls(config, rollouts, rollouts.language)

    @staticmethod
    def build(recipe: dict[str, Any]) -> TextGenerator:
        """As :meth:`Task.build`."""
        return build_captioner(**recipe)

    def batch(self, generator: np.random.Generator) -> Batch:
        """Images uint8 [B, F, 3, H, W], and the token ids int32 [B, L] of a caption of each."""
        chosen = generator.integers(len(self._train), size=self.config.batch_size)
        captions = [self._train[k].captions for k in chosen]
        drawn = [some[int(generator.integers(len(some)))] for some in captions]
        return {"images": _to_torch(self._train_images[chosen]), "ids": self.module.ids(drawn)}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the words."""
        smoothing = self.config.label_smoothing
        return {"loss": self.module.loss(batch["images"], batch["ids"], label_smoothing=smoothing)}

    def evaluate(self) -> Evaluation:
        """Whether what is said of episodes that were not learnt from is right; those that mention a
        held-out pair apart.
        """
        said = self.module.generate(_to_torch(self._test_images))
        right = np.array(
            [
                is_among(self.language, one.sentence, test.true)
                for one, test in zip(said, self._test, strict=True)
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
            f"to be said: {test.captions[0]}"
            for one, ok, test in zip(said[:12], right, self._test, strict=False)
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


def _examples(rollouts: Sequence[Rollout], config: CaptionerConfig) -> Iterator[Example]:
    """All that may be said of all images, held-out pairs included."""
    unwanted = re.compile(config.without) if config.without else None
    for episode, rollout in enumerate(rollouts):
        before: tuple[str, ...] = ()
        for step, shown in _shown(rollout, config):
            before = (*before, *shown) if config.about == "achieved" else shown
            wanted = tuple(s for s in shown if unwanted is None or not unwanted.search(s))
            first = step - config.frames + 1
            if wanted and first >= 0:
                seen = rollout.descriptions[first : step + 1]
                yield Example(episode, step, wanted, shown, seen, before)


def _shown(rollout: Rollout, config: CaptionerConfig) -> Iterator[tuple[int, tuple[str, ...]]]:
    """What is new in the images up to a step."""
    if config.about == "scene":
        yield from ((t, (one,)) for t, one in enumerate(rollout.descriptions) if one)
    elif any(rollout.achieved):
        yield from ((t + 1, done) for t, done in enumerate(rollout.achieved) if done)
    elif rollout.success:
        yield len(rollout.actions), (rollout.instruction,)


def _said_of(example: Example) -> tuple[str, ...]:
    return (*example.shown, *example.seen)


def _some(examples: list[Example], most: int, generator: np.random.Generator) -> list[Example]:
    """At most so many, in the order of their episodes."""
    if len(examples) <= most:
        return examples
    return [examples[k] for k in np.sort(generator.permutation(len(examples))[:most])]


def _images(rollouts: Sequence[Rollout], examples: list[Example], frames: int) -> NDArray[np.uint8]:
    """uint8 [M, F, H, W, 3]."""
    shape = rollouts[examples[0].episode].images.shape[1:]
    images = np.empty((len(examples), frames, *shape), np.uint8)
    last, seen = -1, images[:0]
    for k, one in enumerate(examples):
        if one.episode != last:
            last, seen = one.episode, rollouts[one.episode].images
        images[k] = seen[one.step - frames + 1 : one.step + 1]
    return images


def _to_torch(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 1, 4, 2, 3)

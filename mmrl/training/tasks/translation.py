"""``mmrl fit translation``: a translator between the languages of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
import torch

from mmrl.data.splits import held_out_seeds, training_seeds
from mmrl.errors import UserError
from mmrl.generative.text.models import Translator
from mmrl.models.encoders.bert import small_bert
from mmrl.preprocessing.text import WordTokenizer, split_words
from mmrl.splits import is_test_sentence
from mmrl.training import TASKS
from mmrl.training.config import FitConfig
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import TranslationConfig
from mmrl.wrappers.adapters import instruction_words, instructions

_SAMPLES: Final = 6


class Pair(NamedTuple):
    """An instruction in two languages."""

    source: str
    target: str


class TranslationTask(Task):
    """Text → text, see :class:`TranslationConfig`."""

    name: ClassVar[str] = "translation"
    summary: ClassVar[str] = TASKS["translation"].summary
    Config: ClassVar[type[FitConfig]] = TranslationConfig
    module: Translator

    def __init__(
        self, config: TranslationConfig, recipe: dict[str, Any], train: list[Pair]
    ) -> None:
        self.config, self.recipe, self.train = config, recipe, train
        self.module = self.build(recipe)
        self._source = self._ids(self.module.source, [pair.source for pair in train])
        self._target = self._ids(self.module.tokenizer, [pair.target for pair in train])

    @classmethod
    def prepare(cls, config: TranslationConfig) -> Self:
        """Collect the sentences, and make the module.

        Raises:
            UserError: no such environment or language, or numbers out of range.
        """
        check(config)
        train = [
            pair
            for pair in pairs(config, training_seeds(config.episodes, config.seed))
            if not is_test_sentence(pair.source, config.held_out_share)
        ]
        if not train:
            raise UserError(
                f"held_out_share={config.held_out_share}: no sentence is left for training"
            )
        sizes = {"width": config.width, "heads": config.heads}
        recipe = {
            "source": words(config, config.source),
            "target": words(config, config.target),
            "length": config.length,
            "precision": config.precision,
            "encoder": {**sizes, "layers": config.encoder_layers},
            "decoder": {**sizes, "layers": config.decoder_layers, "dropout": config.dropout},
        }
        return cls(config, recipe, train)

    @staticmethod
    def build(recipe: dict[str, Any]) -> Translator:
        """The translator of a recipe, with new weights."""
        source, target = (
            WordTokenizer(recipe[side], recipe["length"]) for side in ("source", "target")
        )
        encoder = small_bert(source.size, length=source.length, **recipe["encoder"])
        return Translator(
            source, encoder, target, precision=recipe["precision"], **recipe["decoder"]
        )

    def batch(self, generator: np.random.Generator) -> Batch:
        """Pairs of sentences."""
        rows = generator.integers(len(self.train), size=self.config.batch_size)
        return {"source": self._source[rows], "target": self._target[rows]}

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Cross-entropy of the words."""
        smoothing = self.config.label_smoothing
        loss = self.module.loss(batch["source"], batch["target"], label_smoothing=smoothing)
        return {"loss": loss}

    def evaluate(self) -> Evaluation:
        """The share of held-out sentences that are translated exactly."""
        sources = [pair.source for pair in self._test]
        translated = [one.sentence for one in self.module.translate(sources)]
        right = [one == pair.target for one, pair in zip(translated, self._test, strict=True)]
        samples = [
            f"{pair.source} → {one}" + ("" if one == pair.target else f" (true: {pair.target})")
            for one, pair in zip(translated[:_SAMPLES], self._test, strict=False)
        ]
        return Evaluation({"exact": float(np.mean(right))}, samples)

    @cached_property
    def _test(self) -> list[Pair]:
        return held_out_pairs(self.config, self.config.test_sentences)

    def _ids(self, tokenizer: WordTokenizer, sentences: list[str]) -> torch.Tensor:
        """int32 [S, L].

        Raises:
            UserError: a sentence that is too long.
        """
        longest = max(sentences, key=lambda sentence: len(split_words(sentence)))
        if 2 + len(split_words(longest)) > tokenizer.length:
            raise UserError(
                f"length={tokenizer.length}: must be at least {2 + len(split_words(longest))} for "
                f"{longest!r}"
            )
        return torch.from_numpy(np.stack([tokenizer.encode(one) for one in sentences]))


def words(config: TranslationConfig, language: str) -> list[str]:
    """The words of the environment's instructions in a language."""
    return instruction_words(config.env, **{**config.env_args, "language": language})


def pairs(config: TranslationConfig, seeds: Sequence[int]) -> list[Pair]:
    """The instructions of the episodes of some seeds, in both languages; with repetitions.

    Raises:
        UserError: no such environment or language.
    """
    texts = [
        instructions(config.env, seeds, **{**config.env_args, "language": language})
        for language in (config.source, config.target)
    ]
    return [Pair(*both) for both in zip(*texts, strict=True)]


def held_out_pairs(config: TranslationConfig, count: int) -> list[Pair]:
    """Up to ``count`` different held-out sentences, of as many episodes as should have them.

    Raises:
        UserError: none was found.
    """
    episodes = round(4 * count / config.held_out_share)
    found = {
        pair: None
        for pair in pairs(config, held_out_seeds(episodes))
        if is_test_sentence(pair.source, config.held_out_share)
    }
    if not found:
        raise UserError(
            f"none of {config.env}'s instructions is held out: it has too few different ones. "
            "Another environment, or a larger held_out_share"
        )
    return list(found)[:count]


def check(config: TranslationConfig) -> None:
    """Refuse numbers out of range.

    Raises:
        UserError: naming the first.
    """
    for name in (
        "episodes",
        "test_sentences",
        "width",
        "heads",
        "encoder_layers",
        "decoder_layers",
    ):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if not 0 < config.held_out_share < 1:
        raise UserError(f"held_out_share={config.held_out_share}: must be between 0 and 1")
    if config.source == config.target:
        raise UserError(f"source and target are both {config.source}: choose two languages")
    if config.width % config.heads:
        raise UserError(f"width={config.width}: must be divisible by heads={config.heads}")

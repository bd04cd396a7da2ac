"""``mmrl fit speech``: a recogniser of an environment's instructions, spoken by eSpeak NG."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch

from mmrl.contract import EVAL_SEED_START
from mmrl.data.splits import held_out_seeds, training_seeds
from mmrl.errors import UserError
from mmrl.evaluation.text_metrics import word_error_rate
from mmrl.generative.text.models import Recogniser
from mmrl.models.encoders.speech import SpeechTransformer
from mmrl.preprocessing.speech import LogMel
from mmrl.preprocessing.text import WordTokenizer
from mmrl.text_output import shortened
from mmrl.training import TASKS
from mmrl.training.config import FitConfig
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import SpeechConfig
from mmrl.training.utterances import Utterance, augment, synthesise, transcribe
from mmrl.wrappers.adapters import instruction_words, instructions
from mmrl.wrappers.speech import Speakers

_SAMPLES: Final = 3  # of each test


class SpeechTask(Task):
    """Speech → text, see :class:`SpeechConfig`."""

    name: ClassVar[str] = "speech"
    summary: ClassVar[str] = TASKS["speech"].summary
    Config: ClassVar[type[FitConfig]] = SpeechConfig
    module: Recogniser

    def __init__(
        self, config: SpeechConfig, recipe: dict[str, Any], train: list[Utterance]
    ) -> None:
        self.config, self.recipe, self.train = config, recipe, train
        self.module = self.build(recipe)

    @classmethod
    def prepare(cls, config: SpeechConfig) -> Self:
        """Synthesise the instructions, and make the module.

        Raises:
            UserError: no such environment or voice, no eSpeak NG, or numbers out of range.
        """
        check(config)
        recipe = {
            "words": instruction_words(config.env, **config.env_args),
            "length": config.length,
            "seconds": config.seconds,
            "mels": config.mels,
            "precision": config.precision,
            "encoder": {
                "width": config.width,
                "layers": config.encoder_layers,
                "heads": config.heads,
                "dropout": config.dropout,
            },
            "decoder": {
                "width": config.width,
                "layers": config.decoder_layers,
                "heads": config.heads,
                "dropout": config.dropout,
            },
        }
        seeds = training_seeds(config.utterances, config.seed)
        sentences = instructions(config.env, seeds, **config.env_args)
        speakers = _speakers(config, config.voices)
        return cls(config, recipe, synthesise(sentences, speakers, config.seed))

    @staticmethod
    def build(recipe: dict[str, Any]) -> Recogniser:
        """The recogniser of a recipe, with new weights.

        Raises:
            UserError: sizes that do not fit each other.
        """
        preprocessor = LogMel(recipe["seconds"], recipe["mels"])
        try:
            return Recogniser(
                preprocessor,
                SpeechTransformer(preprocessor.space.shape, **recipe["encoder"]),
                WordTokenizer(recipe["words"], recipe["length"]),
                precision=recipe["precision"],
                **recipe["decoder"],
            )
        except (AssertionError, ValueError) as error:
            raise UserError(f"sizes {recipe['encoder']} do not fit: {shortened(error)}") from error

    def batch(self, generator: np.random.Generator) -> Batch:
        """Augmented utterances, and their sentences."""
        rows = generator.integers(len(self.train), size=self.config.batch_size)
        utterances = [self.train[row] for row in rows]
        how = (self.config.pause, self.config.noise, self.config.clean)
        waveforms = [augment(one.sound, generator, *how) for one in utterances]
        features = np.stack([self.module.preprocessor.encode(one) for one in waveforms])
        ids = np.stack([self.module.tokenizer.encode(one.sentence) for one in utterances])
        return {"features": torch.from_numpy(features), "ids": torch.from_numpy(ids)}

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Cross-entropy of the words."""
        smoothing = self.config.label_smoothing
        loss = self.module.loss(batch["features"], batch["ids"], label_smoothing=smoothing)
        return {"loss": loss}

    def evaluate(self) -> Evaluation:
        """Word error rate and share of exact sentences, with known and unknown voices, without
        noise and with the loudest.
        """
        metrics, samples = {}, []
        for name, test in self.tests.items():
            true = [utterance.sentence for utterance in test]
            recognised = [one.sentence for one in transcribe(self.module, test)]
            pairs = list(zip(true, recognised, strict=True))
            metrics[f"{name}/word_error_rate"] = word_error_rate(true, recognised)
            metrics[f"{name}/exact"] = float(np.mean([one == other for one, other in pairs]))
            samples += [f"{name}: {one} → {other}" for one, other in pairs[:_SAMPLES]]
        return Evaluation(metrics, samples)

    @cached_property
    def tests(self) -> dict[str, list[Utterance]]:
        """The utterances of each test."""
        config = self.config
        sentences = instructions(
            config.env, held_out_seeds(config.test_sentences), **config.env_args
        )
        return {
            f"{whose}_{how}": synthesise(
                sentences, _speakers(config, voices, noise), EVAL_SEED_START
            )
            for whose, voices in {"known": config.voices, "unknown": config.unknown_voices}.items()
            for how, noise in {"clean": 0.0, "noisy": config.noise}.items()
            if voices
        }


def check(config: SpeechConfig) -> None:
    """Refuse numbers out of range.

    Raises:
        UserError: naming the first.
    """
    for name in (
        "utterances",
        "test_sentences",
        "width",
        "heads",
        "encoder_layers",
        "decoder_layers",
    ):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if config.noise < 0 or not 0 <= config.pause < config.seconds / 2:
        raise UserError(
            f"noise={config.noise}, pause={config.pause}: must be at least 0, and two pauses "
            f"shorter than seconds={config.seconds}"
        )
    if not 0 <= config.clean <= 1:
        raise UserError(f"clean={config.clean}: must be 0 to 1")
    if config.width % config.heads or config.width % 2:
        raise UserError(
            f"width={config.width}: must be even, and divisible by heads={config.heads}"
        )


def _speakers(config: SpeechConfig, voices: list[str], noise: float = 0.0) -> Speakers:
    """The speakers of the instructions, without pauses."""
    seconds = config.seconds - 2 * config.pause
    return Speakers(voices, config.words_per_minute, config.pitch, noise, seconds)

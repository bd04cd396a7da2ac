"""``mmrl fit painter``: words → images, by the codes of a fitted image tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data.captioned import Scenes, read_scenes
from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer, meanings_of
from mmrl.generative.image.painter import Painter, build_painter
from mmrl.generative.image.tokenizer import PatchTokenizer
from mmrl.language import LANGUAGE, NEUTRAL, language_path
from mmrl.preprocessing.text import split_words
from mmrl.training.load import load
from mmrl.training.task import Batch, Evaluation, FitConfig, Task
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

_TESTED: Final = 256
_SHOWN: Final = 8


@dataclass
class PainterConfig(FitConfig):
    """What a painter learns from, and what it is made of.

    Attributes:
        data: dataset that 'mmrl collect' made in an environment that describes what is seen, best
            with describe=all; or several, [one, another].
        tokenizer: run folder that 'mmrl fit tokenizer' made.
        held_out_pairs: leave out images whose description mentions a pair of words that the
            environment's language holds out.
        test_share: of the episodes, from which nothing is learnt.
        unasked: share of the examples without a sentence.
        places: share of the things that are asked for with their place, where the environment's
            language can ask for them without.
        length: the longest sentence, in words and marks.
        text: text encoder, as for 'mmrl train'.
        text_args: its arguments.
        named: words for colours; where the tokenizer keeps colours apart, what each means is found
            in the data, and things are painted in colours that they were never seen in.
        width: of the decoder.
        layers: of the decoder.
        heads: of its attention.
        dropout: of the decoder.
    """

    data: str | list[str] = ""
    tokenizer: str = ""
    held_out_pairs: bool = False
    test_share: float = 0.05
    unasked: float = 0.15
    places: float = 0.0
    length: int = 48
    text: str = "word_cnn"
    text_args: dict[str, Any] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0


class PainterTask(Task):
    """See :class:`PainterConfig`.

    Every example is an image with one to three constraints that it satisfies, drawn anew each
    time.

    Attributes:
        cases: what was let through to be learnt from, and what was turned away, counted.
        language: of the descriptions.
        learnt: descriptions of the images that are learnt from, each different image once.
    """

    name = "painter"
    summary = "a painter: sentences → images, for 'mmrl paint'"
    Config = PainterConfig
    module: Painter

    def __init__(self, config: PainterConfig, scenes: Scenes, tokenizer: PatchTokenizer) -> None:
        self.config = config
        self.language = scenes.language
        if config.held_out_pairs:
            check_held_out_pairs(self.language)
        self.cases = TrainingCases[str](
            lambda one: (one,), self.language if config.held_out_pairs else NEUTRAL
        )
        learnt, test = _split(scenes, config, self.cases)
        self._codes, self.learnt = _different(tokenizer, learnt)
        meanings = self._meanings(tokenizer)
        codes = np.unique(self._codes)
        if meanings and isinstance(tokenizer, ColorTokenizer):
            codes = tokenizer.in_every_color(torch.from_numpy(codes)).numpy()
        self._test_codes, self._test = _different(tokenizer, test)
        painted = np.isin(self._test_codes, codes).all(1)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(painted))[:_TESTED]
        self._test_codes, self._test = self._test_codes[rows], [self._test[k] for k in rows]
        if not self._test:
            raise UserError("no image of the test is made of what is learnt from: collect more")
        words = {
            word
            for one in self.language.possible_constraints(self.learnt, places=config.places > 0)
            for word in split_words(f"{one},")
        }
        if not words:
            raise UserError(
                f"data {config.data!r}: there is nothing to prompt for in descriptions such as "
                f"{self.learnt[0]!r}; another language in the environment's metadata can mend that"
            )
        self.recipe = {
            LANGUAGE: language_path(self.language),
            "tokenizer": tokenizer.recipe,
            "codes": codes.tolist(),
            "words": sorted(words),
            "meanings": meanings,
            "length": config.length,
            "text": config.text,
            "text_args": config.text_args,
            "precision": config.precision,
            "width": config.width,
            "layers": config.layers,
            "heads": config.heads,
            "dropout": config.dropout,
        }
        self.module = self.build(self.recipe)
        self.module.tokenizer.load_state_dict(tokenizer.state_dict())

    @classmethod
    def prepare(cls, config: PainterConfig) -> Self:
        """As :meth:`Task.prepare`."""
        _check(config)
        if not config.tokenizer:
            raise UserError("tokenizer is empty: name a run folder that 'mmrl fit tokenizer' made")
        tokenizer = cast("PatchTokenizer", load(config.tokenizer, "tokenizer", "cpu"))
        return cls(config, read_scenes(config.data), tokenizer)

    @staticmethod
    def build(recipe: dict[str, Any]) -> Painter:
        """As :meth:`Task.build`."""
        return build_painter(**{key: one for key, one in recipe.items() if key != LANGUAGE})

    def batch(self, generator: np.random.Generator) -> Batch:
        """Token ids of what is asked, int32 [B, L], and codes of the image, int64 [B, K]."""
        rows = generator.integers(len(self.learnt), size=self.config.batch_size)
        unasked = generator.random(len(rows)) < self.config.unasked
        asked = [
            "" if silent else self._prompt(self.learnt[row], generator)
            for row, silent in zip(rows.tolist(), unasked.tolist(), strict=True)
        ]
        chance = torch.Generator().manual_seed(int(generator.integers(2**63)))
        codes = torch.from_numpy(self._codes[rows]).to(self.module.device)
        sentences, codes = self.module.named(self.module.read(asked), codes, chance)
        return {"sentences": sentences, "codes": codes}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the codes."""
        return {"loss": self.module.loss(batch["sentences"], batch["codes"])}

    def evaluate(self) -> Evaluation:
        """How probable unseen images are, told what is asked and not told, in nats a patch; what
        the painter makes of some sentences.
        """
        generator = np.random.default_rng(0)
        asked = [self._prompt(one, generator) for one in self._test]
        metrics = {
            "nats": self._nats(asked),
            "nats_unasked": self._nats([""] * len(asked)),
            "learnt_from": float(len(self.learnt)),
        }
        if self.config.held_out_pairs:
            metrics["turned_away"] = float(self.cases.turned_away)
        some = [one for one in asked if one][:_SHOWN]
        images = self.module.paint(some)
        shown = [SheetImage(one, None, said) for one, said in zip(images, some, strict=True)]
        return Evaluation(metrics, images={"painted": contact_sheet("painted", shown)})

    def _prompt(self, description: str, generator: np.random.Generator) -> str:
        return self.language.prompt(description, generator, places=self.config.places)

    def _meanings(self, tokenizer: PatchTokenizer) -> dict[str, int]:
        """Which colour each of the named words is.

        Raises:
            UserError: the tokenizer keeps no colours apart, or a word goes with none.
        """
        if not self.config.named:
            return {}
        if not isinstance(tokenizer, ColorTokenizer):
            raise UserError(
                f"named={self.config.named}: this tokenizer does not keep colours apart; make one "
                "by 'mmrl fit tokenizer --colors_apart true'"
            )
        seen = tokenizer.shows(torch.from_numpy(self._codes)).numpy()
        return meanings_of(self.config.named, self.learnt, seen)

    def _nats(self, asked: list[str]) -> float:
        """The mean of -ln p of the test's patches."""
        codes = torch.from_numpy(self._test_codes).to(self.module.device)
        chance = torch.Generator().manual_seed(0)
        named = self.module.named(self.module.read(asked), codes, chance)
        return float(-self.module.log_prob(*named).mean() / codes.shape[1])


def _different(tokenizer: PatchTokenizer, scenes: Scenes) -> tuple[NDArray[np.int64], list[str]]:
    """Codes of different images, int64 [N, K], and their descriptions."""
    images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2)
    codes, first = np.unique(tokenizer.encode(images).numpy(), axis=0, return_index=True)
    return codes, [scenes.sentences[row] for row in first.tolist()]


def _split(
    scenes: Scenes, config: PainterConfig, cases: TrainingCases[str]
) -> tuple[Scenes, Scenes]:
    """What is learnt from, and what is tested; episodes are in one of the two.

    Raises:
        UserError: nothing is left for one of them.
    """
    episodes = np.random.default_rng(0).permutation(np.unique(scenes.episodes))
    is_test = np.isin(scenes.episodes, episodes[: max(1, round(len(episodes) * config.test_share))])
    learnt = ~is_test
    for row in np.flatnonzero(learnt).tolist():
        learnt[row] = cases.allows(scenes.sentences[row])
    if not learnt.any():
        raise UserError(f"{len(episodes)} episodes are too few to learn from some and test others")
    return scenes.where(learnt), scenes.where(is_test)


def _check(config: PainterConfig) -> None:
    for name in ("unasked", "places"):
        if not 0 <= getattr(config, name) <= 1:
            raise UserError(f"{name}={getattr(config, name)}: must be from 0 to 1")
    if not 0 < config.test_share < 1:
        raise UserError(f"test_share={config.test_share}: must be above 0 and below 1")
    for name in ("length", "width", "layers", "heads"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if config.width % config.heads:
        raise UserError(f"width={config.width}: must be divisible by heads={config.heads}")

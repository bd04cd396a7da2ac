"""``mmrl fit painter``: text → images, by the codes of a fitted image tokenizer."""

from __future__ import annotations

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
from mmrl.training import TASKS
from mmrl.training.load import load
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import PainterConfig
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

_TESTED: Final = 256
_SHOWN: Final = 8


class PainterTask(Task):
    """See :class:`PainterConfig`.

    An example is an image and a random prompt that its description satisfies. The vocabulary is
    that of all prompts that the training images' descriptions allow.

    Attributes:
        cases: counts the training images, and those that were held out.
        language: of the descriptions.
        descriptions: of the training images, each different image once.
    """

    name = "painter"
    summary = TASKS["painter"].summary
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
        train, test = _split(scenes, config, self.cases)
        self._codes, self.descriptions = _different(tokenizer, train)
        meanings = self._meanings(tokenizer)
        codes = np.unique(self._codes)
        if meanings and isinstance(tokenizer, ColorTokenizer):
            codes = tokenizer.in_every_color(torch.from_numpy(codes)).numpy()
        self._test_codes, self._test = _different(tokenizer, test)
        painted = np.isin(self._test_codes, codes).all(1)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(painted))[:_TESTED]
        self._test_codes, self._test = self._test_codes[rows], [self._test[k] for k in rows]
        if not self._test:
            raise UserError("every test image has patches that no training image has: collect more")
        words = {
            word
            for one in self.language.possible_constraints(
                self.descriptions, places=config.places > 0
            )
            for word in split_words(f"{one},")
        }
        if not words:
            raise UserError(
                f"data {config.data!r}: there is nothing to prompt for in descriptions such as "
                f"{self.descriptions[0]!r}: name a language in the environment's metadata whose "
                "prompts do"
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
        """Token ids of prompts, int32 [B, L], and codes of their images, int64 [B, K]."""
        rows = generator.integers(len(self.descriptions), size=self.config.batch_size)
        empty = generator.random(len(rows)) < self.config.unasked
        prompts = [
            "" if is_empty else self._prompt(self.descriptions[row], generator)
            for row, is_empty in zip(rows.tolist(), empty.tolist(), strict=True)
        ]
        names = torch.Generator().manual_seed(int(generator.integers(2**63)))
        codes = torch.from_numpy(self._codes[rows]).to(self.module.device)
        sentences, codes = self.module.named(self.module.read(prompts), codes, names)
        return {"sentences": sentences, "codes": codes}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the codes."""
        return {"loss": self.module.loss(batch["sentences"], batch["codes"])}

    def evaluate(self) -> Evaluation:
        """The cross-entropy of held-out images in nats per patch, with their prompt and with an
        empty one; and images of some prompts.
        """
        generator = np.random.default_rng(0)
        prompts = [self._prompt(one, generator) for one in self._test]
        metrics = {
            "nats": self._nats(prompts),
            "nats_unasked": self._nats([""] * len(prompts)),
            "learnt_from": float(len(self.descriptions)),
        }
        if self.config.held_out_pairs:
            metrics["turned_away"] = float(self.cases.turned_away)
        some = [one for one in prompts if one][:_SHOWN]
        images = self.module.paint(some)
        shown = [SheetImage(one, None, prompt) for one, prompt in zip(images, some, strict=True)]
        return Evaluation(metrics, images={"painted": contact_sheet("painted", shown)})

    def _prompt(self, description: str, generator: np.random.Generator) -> str:
        return self.language.prompt(description, generator, places=self.config.places)

    def _meanings(self, tokenizer: PatchTokenizer) -> dict[str, int]:
        """Which colour each of the named words is.

        Raises:
            UserError: the tokenizer does not keep colours apart, or a word correlates with none.
        """
        if not self.config.named:
            return {}
        if not isinstance(tokenizer, ColorTokenizer):
            raise UserError(
                f"named={self.config.named}: this tokenizer does not keep colours apart; make one "
                "by 'mmrl fit tokenizer --colors_apart true'"
            )
        shown = tokenizer.shows(torch.from_numpy(self._codes)).numpy()
        return meanings_of(self.config.named, self.descriptions, shown)

    def _nats(self, prompts: list[str]) -> float:
        """The mean of -ln p of the test images' patches."""
        codes = torch.from_numpy(self._test_codes).to(self.module.device)
        names = torch.Generator().manual_seed(0)
        named = self.module.named(self.module.read(prompts), codes, names)
        return float(-self.module.log_prob(*named).mean() / codes.shape[1])


def _different(tokenizer: PatchTokenizer, scenes: Scenes) -> tuple[NDArray[np.int64], list[str]]:
    """Codes of different images, int64 [N, K], and their descriptions."""
    images = torch.from_numpy(scenes.images)
    codes, first = np.unique(tokenizer.encode(images).numpy(), axis=0, return_index=True)
    return codes, [scenes.sentences[row] for row in first.tolist()]


def _split(
    scenes: Scenes, config: PainterConfig, cases: TrainingCases[str]
) -> tuple[Scenes, Scenes]:
    """Training and test images, of different episodes.

    Raises:
        UserError: one of the two would be empty.
    """
    episodes = np.random.default_rng(0).permutation(np.unique(scenes.episodes))
    is_test = np.isin(scenes.episodes, episodes[: max(1, round(len(episodes) * config.test_share))])
    is_train = ~is_test
    for row in np.flatnonzero(is_train).tolist():
        is_train[row] = cases.allows(scenes.sentences[row])
    if not is_train.any():
        raise UserError(f"{len(episodes)} episodes are too few for training and test")
    return scenes.where(is_train), scenes.where(is_test)


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

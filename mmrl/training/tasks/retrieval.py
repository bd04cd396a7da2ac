"""``mmrl fit retrieval``: a shared embedding of images and descriptions, for image search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.data.captioned import Scenes, read_scenes
from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError
from mmrl.language import NEUTRAL
from mmrl.models.build import build_model, build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.preprocessing.text import split_words
from mmrl.retrieval import SharedEmbedding
from mmrl.retrieval.metrics import ranking
from mmrl.retrieval.queries import Neighbours, Queries
from mmrl.training import TASKS
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import RetrievalConfig
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

_AT_ONCE: Final = 256
_SHOWN: Final = 8


class RetrievalTask(Task):
    """An embedding of images and descriptions by a contrastive loss.

    A batch has different descriptions, with an image of each. Some of the descriptions are reduced
    to some of their phrases; an image that another's query fits as well is no negative of it.

    Args:
        config: its configuration.
        scenes: for training and test.

    Attributes:
        cases: counts the training scenes, and those that were held out.
        train: the training scenes.
        tests: the test scenes, by the prefix of their metrics.
        shown: training examples drawn so far.
        held_out_shown: those of them that mention a held-out pair.

    Raises:
        UserError: too few images.
    """

    name = "retrieval"
    summary = TASKS["retrieval"].summary
    Config = RetrievalConfig

    def __init__(self, config: RetrievalConfig, scenes: Scenes) -> None:
        _check(config)
        self.config = config
        language = scenes.language
        if config.held_out_pairs:
            check_held_out_pairs(language)
        self.cases = TrainingCases[str](
            lambda one: (one,), language if config.held_out_pairs else NEUTRAL
        )
        self.train, self.tests = _split(scenes, config, self.cases)
        self._mentions = np.array([language.is_held_out(one) for one in self.train.sentences])
        self.shown = self.held_out_shown = 0
        self._groups = _grouped(self.train.sentences)
        if len(self._groups) < config.batch_size:
            raise UserError(
                f"batch_size={config.batch_size}: there are {len(self._groups)} different "
                "descriptions for training; collect more, or make smaller batches"
            )
        self._neighbours = Neighbours(list(self._groups), language)
        self._queries = Queries(self.train.sentences, language)
        model = ModelConfig(
            image=config.image,
            image_args=config.image_args,
            image_size=config.image_size,
            text=config.text,
            text_args=config.text_args,
            fusion="weighted_sum",  # not used
            features=8,
            instruction_length=config.instruction_length,
            precision=config.precision,
        )
        words = {word for one in set(self.train.sentences) for word in split_words(one)}
        self.recipe = {
            "model": asdict(model),
            "image_size": list(scenes.images.shape[1:3]),
            "words": sorted(words),
            "width": config.width,
            "hidden": config.hidden,
        }
        self.module: SharedEmbedding = self.build(self.recipe)

    @classmethod
    def prepare(cls, config: RetrievalConfig) -> Self:
        """See :meth:`Task.prepare`."""
        return cls(config, read_scenes(config.data))

    @staticmethod
    def build(recipe: dict[str, Any]) -> SharedEmbedding:
        """See :meth:`Task.build`."""
        config = ModelConfig(**recipe["model"])
        height, width = recipe["image_size"]
        tokenizer = build_tokenizer(config, recipe["words"])
        inputs = ModelInputs.standard((height, width), tokenizer.size)
        model = build_model(config, inputs, tokenizer=tokenizer)
        model.fusion.requires_grad_(False)
        return SharedEmbedding(model, recipe["width"], recipe["hidden"])

    def batch(self, generator: np.random.Generator) -> Batch:
        """See :meth:`Task.batch`."""
        chosen = self._neighbours.draw(self.config.batch_size, generator, self.config.near)
        places = generator.random(len(chosen))
        rows = np.array(
            [
                some[int(place * len(some))]
                for some, place in zip(map(self._groups.__getitem__, chosen), places, strict=True)
            ]
        )
        self.shown += len(rows)
        self.held_out_shown += int(self._mentions[rows].sum())
        queries, fits = self._queries.draw(rows, generator, self.config.partial)
        observation = self.module.model.observe(queries, None)
        return {
            IMAGE: torch.from_numpy(self.train.images[rows]),
            INSTRUCTION: observation[INSTRUCTION],
            "fits": torch.from_numpy(fits),
        }

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """See :meth:`Task.losses`."""
        embedded = self.module({IMAGE: batch[IMAGE], INSTRUCTION: batch[INSTRUCTION]})
        loss = self.module.loss(
            embedded[IMAGE],
            embedded[INSTRUCTION],
            label_smoothing=self.config.label_smoothing,
            neutral=batch["fits"],
        )
        return {"loss": loss, "temperature": (-self.module.log_scale).exp()}

    def evaluate(self) -> Evaluation:
        """See :meth:`Task.evaluate`."""
        evaluation = Evaluation({"learnt_from": float(len(self.train))})
        for prefix, scenes in self.tests.items():
            vectors = embed(self.module, scenes)
            evaluation.metrics |= {prefix + key: value for key, value in _metrics(*vectors).items()}
            if not evaluation.samples:
                evaluation.samples = _samples(scenes, *vectors)
                evaluation.images = {"search": self._sheet(scenes, vectors[0])}
        if self.config.held_out_pairs:
            evaluation.metrics |= {
                "turned_away": float(self.cases.turned_away),
                "shown": float(self.shown),
                "held_out_shown": float(self.held_out_shown),
            }
        return evaluation

    def _sheet(self, scenes: Scenes, images: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The images found for the first phrase of the first description."""
        first = scenes.sentences[0]
        query = scenes.language.query(first, scenes.language.phrases(first)[:1])
        cosines = images @ self.module.of_sentences([query])[0]
        best = np.argsort(-cosines)[:_SHOWN].tolist()
        shown = [
            SheetImage(scenes.images[row], float(cosines[row]), scenes.sentences[row])
            for row in best
        ]
        return contact_sheet(query, shown)


def embed(
    module: SharedEmbedding, scenes: Scenes
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The unit vectors of N images and of their descriptions, float32 [N, width] each."""
    starts = range(0, len(scenes), _AT_ONCE)
    images = [module.of_images(scenes.images[k : k + _AT_ONCE]) for k in starts]
    sentences = [module.of_sentences(scenes.sentences[k : k + _AT_ONCE]) for k in starts]
    return np.concatenate(images), np.concatenate(sentences)


def _metrics(images: NDArray[np.float32], sentences: NDArray[np.float32]) -> dict[str, float]:
    """Ranks of images by sentence, and of sentences by image."""
    one, other = torch.from_numpy(images), torch.from_numpy(sentences)
    both = {"find_image": ranking(other, one), "find_sentence": ranking(one, other)}
    found = {f"{way}_{key}": value for way, each in both.items() for key, value in each.items()}
    return {"scenes": float(len(images)), **found}


def _samples(
    scenes: Scenes, images: NDArray[np.float32], sentences: NDArray[np.float32]
) -> list[str]:
    """The description of the best image for each of some descriptions."""
    best = (sentences[:_SHOWN] @ images.T).argmax(1)
    return [
        f"{query} → {'it' if row == k else scenes.sentences[row]}"
        for k, (query, row) in enumerate(zip(scenes.sentences[:_SHOWN], best.tolist(), strict=True))
    ]


def _check(config: RetrievalConfig) -> None:
    for name in ("partial", "near"):
        if not 0 <= getattr(config, name) <= 1:
            raise UserError(f"{name}={getattr(config, name)}: must be 0 to 1")
    if not 0 < config.test_share < 1:
        raise UserError(f"test_share={config.test_share}: must be above 0 and below 1")
    for name in ("scenes", "width", "hidden", "instruction_length"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")


def _split(
    scenes: Scenes, config: RetrievalConfig, cases: TrainingCases[str]
) -> tuple[Scenes, dict[str, Scenes]]:
    """Training and test scenes, of different episodes.

    Raises:
        UserError: one of the two would be empty.
    """
    generator = np.random.default_rng(0)
    episodes = generator.permutation(np.unique(scenes.episodes))
    tested = episodes[: max(1, round(len(episodes) * config.test_share))]
    is_test = np.isin(scenes.episodes, tested)
    is_train = ~is_test
    for row in np.flatnonzero(is_train).tolist():
        is_train[row] = cases.allows(scenes.sentences[row])
    tests = {"": is_test}
    if config.held_out_pairs:
        mentions = np.array([scenes.language.is_held_out(one) for one in scenes.sentences])
        tests = {"": is_test & ~mentions, "held_out_pairs_": is_test & mentions}
    chosen = {
        name: scenes.where(mask).unique(config.scenes, generator)
        for name, mask in tests.items()
        if mask.any()
    }
    if "" not in chosen or not is_train.any():
        raise UserError(f"{len(episodes)} episodes are too few for training and test")
    return scenes.where(is_train), chosen


def _grouped(sentences: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each different sentence."""
    groups: dict[str, list[int]] = {}
    for row, sentence in enumerate(sentences):
        groups.setdefault(sentence, []).append(row)
    return groups

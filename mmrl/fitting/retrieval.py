"""``mmrl fit retrieval``: pictures and descriptions into one space, so that one finds the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.building import ModelConfig, build_model, build_tokenizer
from mmrl.errors import UserError
from mmrl.fitting.task import Batch, Evaluation, FitConfig, Task
from mmrl.observation import IMAGE, INSTRUCTION
from mmrl.preprocessing.text import split_words
from mmrl.retrieval import SharedEmbedding
from mmrl.retrieval.queries import Queries, phrases_of
from mmrl.retrieval.ranking import ranking
from mmrl.retrieval.sheet import Shown, contact_sheet

_AT_ONCE: Final = 256
_SHOWN: Final = 8


@dataclass
class RetrievalConfig(FitConfig):
    """What is embedded, and by what.

    Attributes:
        data: dataset that ``mmrl collect`` made, with descriptions.
        held_out: leave out whatever mentions a held-out pair of colour and thing; how well those
            are found is measured apart.
        test_share: of the episodes, from which nothing is learnt.
        scenes: how many of their pictures, each described differently, are told apart in a test.
        partial: share of the queries that are some phrases of a description.
        width: of the embeddings.
        hidden: width of the layers that make them of tokens.
        image: image encoder, as for 'mmrl train'.
        image_args: its arguments.
        image_size: height and width that pictures are resized to; as they are, if empty.
        text: text encoder, as for 'mmrl train'.
        text_args: its arguments.
        instruction_length: the longest query, in tokens.
    """

    data: str = ""
    held_out: bool = False
    test_share: float = 0.1
    scenes: int = 1_000
    partial: float = 0.5
    width: int = 256
    hidden: int = 256
    image: str = "small_resnet"
    image_args: dict[str, Any] = field(default_factory=lambda: {"width": 64})
    image_size: tuple[int, int] | None = None
    text: str = "small_bert"
    text_args: dict[str, Any] = field(default_factory=lambda: {"width": 128})
    instruction_length: int = 64


@dataclass(frozen=True)
class Scenes:
    """Pictures that have been described.

    Attributes:
        pictures: uint8 [N, H, W, 3].
        sentences: N descriptions.
        episodes: which episode each is of, int64 [N].
    """

    pictures: NDArray[np.uint8]
    sentences: Sequence[str]
    episodes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sentences)

    def where(self, keep: NDArray[np.bool_]) -> Scenes:
        """Those of a mask, bool [N]."""
        rows = np.flatnonzero(keep)
        return Scenes(
            self.pictures[rows], [self.sentences[row] for row in rows], self.episodes[rows]
        )

    def unique(self, count: int, generator: np.random.Generator) -> Scenes:
        """Up to ``count`` that are drawn, no two with the same description."""
        first = {self.sentences[row]: row for row in generator.permutation(len(self))}
        keep = np.zeros(len(self), np.bool_)
        keep[list(first.values())[:count]] = True
        return self.where(keep)


class RetrievalTask(Task):
    """An embedding of pictures and descriptions by a contrastive loss.

    Each batch has as many descriptions, no two the same, with a picture of each. Some of the
    descriptions are cut down to some of their phrases; a picture that fits another's query as well
    is not held against it.

    Args:
        config: its configuration.
        scenes: what is learnt from, and tested with.

    Raises:
        UserError: too few pictures.
    """

    name = "retrieval"
    summary = "pictures and sentences into one space, for 'mmrl index' and 'mmrl search'"
    Config = RetrievalConfig

    def __init__(self, config: RetrievalConfig, scenes: Scenes) -> None:
        self.config = config
        self.learnt, self.tests = _split(scenes, config)
        self._groups = _grouped(self.learnt.sentences)
        if len(self._groups) < config.batch_size:
            raise UserError(
                f"batch_size={config.batch_size}: there are {len(self._groups)} different "
                "descriptions to learn from; collect more, or make smaller batches"
            )
        self._queries = Queries(self.learnt.sentences)
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
        words = {word for sentence in set(scenes.sentences) for word in split_words(sentence)}
        self.recipe = {
            "model": asdict(model),
            "image_size": list(scenes.pictures.shape[1:3]),
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
        model = build_model(config, (height, width), tokenizer.size)
        model.tokenizer = tokenizer
        model.fusion.requires_grad_(False)
        return SharedEmbedding(model, recipe["width"], recipe["hidden"])

    def batch(self, generator: np.random.Generator) -> Batch:
        """See :meth:`Task.batch`."""
        chosen = generator.choice(len(self._groups), self.config.batch_size, replace=False)
        places = generator.random(len(chosen))
        rows = np.array(
            [
                self._groups[group][int(place * len(self._groups[group]))]
                for group, place in zip(chosen.tolist(), places.tolist(), strict=True)
            ]
        )
        queries, fits = self._queries.draw(rows, generator, self.config.partial)
        observation = self.module.model.observe(queries, None)
        return {
            IMAGE: torch.from_numpy(self.learnt.pictures[rows]).permute(0, 3, 1, 2),
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
        metrics: dict[str, float] = {"learnt_from": float(len(self.learnt))}
        for prefix, scenes in self.tests.items():
            pictures, sentences = embed(self.module, scenes)
            metrics[f"{prefix}scenes"] = float(len(scenes))
            for name, queries, candidates in (
                ("find_picture", sentences, pictures),
                ("find_sentence", pictures, sentences),
            ):
                found = ranking(torch.from_numpy(queries), torch.from_numpy(candidates))
                metrics |= {f"{prefix}{name}_{key}": value for key, value in found.items()}
        return Evaluation(metrics)


def embed(
    module: SharedEmbedding, scenes: Scenes
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The unit vectors of N pictures and of their descriptions, float32 [N, width] each."""
    starts = range(0, len(scenes), _AT_ONCE)
    pictures = [module.of_pictures(scenes.pictures[k : k + _AT_ONCE]) for k in starts]
    sentences = [module.of_sentences(scenes.sentences[k : k + _AT_ONCE]) for k in starts]
    return np.concatenate(pictures), np.concatenate(sentences)


def _grouped(sentences: Sequence[str]) -> list[list[int]]:
    """The rows of each different sentence."""
    groups: dict[str, list[int]] = {}
    for row, sentence in enumerate(sentences):
        groups.setdefault(sentence, []).append(row)
    return list(groups.values())


def _split(scenes: Scenes, config: RetrievalConfig) -> tuple[Scenes, dict[str, Scenes]]:
    episodes = np.random.default_rng(0).permutation(np.unique(scenes.episodes))
    kept = episodes[: max(1, round(len(episodes) * config.test_share))]
    is_test = np.isin(scenes.episodes, kept)
    return scenes.where(~is_test), {
        "": scenes.where(is_test).unique(config.scenes, np.random.default_rng(0))
    }
def read_scenes(name): raise NotImplementedError

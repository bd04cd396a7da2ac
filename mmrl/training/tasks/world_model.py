"""``mmrl fit world-model``: what comes next, learnt from collected episodes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar, Final, Self, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Rollout, open_rollouts
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.generative.world_model.dataset import (
    TokenEpisodes,
    motions_of,
    pieces,
    read_tokens,
    recall,
    split,
)
from mmrl.generative.world_model.metrics import Foresight, foresee, outcomes
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.simulator import KnownTokens, WorldSimulator
from mmrl.generative.world_model.spatial_memory import STILL, Motion
from mmrl.generative.world_model.state import Batch as Pieces
from mmrl.generative.world_model.state import RelabelledSteps
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.text import build_text_encoder
from mmrl.preprocessing.text import split_words
from mmrl.training import find_task
from mmrl.training.relabelling import Relabelling
from mmrl.training.task import Batch, Evaluation, FitConfig, Task
from mmrl.training.trainer import load
from mmrl.trust import is_trusted
from mmrl.viz.contact_sheet import imagination_strip

HORIZONS: Final = (1, 5, 15)
_SHOWN: Final = 256  # held-out episodes that an evaluation looks at
_JUDGED: Final = "judged_"  # before the names of what is in a batch
_STREAM: Final = 0x3D  # keeps the generator of evaluations apart from others


@dataclass
class WorldModelConfig(FitConfig):
    """What a world model learns from, and its size.

    Attributes:
        data: dataset that 'mmrl collect' made, or several, [one, another].
        tokenizer: run folder of 'mmrl fit tokenizer'.
        test_share: of each dataset's episodes, the last ones, that are not learnt from.
        relabelled: pairs of a step and another instruction in a gradient step, where the
            environment's verifier has said what was carried out; 0 for none.
        window: steps of a piece of an episode that is learnt from at a time.
        frames: images that the transformer looks back at.
        remember: look for motions of the view, and know what was last seen of each place; if
            False, of the last image alone.
        margin: places around the view that are remembered, in tokens.
        text: text encoder, as for 'mmrl train'; if empty, the instruction is not told.
        text_args: its arguments.
        instruction_length: the longest instruction, in tokens.
        width, heads: of the transformers.
        layers: of the one that tells images.
        outcome_layers: of the one that tells reward and end.
    """

    data: str | list[str] = ""
    tokenizer: str = ""
    test_share: float = 0.05
    relabelled: int = 64
    window: int = 8
    frames: int = 8
    remember: bool = True
    margin: int = 7
    text: str = "word_gru"
    text_args: dict[str, Any] = field(default_factory=dict)
    instruction_length: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    outcome_layers: int = 2
    batch_size: int = 16
    steps: int = 1_000
    learning_rate: float = 2e-3


class WorldModelTask(Task):
    """Images, an instruction and an action → the next image, reward and end.

    Args:
        config: its configuration.
        recipe: of the module.
        module: whose image tokenizer has encoded the episodes.
        learnt: episodes that are learnt from.
        relabelling: what else they might have been asked; None if nothing is known of it.
        test: those that are not.
    """

    name: ClassVar[str] = "world-model"
    summary: ClassVar[str] = "dreams on: images, an instruction, an action → what comes next"
    Config: ClassVar[type[FitConfig]] = WorldModelConfig
    module: WorldSimulator

    def __init__(
        self,
        config: WorldModelConfig,
        recipe: dict[str, Any],
        module: WorldSimulator,
        learnt: TokenEpisodes,
        relabelling: Relabelling | None,
        test: TokenEpisodes,
    ) -> None:
        self.config, self.recipe, self.module = config, recipe, module
        self._learnt, self._relabelling, self._test = learnt, relabelling, test
        module.model.odometry.fit(*learnt.around(), learnt.actions)
        self._recalled = recall(learnt, module.model)
        self._test_pieces = split(test, recall(test, module.model), config.window)

    @classmethod
    def prepare(cls, config: WorldModelConfig) -> Self:
        """Read the episodes, find the motions of the view, make the module.

        Raises:
            UserError: no data, no image tokenizer, or one for other images; numbers that cannot
                be.
        """
        check(config)
        rollouts, test, about = read_rollouts(config)
        images, images_recipe = load_tokenizer(config.tokenizer)
        words = {word for one in (*rollouts, *test) for word in split_words(one.instruction)}
        recipe: dict[str, Any] = {
            "images": images_recipe,
            **about,
            "words": sorted(words),
            "text": config.text,
            "text_args": config.text_args,
            "instruction_length": config.instruction_length,
            "model": {
                "width": config.width,
                "heads": config.heads,
                "layers": config.layers,
                "outcome_layers": config.outcome_layers,
                "frames": config.frames,
                "margin": config.margin if config.remember else 0,
                "precision": config.precision,
            },
        }
        tokenizer = build_tokenizer(_reads(recipe), recipe["words"])
        read = [read_tokens(some, images, tokenizer) for some in (rollouts, test)]
        recipe["codes"] = read[0].ids.unique().tolist()
        known = KnownTokens(images, recipe["codes"])
        learnt, tests = (replace(one, ids=known.renumber(one.ids)) for one in read)
        found = motions_of(learnt, known, config.seed) if config.remember else [STILL]
        recipe["motions"] = [list(one) for one in found]
        relabelling = (
            Relabelling(rollouts, tokenizer) if config.text and config.relabelled else None
        )
        return cls(config, recipe, build(recipe, images), learnt, relabelling or None, tests)

    @staticmethod
    def build(recipe: dict[str, Any]) -> WorldSimulator:
        """The module of a recipe, with new weights."""
        return build(recipe, find_task("tokenizer").build(recipe["images"]))

    def batch(self, generator: np.random.Generator) -> Batch:
        """Pieces of episodes, see :class:`mmrl.generative.world_model.state.Batch`, and pairs of
        steps and instructions, see :class:`mmrl.generative.world_model.state.RelabelledSteps`.
        """
        rows = generator.integers(len(self._learnt), size=self.config.batch_size)
        window = self.config.window
        first = generator.integers(np.maximum(self._learnt.lengths[rows] - window, 0) + 1)
        batch = pieces(self._learnt, self._recalled, rows, first, window)._asdict()
        if self._relabelling is None:
            return batch
        judged = self._relabelling.judged(
            self._learnt, self._recalled, self.config.relabelled, generator
        )
        return {**batch, **{_JUDGED + name: one for name, one in judged._asdict().items()}}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """See :meth:`WorldModel.loss` and :meth:`WorldModel.judgement_loss`."""
        model = self.module.model
        losses = model.loss(Pieces(**{name: batch[name] for name in Pieces._fields}))
        if self._relabelling is None:
            return losses
        judged = RelabelledSteps(
            **{name: batch[_JUDGED + name] for name in RelabelledSteps._fields}
        )
        judgement = model.judgement_loss(judged)
        return {**losses, "loss": losses["loss"] + judgement, "judgement": judgement}

    def evaluate(self) -> Evaluation:
        """How well episodes are foretold that were not learnt from, see
        :class:`~mmrl.generative.world_model.metrics.Foresight`.
        """
        model = self.module.model
        generator = np.random.default_rng([_STREAM, self.config.seed])
        seen = foresee(model, self._test, HORIZONS[-1], generator)
        metrics = outcomes(model, self._test_pieces)
        for step in HORIZONS:
            for name, value in seen.accuracy(step).items():
                metrics[f"{name}_{step}"] = value
        return Evaluation(metrics, [], self._images(seen))

    def _images(self, seen: Foresight) -> dict[str, NDArray[np.uint8]]:
        """The dream that goes on for longest, beside what was to come."""
        row = int(seen.there.sum(1).argmax())
        steps = int(seen.there[row].sum())
        true, dreamt = (self.module.decode(ids[row, :steps]) for ids in (seen.true, seen.ids))
        return {"dream": imagination_strip(true, dreamt)}


def build(recipe: dict[str, Any], images: ImageTokenizer) -> WorldSimulator:
    """The module of a recipe, with new weights, around an image tokenizer."""
    config = _reads(recipe)
    tokenizer = build_tokenizer(config, recipe["words"])
    text = None
    if recipe["text"]:
        text = build_text_encoder(
            config.text, tokenizer.size, config.instruction_length, **config.text_args
        )
    known = KnownTokens(images, recipe["codes"])
    motions = [Motion(*one) for one in recipe["motions"]]
    model = WorldModel(known.codes, known.grid, recipe["actions"], motions, text, **recipe["model"])
    return WorldSimulator(model, known, tokenizer)


def load_tokenizer(path: str) -> tuple[ImageTokenizer, dict[str, Any]]:
    """The image tokenizer of a run folder, and its recipe.

    Raises:
        UserError: none is named, or the run is no such.
    """
    if not path:
        raise UserError(
            "tokenizer is empty: name a run folder that 'mmrl fit tokenizer' made of the same data"
        )
    images = cast("ImageTokenizer", load(path, "tokenizer", "cpu"))
    return images, Run.open(path).read_checkpoint().state["recipe"]


def read_rollouts(
    config: WorldModelConfig,
) -> tuple[list[Rollout], list[Rollout], dict[str, Any]]:
    """Episodes to learn from, episodes to test with, and what the recipe says of them: how many
    actions there are, and the environment of the first ones.

    Raises:
        UserError: no such data, or datasets that do not go together.
    """
    names = [config.data] if isinstance(config.data, str) else config.data
    if not any(names):
        raise UserError("data is empty: name a dataset that 'mmrl collect' made")
    learnt, test = [], []
    read = [open_rollouts(name) for name in names]
    for one in read:
        first = max(round(len(one) * (1 - config.test_share)), 1)
        learnt += one[:first]
        test += one[first : first + _SHOWN // len(names)]
    if not test:
        raise UserError(
            f"test_share={config.test_share}: no episode is left to test with; collect more"
        )
    about = [(one.spaces.action, one.spaces.observation["image"]) for one in read]
    if any(one != other for one, other in pairwise(about)):
        raise UserError(f"data {names}: actions or images of several kinds: {about}")
    space = about[0][0]
    if not isinstance(space, spaces.Discrete) or space.start:
        raise UserError(f"data {names}: its actions are {space}; a world model takes Discrete ones")
    env = {"env": read[0].env_id, "env_args": read[0].env_args}
    if not is_trusted(env, read[0].place.metadata):
        env = {"env": "", "env_args": {}}
    return learnt, test, {"actions": int(space.n), **env}


def check(config: WorldModelConfig) -> None:
    """Refuse numbers that cannot be.

    Raises:
        UserError: they are named.
    """
    for name in ("window", "frames", "width", "heads", "layers", "outcome_layers"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    for name in ("margin", "relabelled"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 0")
    if not 0 < config.test_share < 1:
        raise UserError(f"test_share={config.test_share}: must be above 0 and below 1")
    if config.width % config.heads:
        raise UserError(f"width={config.width}: must be divisible by heads={config.heads}")


def _reads(recipe: dict[str, Any]) -> ModelConfig:
    """What is read, and by what; words where nothing is."""
    return ModelConfig(
        text=recipe["text"] or "bag_of_words",
        text_args=recipe["text_args"],
        instruction_length=recipe["instruction_length"],
    )

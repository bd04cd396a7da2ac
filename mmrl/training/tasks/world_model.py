"""``mmrl fit world-model``: a world model of collected episodes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Final, Self, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.contract import INSTRUCTION
from mmrl.data import Episode, open_dataset
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.generative.world_model.dataset import (
    TokenEpisodes,
    make_batch,
    motions_of,
    read_memory,
    read_tokens,
    split,
)
from mmrl.generative.world_model.metrics import Predictions, outcome_f1, predict_episodes
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.simulator import KnownTokens, WorldSimulator
from mmrl.generative.world_model.spatial_memory import STILL, Motion
from mmrl.generative.world_model.state import Batch as Segments
from mmrl.generative.world_model.state import RelabelledSteps
from mmrl.language import InstructionLanguage, shared_language
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.saved_encoders import resolve_name
from mmrl.preprocessing.text import split_words
from mmrl.training import TASKS, find_task
from mmrl.training.config import FitConfig
from mmrl.training.load import load
from mmrl.training.relabelling import Relabelling
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import WorldModelConfig
from mmrl.trust import is_trusted
from mmrl.viz.contact_sheet import imagination_strip

HORIZONS: Final = (1, 5, 15)
_TESTED: Final = 256  # held-out episodes of an evaluation
_RELABELLED: Final = "relabelled_"  # prefix of the relabelled steps in a batch
_STREAM: Final = 0x3D  # keeps the generator of evaluations apart from others


class WorldModelTask(Task):
    """Images, an instruction and an action → the next image, reward and end.

    Args:
        config: its configuration.
        recipe: of the module.
        module: whose image tokenizer has encoded the episodes.
        train: episodes to train on.
        relabelling: draws steps of these with other instructions; None if it is not known what
            they achieved.
        test: held-out episodes.
    """

    name: ClassVar[str] = "world-model"
    summary: ClassVar[str] = TASKS["world-model"].summary
    Config: ClassVar[type[FitConfig]] = WorldModelConfig
    module: WorldSimulator

    def __init__(
        self,
        config: WorldModelConfig,
        recipe: dict[str, Any],
        module: WorldSimulator,
        train: TokenEpisodes,
        relabelling: Relabelling | None,
        test: TokenEpisodes,
    ) -> None:
        self.config, self.recipe, self.module = config, recipe, module
        self._train, self._relabelling, self._test = train, relabelling, test
        module.model.ego_motion.fit(*train.transitions(), train.actions)
        self._memory = read_memory(train, module.model)
        self._test_batches = split(test, read_memory(test, module.model), config.window)

    @classmethod
    def prepare(cls, config: WorldModelConfig) -> Self:
        """Read the episodes, find the motions of the view, make the module.

        Raises:
            UserError: no data, no image tokenizer, or one for other images; numbers out of range.
        """
        check(config)
        rollouts, test, about, language = read_rollouts(config)
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
        train, tests = (replace(one, ids=known.renumber(one.ids)) for one in read)
        found = motions_of(train, known, config.seed) if config.remember else [STILL]
        recipe["motions"] = [list(one) for one in found]
        relabelling = (
            Relabelling(rollouts, tokenizer, language)
            if config.text and config.relabelled
            else None
        )
        return cls(config, recipe, build(recipe, images), train, relabelling or None, tests)

    @staticmethod
    def build(recipe: dict[str, Any]) -> WorldSimulator:
        """The module of a recipe, with new weights."""
        return build(recipe, find_task("tokenizer").build(recipe["images"]))

    def batch(self, generator: np.random.Generator) -> Batch:
        """Segments of episodes, see :class:`mmrl.generative.world_model.state.Batch`, and
        relabelled steps, see :class:`mmrl.generative.world_model.state.RelabelledSteps`.
        """
        rows = generator.integers(len(self._train), size=self.config.batch_size)
        window = self.config.window
        first = generator.integers(np.maximum(self._train.lengths[rows] - window, 0) + 1)
        batch = make_batch(self._train, self._memory, rows, first, window)._asdict()
        if self._relabelling is None:
            return batch
        steps = self._relabelling.relabelled_steps(
            self._train, self._memory, self.config.relabelled, generator
        )
        return {**batch, **{_RELABELLED + name: one for name, one in steps._asdict().items()}}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """See :meth:`WorldModel.loss` and :meth:`WorldModel.outcome_loss`."""
        model = self.module.model
        losses = model.loss(Segments(**{name: batch[name] for name in Segments._fields}))
        if self._relabelling is None:
            return losses
        steps = RelabelledSteps(
            **{name: batch[_RELABELLED + name] for name in RelabelledSteps._fields}
        )
        relabelled = model.outcome_loss(steps)
        return {**losses, "loss": losses["loss"] + relabelled, "relabelled": relabelled}

    def evaluate(self) -> Evaluation:
        """k-step accuracy and outcome F1 on held-out episodes, see
        :mod:`mmrl.generative.world_model.metrics`.
        """
        model = self.module.model
        generator = np.random.default_rng([_STREAM, self.config.seed])
        predictions = predict_episodes(model, self._test, HORIZONS[-1], generator)
        metrics = outcome_f1(model, self._test_batches)
        for k in HORIZONS:
            for name, value in predictions.k_step_accuracy(k).items():
                metrics[f"{name}_{k}"] = value
        return Evaluation(metrics, [], self._images(predictions))

    def _images(self, predictions: Predictions) -> dict[str, NDArray[np.uint8]]:
        """The longest imagined episode, beside the real one."""
        row = int(predictions.mask.sum(1).argmax())
        steps = int(predictions.mask[row].sum())
        both = (predictions.true, predictions.ids)
        true, imagined = (self.module.decode(ids[row, :steps]) for ids in both)
        return {"imagined": imagination_strip(true, imagined)}


def build(recipe: dict[str, Any], images: ImageTokenizer) -> WorldSimulator:
    """The module of a recipe, with new weights, around an image tokenizer."""
    config = _reads(recipe)
    tokenizer = build_tokenizer(config, recipe["words"])
    text = None
    if recipe["text"]:
        name, pretrained = resolve_name(INSTRUCTION, config.text)
        text = build_text_encoder(
            name,
            tokenizer.size,
            config.instruction_length,
            pretrained=pretrained,
            **config.text_args,
        )
    known = KnownTokens(images, recipe["codes"])
    motions = [Motion(*one) for one in recipe["motions"]]
    model = WorldModel(known.codes, known.grid, recipe["actions"], motions, text, **recipe["model"])
    return WorldSimulator(model, known, tokenizer)


def load_tokenizer(path: str) -> tuple[ImageTokenizer, dict[str, Any]]:
    """The image tokenizer of a run folder, and its recipe.

    Raises:
        UserError: none is named, or the run holds none.
    """
    if not path:
        raise UserError(
            "tokenizer is empty: name a run folder that 'mmrl fit tokenizer' made of the same data"
        )
    images = cast("ImageTokenizer", load(path, "tokenizer", "cpu"))
    return images, Run.open(path).read_checkpoint().state["recipe"]


def read_rollouts(
    config: WorldModelConfig,
) -> tuple[list[Episode], list[Episode], dict[str, Any], InstructionLanguage]:
    """Training episodes, test episodes, their entries in the recipe (the number of actions and the
    first dataset's environment), and their language.

    Raises:
        UserError: no such data, or datasets with different observations or actions.
    """
    names = [config.data] if isinstance(config.data, str) else config.data
    if not any(names):
        raise UserError("data is empty: name a dataset that 'mmrl collect' made")
    train, test = [], []
    read = [open_dataset(name) for name in names]
    for one in read:
        first = max(round(len(one) * (1 - config.test_share)), 1)
        train += one[:first]
        test += one[first : first + _TESTED // len(names)]
    if not test:
        raise UserError(
            f"test_share={config.test_share}: no episode is left to test with: collect more"
        )
    about = [(one.spaces.action, one.image_space) for one in read]
    if any(one != other for one, other in pairwise(about)):
        raise UserError(f"data {names}: actions or images of several kinds: {about}")
    space = about[0][0]
    if not isinstance(space, spaces.Discrete) or space.start:
        raise UserError(f"data {names}: its actions are {space}; a world model takes Discrete ones")
    env = {"env": read[0].env_id, "env_args": read[0].env_args}
    if not is_trusted(env, read[0].place.metadata):
        env = {"env": "", "env_args": {}}
    language = shared_language(one.language for one in read)
    return train, test, {"actions": int(space.n), **env}, language


def check(config: WorldModelConfig) -> None:
    """Refuse numbers out of range.

    Raises:
        UserError: naming the first.
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
    """The model configuration of a recipe's text encoder; bag of words where there is none."""
    return ModelConfig(
        text=recipe["text"] or "bag_of_words",
        text_args=recipe["text_args"],
        instruction_length=recipe["instruction_length"],
    )

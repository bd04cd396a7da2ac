"""Hindsight relabelling as a part of an off-policy agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from stable_baselines3.common.utils import get_device

from mmrl.contract import ACHIEVED, IMAGE
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.files import is_folder
from mmrl.generative.text.models import TextGenerator, build_captioner
from mmrl.language import find_language
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.preprocessing.text import Tokenizer
from mmrl.seeding import forked_rng
from mmrl.training.load import load
from mmrl.wrappers.adapters import instruction_words, understands
from mmrl_agents.hindsight.captioner import LearnedCaptioner
from mmrl_agents.hindsight.relabelling import Captioner, Oracle, Relabeller
from mmrl_agents.hindsight.replay import HindsightReplay
from mmrl_agents.parts import Part
from mmrl_agents.vec_env import MultimodalVecEnv

ORACLE: Final = "oracle"
LEARNED: Final = "learned"
_FRAMES: Final = 2
_PATCHES: Final = {"blocks": 0}  # tokens of a patch alone: a third of the examples suffices


@dataclass(frozen=True)
class HindsightConfig:
    """Configuration of hindsight relabelling.

    Attributes:
        kind: oracle, the environment's verifier; learned, a captioner that is trained on the
            agent's own successes; or a run folder of 'mmrl fit captioner'.
    """

    kind: str


class HindsightPart(Part):
    """Relabels failed episodes in the replay buffer of an off-policy agent."""

    Config = HindsightConfig
    kinds = (ORACLE, LEARNED, "a run folder of 'mmrl fit captioner'")

    def env_args(self, config: TrainConfig) -> dict[str, Any]:
        """The environment reports what was achieved, if it can.

        Raises:
            UserError: the oracle is wanted, and the environment has none.
        """
        if understands(config.env, config.env_args, **{ACHIEVED: True}):
            return {ACHIEVED: True}
        if self.config.kind == ORACLE:
            raise UserError(
                f"{self.key}=oracle: {short_name(config.env)} does not report what was achieved "
                f"(infos['{ACHIEVED}']); 'learned' needs no verifier"
            )
        return {}

    def data_kwargs(self, config: TrainConfig, env: MultimodalVecEnv) -> dict[str, Any]:
        """As :meth:`Part.data_kwargs`.

        Raises:
            UserError: hindsight for an agent that hears its instructions, or no such captioner.
        """
        tokenizer = env.preprocessing.tokenizer
        if tokenizer is None or config.instruction != "text":
            raise UserError(
                f"{self.key}={self.config.kind}: replaces instructions, which the agent "
                f"has to read: it needs instruction: text, not {config.instruction}"
            )
        relabeller = build_relabeller(config, self.config.kind, tokenizer, env, self.info)
        return {
            "replay_buffer_class": HindsightReplay,
            "replay_buffer_kwargs": {
                "relabeller": relabeller,
                "tokenizer": tokenizer,
                "goals": env.preprocessing.goals,
                "language": find_language(env.env),
            },
        }


def build_relabeller(
    config: TrainConfig,
    kind: str,
    tokenizer: Tokenizer,
    env: MultimodalVecEnv,
    info: EnvInfo | None = None,
) -> Relabeller:
    """The relabeller that a configuration chooses.

    Args:
        config: of the training.
        kind: oracle, learned, or a run folder of 'mmrl fit captioner'.
        tokenizer: of the agent.
        env: that it learns from.
        info: what is known of the environment; None where it is to be asked.

    Raises:
        UserError: there is no such captioner, or one for other images.
    """
    if kind == ORACLE:
        return Oracle(tokenizer, config.seed)
    size = cast("Any", env.observation_space)[IMAGE].shape[:2]
    if kind == LEARNED:
        with forked_rng(config.seed):
            known = None if info is None else info.instruction_words
            words = known or instruction_words(config.env, **config.env_args)
            length = min(ModelConfig().instruction_length, tokenizer.length)
            generator = build_captioner(
                size, words, frames=_FRAMES, length=length, image_args=_PATCHES, width=64, layers=1
            )
        return LearnedCaptioner(generator.to(get_device(config.device)), tokenizer, config.seed)
    if not is_folder(kind):
        raise UserError(
            f"hindsight={kind!r}: is not none, oracle or learned, nor a run folder of "
            "'mmrl fit captioner'"
        )
    captioner = cast("TextGenerator", load(kind, "captioner", config.device))
    seen = cast("FramesEncoder", captioner.encoder)
    if seen.frames != _FRAMES or seen.encoder.image_size != size:
        raise UserError(
            f"hindsight={kind!r}: that captioner takes {seen.frames} images of "
            f"{list(seen.encoder.image_size)} pixels, here there are {_FRAMES} of {list(size)}"
        )
    return Captioner(captioner, tokenizer)

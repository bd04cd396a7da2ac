"""Hindsight for the command line: one switch of DQN and its like."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final, cast

import torch
from stable_baselines3.common.utils import get_device

from mmrl.contract import ACHIEVED, IMAGE
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.generative.text.models import TextGenerator, build_captioner
from mmrl.language import find_language
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image import FramesEncoder
from mmrl.preprocessing.text import Tokenizer
from mmrl.training.load import load
from mmrl.wrappers.adapters import instruction_words, understands
from mmrl_agents.algorithms.off_policy import OffPolicyAgent
from mmrl_agents.hindsight.captioner import LearnedCaptioner
from mmrl_agents.hindsight.relabelling import Captioner, Oracle, Relabeller
from mmrl_agents.hindsight.replay import HindsightReplay
from mmrl_agents.vec_env import MultimodalVecEnv

NOBODY: Final = "none"
ORACLE: Final = "oracle"
LEARNED: Final = "learned"
_FRAMES: Final = 2
_PATCHES: Final = {"blocks": 0}  # tokens of a patch alone: learnt from a third of the examples


class HindsightAgent(OffPolicyAgent):
    """An algorithm whose hyperparameter ``hindsight`` names who relabels failed episodes."""

    elsewhere: ClassVar[tuple[str, ...]] = ("num_envs", "hindsight")

    @classmethod
    def env_args(cls, config: TrainConfig, hyper: Any) -> dict[str, Any]:
        """With hindsight, the environment is asked to say what was achieved, if it can.

        Raises:
            UserError: the oracle is wanted, and the environment has none.
        """
        if hyper.hindsight == NOBODY:
            return config.env_args
        if understands(config.env, config.env_args, **{ACHIEVED: True}):
            return {**config.env_args, ACHIEVED: True}
        if hyper.hindsight == ORACLE:
            raise UserError(
                f"{cls.name}.hindsight=oracle: {config.env} does not say what was achieved "
                f"(infos['{ACHIEVED}']); 'learned' needs no verifier"
            )
        return config.env_args

    @classmethod
    def data_kwargs(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> dict[str, Any]:
        """As :meth:`OffPolicyAgent.data_kwargs`.

        Raises:
            UserError: hindsight for an agent that hears its instructions, or no such captioner.
        """
        if hyper.hindsight == NOBODY:
            return super().data_kwargs(config, hyper, env)
        tokenizer = env.preprocessing.tokenizer
        if tokenizer is None or config.instruction != "text":
            raise UserError(
                f"{cls.name}.hindsight={hyper.hindsight}: puts other sentences in, which the agent "
                f"has to read: it needs instruction: text, not {config.instruction}"
            )
        relabeller = build_relabeller(config, hyper.hindsight, tokenizer, env)
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
    config: TrainConfig, who: str, tokenizer: Tokenizer, env: MultimodalVecEnv
) -> Relabeller:
    """Who relabels.

    Args:
        config: of the training.
        who: oracle, learned, or a run folder of 'mmrl fit captioner'.
        tokenizer: of the agent.
        env: that it learns from.

    Raises:
        UserError: there is no such captioner, or one for other images.
    """
    if who == ORACLE:
        return Oracle(tokenizer, config.seed)
    size = cast("Any", env.observation_space)[IMAGE].shape[:2]
    if who == LEARNED:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            words = instruction_words(config.env, **config.env_args)
            length = min(ModelConfig().instruction_length, tokenizer.length)
            generator = build_captioner(
                size, words, frames=_FRAMES, length=length, image_args=_PATCHES, width=64, layers=1
            )
        return LearnedCaptioner(generator.to(get_device(config.device)), tokenizer, config.seed)
    if not Path(who).is_dir():
        raise UserError(
            f"hindsight={who!r}: is none of none, oracle and learned, nor a run folder of "
            "'mmrl fit captioner'"
        )
    captioner = cast("TextGenerator", load(who, "captioner", config.device))
    seen = cast("FramesEncoder", captioner.encoder)
    if seen.frames != _FRAMES or seen.encoder.image_size != size:
        raise UserError(
            f"hindsight={who!r}: that captioner looks at {seen.frames} images of "
            f"{list(seen.encoder.image_size)} pixels, here there are {_FRAMES} of {list(size)}"
        )
    return Captioner(captioner, tokenizer)

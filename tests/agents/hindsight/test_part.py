"""Hindsight as a part of an agent: what it asks of the environment."""

import pytest

from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import probe
from mmrl_agents.hindsight import part


@pytest.mark.parametrize("is_known", [True, False])
def test_words_are_those_of_the_probed_environment(make_batch, monkeypatch, is_known):
    env = make_batch()
    config = TrainConfig(env="mmrl/GoToObjS4-v0", out="", device="cpu")
    info = probe(config) if is_known else None
    asked = []
    real = part.instruction_words
    monkeypatch.setattr(
        part, "instruction_words", lambda *args, **more: asked.append(args) or real(*args, **more)
    )
    made = part.build_relabeller(config, "learned", env.preprocessing.tokenizer, env, info)
    assert {"go", "ball"} <= set(made.generator.tokenizer.words)
    assert len(asked) == (0 if is_known else 1)

"""Frozen encoders under PPO: nothing moves, and nothing is encoded twice."""

from dataclasses import replace

import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import KVWriter, Logger

from mmrl_agents.loop.callbacks import CacheCallback
from mmrl_agents.networks.policy import MultimodalPolicy


class Memory(KVWriter):
    """Keeps what is logged."""

    def __init__(self):
        self.values = {}

    def write(self, values, excluded, step=0):
        self.values.update(values)

    def close(self):
        pass


@pytest.fixture
def learn(make_batch, tiny_bert):
    def run(watch=None, steps=256, **changes):
        torch.manual_seed(0)
        config = replace(tiny_bert, **changes)
        ppo = PPO(
            MultimodalPolicy, make_batch("mmrl/GoToObjS4-v0"), n_steps=16, batch_size=32,
            n_epochs=2, seed=0, device="cpu", policy_kwargs={"model": config},
        )  # fmt: skip
        memory = Memory()
        ppo.set_logger(Logger(None, [memory]))
        before = {k: v.clone() for k, v in ppo.policy.state_dict().items()}
        hook = watch and torch.nn.modules.module.register_module_forward_hook(watch)
        ppo.learn(steps, callback=CacheCallback(), log_interval=1)
        if hook:
            hook.remove()
        return ppo, before, memory.values

    return run


FROZEN = {"image": "resnet18", "image_args": {"stage": 2}, "image_trained": 0, "text_trained": 0}


def test_nothing_frozen_moves_and_all_is_remembered(learn):
    ppo, before, logged = learn(**FROZEN)
    encoders = ppo.policy.features_extractor.model.encoders
    moved = {k for k, v in ppo.policy.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert not any(".encoders." in name for name in moved)  # BatchNorm's statistics neither
    for name in ("image", "instruction"):
        cache = encoders[name].cache
        assert cache.misses == len(cache)  # each distinct one once in its life
        assert cache.hit_rate > 0.8
        assert 0 < logged[f"cache/{name}_hit_rate"] <= cache.hit_rate
        assert logged[f"cache/{name}_mb"] > 0


def test_the_cache_changes_no_training(learn):
    with_cache, _, _ = learn(**FROZEN, steps=128)
    without, _, logged = learn(**FROZEN, steps=128, cache_mb=0)
    assert not any(name.startswith("cache/") for name in logged)
    ours, theirs = with_cache.policy.state_dict(), without.policy.state_dict()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"channels_last": True}])
def test_switches_under_ppo(learn, changes):
    """They hold whenever pictures are convolved, and all that is kept stays float32."""
    kinds, layouts = set(), set()

    def look(module, _, out):
        if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3:
            kinds.add(out.dtype)
            layouts.add(module.weight.is_contiguous(memory_format=torch.channels_last))

    ppo, _, _ = learn(look, steps=64, **changes)
    assert kinds == {torch.bfloat16 if "precision" in changes else torch.float32}
    assert layouts == {"channels_last" in changes}
    for value in ppo.policy.state_dict().values():
        assert value.dtype == torch.float32 or not value.is_floating_point()
        assert value.isfinite().all()

"""PPO with ResNet-18 and a frozen BERT-base: features computed once against at every step.

    python benchmarks/frozen_features.py

The same algorithm (PPO, SB3's loop against ours), network and settings everywhere, on BabyAI's
GoToLocal; BERT-base and ResNet-18 have their published sizes and random weights, which take the
same time as trained ones.

- ``naive``: what a user of SB3 and Minigrid writes: ``MultiInputPolicy`` with ResNet and BERT in
  its features extractor, which encodes every row of every batch, padded to 64 tokens.
- ``naive, trimmed``: the same, each batch cut to its longest instruction.
- ``ours``: the text encoder frozen, each instruction encoded once in its life; ``bf16`` with
  channels-last images besides.
- ``… frozen``: the ResNet is frozen as well; ours encodes each distinct image once.

Counted, too, are the floating-point operations of an update: at equal speed of all operations, and
with nothing else to do, ours could be faster by the ratio of the counts, and no more.

All arms take turns; a repetition is whole updates, collecting and learning. The text encoder's
share of the time is measured on its own, once the level's sentences have been met, at updates as
large as trainings have them (``--share-envs``, ``--share-steps``), which the naive paths would take
hours for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import stable_baselines3
import torch
from gymnasium import spaces
from minigrid.wrappers import RGBImgPartialObsWrapper
from ppo_speed import TokenWrapper, fps, summarize, take_turns
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mmrl.compat import import_torchvision, import_transformers
from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.fusion import build_fusion
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING
from mmrl.wrappers.adapters import instruction_words, make_vec_env
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

RESULTS = Path(__file__).parent / "results"
LEVEL = "GoToLocal"


def save_bert_base(folder: str) -> None:
    """BERT-base as its hub keeps it, with random weights, and a word-piece tokenizer."""
    transformers = import_transformers()
    transformers.BertModel(transformers.BertConfig()).save_pretrained(folder)
    from mmrl.preprocessing.hub import model_path

    transformers.AutoTokenizer.from_pretrained(model_path("minilm")).save_pretrained(folder)


class NaiveExtractor(BaseFeaturesExtractor):
    """ResNet-18 and a frozen BERT, run on every row.

    SB3 hands images as floats from 0 to 1 and ids as floats.
    """

    def __init__(self, space: spaces.Dict, bert: str, trimmed: bool, frozen: bool) -> None:
        super().__init__(space, 128)
        resnet = import_torchvision().models.resnet18()
        self.resnet = torch.nn.Sequential(*list(resnet.children())[:-2])
        self.bert = import_transformers().AutoModel.from_pretrained(bert).requires_grad_(False)
        self._trimmed, self._frozen = trimmed, frozen
        if frozen:
            self.resnet.requires_grad_(False)
        shapes = {"image": TokensShape(512, (2, 2)), "instruction": TokensShape(768)}
        self.fusion = build_fusion("concat", shapes, 128)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features float [B, 128]."""
        ids = observations["instruction"].long()
        if self._trimmed:
            ids = ids[:, : int((ids != PADDING).sum(1).max())]
        mask = ids != PADDING
        self.bert.eval()
        if self._frozen:
            self.resnet.eval()
        with torch.no_grad():
            hidden = self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            maps = self.resnet(observations["image"] * 2 - 1)
        values = maps.flatten(2).transpose(1, 2)
        image = Tokens(values, torch.ones_like(values[..., 0], dtype=torch.bool), (2, 2))
        features: Tensor = self.fusion({"image": image, "instruction": Tokens(hidden, mask)})
        return features


def make_naive(
    settings: dict[str, Any], num_envs: int, bert: str, **how: bool
) -> stable_baselines3.PPO:
    """SB3's own path on Minigrid."""
    words = instruction_words(f"mmrl/{LEVEL}-v0")
    tokenizer = build_tokenizer(ModelConfig(text=bert), words)

    def make() -> gym.Env[Any, Any]:
        env = RGBImgPartialObsWrapper(gym.make(f"BabyAI-{LEVEL}-v0"), tile_size=8)
        return Monitor(TokenWrapper(env, tokenizer))

    return stable_baselines3.PPO(
        "MultiInputPolicy",
        DummyVecEnv([make] * num_envs),
        policy_kwargs={
            "features_extractor_class": NaiveExtractor,
            "features_extractor_kwargs": {"bert": bert, **how},
            "net_arch": {"pi": [64], "vf": [64]},
            "ortho_init": False,
        },
        seed=0,
        **settings,
    )


def make_ours(settings: dict[str, Any], num_envs: int, bert: str, **how: Any) -> PPO:
    """Our path."""
    env_id = f"mmrl/{LEVEL}-v0"
    config = ModelConfig(image="resnet18", text=bert, text_trained=0, fusion="concat", **how)
    tokenizer = build_tokenizer(config, instruction_words(env_id))
    env = MultimodalVecEnv(make_vec_env(env_id, num_envs), tokenizer)
    return PPO(MultimodalPolicy, env, policy_kwargs={"model": config}, seed=0, **settings)


def flops(algorithm: stable_baselines3.PPO) -> int:
    """Floating-point operations of matrix products and convolutions in an update."""
    with FlopCounterMode(display=False) as counter:
        fps(algorithm, 1)
    return int(counter.get_total_flops())


class Stopwatch:
    """The time that an encoder takes."""

    def __init__(self, encoder: Any) -> None:
        self.seconds, self._encode = 0.0, encoder.forward
        encoder.forward = self._timed

    def _timed(self, given: Tensor) -> Tokens:
        started = time.perf_counter()
        tokens: Tokens = self._encode(given)
        self.seconds += time.perf_counter() - started
        return tokens


def text_shares(algorithm: PPO, updates: int) -> list[float]:
    """The text encoder's share of the time of each update, after one to warm up, and after the
    level's sentences have been met.
    """
    encoder = encoders(algorithm)["instruction"]
    env: Any = algorithm.get_env()
    algorithm.policy.set_training_mode(False)
    for sentence in level_sentences():
        encoder(torch.tensor(env.unwrapped.preprocessing.tokenizer.encode(sentence))[None])
    watch = Stopwatch(encoder)
    fps(algorithm, 1)
    shares = []
    for _ in range(updates):
        watch.seconds, begun = 0.0, time.perf_counter()
        fps(algorithm, 1)
        shares.append(round(watch.seconds / (time.perf_counter() - begun), 4))
    return shares


def measure_shares(settings: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The text encoder's share of the time, while the ResNet learns and where it is frozen."""
    large = {**settings, "n_steps": options.share_steps, "batch_size": 512}
    with tempfile.TemporaryDirectory() as folder:
        save_bert_base(folder)
        shares = {
            name: text_shares(make_ours(large, options.share_envs, folder, **how), updates)
            for name, how, updates in (("ours", {}, 3), ("ours, frozen", {"image_trained": 0}, 9))
        }
    for name, values in shares.items():
        print(f"text encoder's share of the time, {name}: {statistics.median(values):.2%}")
    return {"num_envs": options.share_envs, "settings": large, "shares": shares}


def level_sentences(episodes: int = 4096) -> list[str]:
    """The instructions that the level gives in so many episodes."""
    envs = make_vec_env(f"mmrl/{LEVEL}-v0", episodes)
    sentences = envs.reset(seed=0)[0]["instruction"]
    envs.close()
    return sorted(set(sentences))


def encoders(algorithm: stable_baselines3.PPO) -> Any:
    """The encoders of our path, by modality."""
    extractor: Any = algorithm.policy.features_extractor
    return extractor.model.encoders


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--n-steps", type=int, default=2)
    parser.add_argument("--share-envs", type=int, default=64)
    parser.add_argument("--share-steps", type=int, default=32)
    parser.add_argument(
        "--only-share", action="store_true", help="measure that alone, beside the other results"
    )
    options = parser.parse_args()
    settings: dict[str, Any] = {
        "n_steps": options.n_steps, "batch_size": options.num_envs * options.n_steps,
        "n_epochs": 4, "learning_rate": 1e-4, "device": "cpu",
    }  # fmt: skip
    fast: dict[str, Any] = {"precision": "bf16", "channels_last": True}
    started = time.monotonic()
    if options.only_share:
        file = RESULTS / "frozen_features.json"
        share = {**measure_shares(settings, options), **provenance(started)}
        write_json(file, {**json.loads(file.read_text()), "text_share": share})
        return
    with tempfile.TemporaryDirectory() as folder:
        save_bert_base(folder)
        common = (settings, options.num_envs, folder)
        arms: dict[str, tuple[Callable[[], stable_baselines3.PPO], int]] = {
            "naive": (lambda: make_naive(*common, trimmed=False, frozen=False), 1),
            "naive, trimmed": (lambda: make_naive(*common, trimmed=True, frozen=False), 1),
            "ours": (lambda: make_ours(*common), 4),
            "ours, bf16": (lambda: make_ours(*common, **fast), 4),
            "naive, frozen": (lambda: make_naive(*common, trimmed=False, frozen=True), 1),
            "naive, trimmed, frozen": (
                lambda: make_naive(*common, trimmed=True, frozen=True), 1
            ),
            "ours, frozen": (lambda: make_ours(*common, image_trained=0), 16),
            "ours, frozen, bf16": (lambda: make_ours(*common, image_trained=0, **fast), 16),
        }  # fmt: skip
        algorithms = {name: make() for name, (make, _) in arms.items()}
        updates = {name: each for name, (_, each) in arms.items()}
        measured = take_turns(algorithms, options.repetitions, updates)
        operations = {name: flops(algorithms[name]) for name in ("naive", "naive, trimmed", "ours")}
    share = measure_shares(settings, options)
    pairs = [
        (name, rival)
        for name in arms
        if name.startswith("ours")
        for rival in arms
        if rival.startswith("naive") and ("frozen" in rival) <= ("frozen" in name)
    ]
    speeds = summarize(measured, pairs)
    for name, count in operations.items():
        print(f"{name}: {count / 1e9:,.0f} GFLOP an update")
    write_json(
        RESULTS / "frozen_features.json",
        {
            "level": LEVEL,
            "num_envs": options.num_envs,
            "settings": settings,
            **speeds,
            "flops_of_an_update": operations,
            "text_share": share,
            "hit_rates": {
                f"{name}, {modality}": round(encoder.cache.hit_rate, 4)
                for name, algorithm in algorithms.items()
                if name.startswith("ours")
                for modality, encoder in encoders(algorithm).items()
                if encoder.cache is not None
            },
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

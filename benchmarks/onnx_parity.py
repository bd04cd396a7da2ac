"""How far onnxruntime is from torch, over algorithms, memories, encoders and fusions.

    python benchmarks/onnx_parity.py

Each policy has random weights. Its graph is made with a batch of 2, and compared on batches of 1, 3
and 8 random observations: the largest difference of an output, relative to the largest number in
it, at least 1. Also the agents of the package, with their own weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image import IMAGE_ENCODERS
from mmrl.models.encoders.text import TEXT_ENCODERS
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer
from mmrl.sharing.onnx import PolicyGraph, check_parity, policy_graph, save_onnx
from mmrl.sharing.zoo import zoo_folders
from mmrl_agents.algorithms.dqn import DQNPolicy
from mmrl_agents.algorithms.qrdqn import QRDQNPolicy
from mmrl_agents.algorithms.sac import SACPolicy
from mmrl_agents.algorithms.td3 import TD3Policy
from mmrl_agents.networks.graph import make_policy_graph
from mmrl_agents.networks.policy import MultimodalPolicy

RESULTS: Final = Path(__file__).parent / "results" / "onnx_parity.json"
WORDS: Final = WordTokenizer(["go", "to", "the", "left", "right"], 12)
ARM: Final = spaces.Box(np.float32(-1), np.float32(4), (2,))
FEW: Final = spaces.Discrete(5)
POLICIES: Final = (DQNPolicy, QRDQNPolicy, SACPolicy, TD3Policy)
FUSIONS: Final = ("weighted_sum", "concat", "gated", "bilinear", "film", "cross_attention")


def graph_of(kind: Any, action: Any, model: dict[str, Any], **more: Any) -> PolicyGraph:
    """The function of a policy with random weights, of an image, a sentence and a vector."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(WORDS)
    sensors = {
        "image": spaces.Box(0, 255, (56, 56, 3), np.uint8),
        "state": spaces.Box(-np.inf, np.inf, (3,), np.float32),
    }
    space = spaces.Dict({**sensors, **preprocessing.spaces})
    config = ModelConfig(**{"features": 32, **model})
    return make_policy_graph(
        kind(space, action, lambda _: 0.0, model=config, **more), preprocessing
    )


def cases() -> Iterator[tuple[str, PolicyGraph]]:
    """Names and policies."""
    ppo = MultimodalPolicy
    yield "ppo, Gaussian", graph_of(ppo, ARM, {})
    yield "ppo, MultiDiscrete", graph_of(ppo, spaces.MultiDiscrete([2, 3]), {})
    yield "ppo, MultiBinary", graph_of(ppo, spaces.MultiBinary(3), {})
    for memory in ("gru", "lstm", "frame_stack"):
        yield f"ppo, {memory}", graph_of(ppo, FEW, {}, memory=memory)
    for kind in POLICIES:
        action = ARM if kind in (SACPolicy, TD3Policy) else FEW
        yield kind.__name__.removesuffix("Policy").lower(), graph_of(kind, action, {})
    for name in IMAGE_ENCODERS:
        yield f"image: {name}", graph_of(ppo, FEW, {"image": name})
    for name in TEXT_ENCODERS:
        yield f"text: {name}", graph_of(ppo, FEW, {"text": name})
    for name in FUSIONS:
        yield f"fusion: {name}", graph_of(ppo, FEW, {"fusion": name})
    for name, folder in zoo_folders().items():
        yield f"zoo:{name}", policy_graph(Run.open(folder))


def main() -> None:
    """Compare all, and write the table."""
    started, found = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, graph in cases():
            try:
                file = Path(folder) / "policy.onnx"
                save_onnx(graph, file)
                found[name] = check_parity(graph, file)
            except UserError as error:
                found[name] = str(error)
            print(f"{name:<24}{found[name]}", flush=True)
    numbers = [one for one in found.values() if isinstance(one, float)]
    summary = {"largest": max(numbers), "agree": len(numbers), "of": len(found)}
    packages = ("onnx", "onnxruntime", "onnxscript")
    write_json(RESULTS, {**summary, "differences": found, **provenance(started, *packages)})


if __name__ == "__main__":
    main()

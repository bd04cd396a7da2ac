"""Policies as ONNX graphs: onnxruntime computes the actor's own numbers, for any batch."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer
from mmrl.sharing.onnx import PolicyGraph, check_parity, save_onnx, write_onnx
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.dqn import DQNPolicy
from mmrl_agents.algorithms.qrdqn import QRDQNPolicy
from mmrl_agents.algorithms.sac import SACPolicy
from mmrl_agents.algorithms.td3 import TD3Policy
from mmrl_agents.networks.policy import MultimodalPolicy

TOKENIZER = WordTokenizer(["press", "left", "right", "both"], 6)
ARM = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
SENTENCES = ["press left", "press right", "", "press both", "press left"]


def make(kind, action, extra=None, text="small_bert", **kwargs):
    """An actor of random weights on a small image, a sentence, and what is extra."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(TOKENIZER)
    space = {"image": spaces.Box(0, 255, (16, 16, 3), np.uint8), **(extra or {})}
    sizes = {"width": 8, "layers": 1, "heads": 2} if text == "small_bert" else {}
    model = ModelConfig(image_args={"width": 8}, text=text, text_args=sizes, features=8)
    observation = spaces.Dict({**space, **preprocessing.spaces})
    policy = kind(observation, action, lambda _: 0.0, model=model, **kwargs)
    return SB3Actor(policy, preprocessing)


def session(actor, folder):
    graph = actor.policy_graph()
    save_onnx(graph, folder / "policy.onnx")
    assert check_parity(graph, folder / "policy.onnx") <= 1e-5
    return onnxruntime.InferenceSession(folder / "policy.onnx"), graph


def observe(count, **more):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return {"image": images, "instruction": SENTENCES[:count], **more}


def encoded(actor, observation):
    return {key: np.asarray(one) for key, one in actor._encode(observation).items()}


def test_feed_forward_with_masks(tmp_path):
    """Probabilities and values are those of the actor, also of an empty sentence and a batch of
    one; invalid actions have none.
    """
    masks = {"action_mask": spaces.Box(0, 1, (3,), np.int8)}
    actor = make(MultimodalPolicy, spaces.Discrete(3), masks)
    run, graph = session(actor, tmp_path)
    for count in (1, 5):
        mask = np.ones((count, 3), np.int8)
        mask[0, 1] = 0
        seen = observe(count, action_mask=mask)
        logits, value = run.run(None, encoded(actor, seen))
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        ours = actor.policy_outputs(seen).numbers
        np.testing.assert_allclose(probabilities, ours["probabilities"], atol=1e-5)
        np.testing.assert_allclose(value, ours["value"], atol=1e-5)
        assert probabilities[0, 1] == 0
    assert graph.description["words"][-4:] == ["both", "left", "press", "right"]
    assert graph.description["actions"] == {"kind": "Discrete", "n": 3, "start": 0}
    assert graph.description["inputs"]["image"] == {"shape": ["batch", 16, 16, 3], "dtype": "uint8"}


def of_vectors(action, **kwargs):
    """An actor on state vectors, without an image or an instruction."""
    torch.manual_seed(0)
    space = spaces.Dict({"joints": spaces.Box(-np.inf, np.inf, (3,), np.float32)})
    model = ModelConfig(features=8)
    policy = MultimodalPolicy(space, action, lambda _: 0.0, model=model, **kwargs)
    return SB3Actor(policy, Preprocessing())


def joints(step):
    values = np.random.default_rng(step).normal(size=(4, 3))
    return {"joints": values.astype(np.float32)}


def test_recurrent(tmp_path):
    """The state is handed on as the actor does it, over three steps."""
    actor = of_vectors(spaces.MultiDiscrete([2, 3]), memory="gru", memory_args={"size": 4})
    run, graph = session(actor, tmp_path)
    state = np.zeros((4, 4), np.float32)
    actor.begin(4)
    for step in range(3):
        logits, value, state = run.run(None, {**joints(step), "memory_state": state})
        ours = actor.policy_outputs(joints(step)).numbers["value"]
        np.testing.assert_allclose(value, ours, atol=1e-5)
        actions = actor.act(joints(step), deterministic=True)
        chosen = np.stack([logits[:, :2].argmax(1), logits[:, 2:].argmax(1)], 1)
        np.testing.assert_array_equal(chosen, actions)
        np.testing.assert_allclose(state, actor._state[0], atol=1e-5)
    assert "memory" in graph.description


def test_gaussian(tmp_path):
    actor = of_vectors(ARM)
    run, graph = session(actor, tmp_path)
    mean, std, value = run.run(None, joints(0))
    ours = actor.policy_outputs(joints(0)).numbers
    for one, name in ((mean, "action_mean"), (std, "action_std"), (value, "value")):
        np.testing.assert_allclose(one, ours[name], atol=1e-5)
    assert graph.description["actions"]["high"] == [1, 4]
    json.dumps(graph.description)


@pytest.mark.parametrize("kind", [DQNPolicy, QRDQNPolicy, SACPolicy, TD3Policy])
def test_off_policy_functions(kind):
    """The function that is exported gives the actor's greedy action: torch's, which is quick."""
    action = ARM if kind in (SACPolicy, TD3Policy) else spaces.Discrete(3)
    actor = make(kind, action, text="bag_of_words")
    graph = actor.policy_graph()
    seen = observe(5)
    inputs = {key: torch.from_numpy(one) for key, one in encoded(actor, seen).items()}
    with torch.no_grad():
        (out,) = graph.module(inputs)
    greedy = actor.act(seen, deterministic=True)
    ours = out.numpy() if action is ARM else out.argmax(1).numpy()
    np.testing.assert_allclose(ours, greedy, atol=1e-6)


def test_a_graph_that_is_off_is_refused(tmp_path):
    """Parity is checked against other numbers than those the graph was made of."""
    layer = torch.nn.Linear(2, 2)

    class Double(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, inputs):
            return (self.layer(inputs["x"]),)

    graph = PolicyGraph(Double(), lambda count: {"x": torch.ones(count, 2)}, ("y",), {})
    save_onnx(graph, tmp_path / "policy.onnx")
    assert check_parity(graph, tmp_path / "policy.onnx") <= 1e-5
    with torch.no_grad():
        layer.weight.add_(0.01)
    with pytest.raises(UserError, match="y of onnxruntime is 2e-02 off: not kept"):
        check_parity(graph, tmp_path / "policy.onnx")


def test_refusals(trained, monkeypatch):
    monkeypatch.setattr(SB3Actor, "policy_graph", None)
    with pytest.raises(UserError, match="the agent 'ppo' has no policy_graph: leave --onnx out"):
        write_onnx(trained.run, trained.path)
    monkeypatch.undo()
    actor = make(MultimodalPolicy, ARM, use_sde=True)
    with pytest.raises(UserError, match="StateDependentNoiseDistribution cannot be a graph"):
        actor.policy_graph()
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[onnx\]'"):
        write_onnx(trained.run, trained.path)

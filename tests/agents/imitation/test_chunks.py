"""Action chunks: what is executed when, what is learned, and what cannot be."""

import importlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.configs import BCConfig, DAggerConfig
from mmrl_agents.imitation.bc import BCAgent
from mmrl_agents.imitation.buffer import DemonstrationBuffer
from mmrl_agents.imitation.chunks import Chunking, OpenLoop, TemporalEnsemble
from mmrl_agents.imitation.dagger import DAggerAgent
from mmrl_agents.imitation.policy import make_execution

importlib.import_module("worlds.levers")


def run(execution, predictions):
    """What is executed of predictions [T, N, K, W]."""
    state = torch.zeros(predictions.shape[1], execution.state_size)
    done = []
    for chunks in predictions:
        now, state = execution.step(chunks, state)
        done.append(now)
    return torch.stack(done)


@given(st.integers(1, 5), st.data())
def test_an_open_loop_looks_once_a_chunk(size, data):
    steps = data.draw(st.integers(1, size))
    predictions = torch.rand(11, 3, size, 2)
    done = run(OpenLoop(size, 2, steps), predictions)
    for t in range(11):
        assert torch.equal(done[t], predictions[t - t % steps, :, t % steps])


@given(st.integers(2, 5), st.floats(0, 2))
def test_an_ensemble_is_the_weighted_mean_of_all_predictions_for_a_step(size, coefficient):
    predictions = torch.rand(9, 3, size, 2, dtype=torch.float64)
    done = run(TemporalEnsemble(size, 2, coefficient), predictions)
    for t in range(9):
        made = [predictions[s, :, t - s] for s in range(max(0, t - size + 1), t + 1)]
        weights = np.exp(-coefficient * np.arange(len(made)))  # the oldest has the largest
        expected = sum(w * one for w, one in zip(weights, made, strict=True)) / weights.sum()
        np.testing.assert_allclose(done[t], expected, rtol=1e-5)


def test_chunks_end_with_their_episodes():
    buffer = DemonstrationBuffer.__new__(DemonstrationBuffer)
    buffer._starts = [0, 3, 4, 9]
    rows, valid = buffer.chunks(np.array([1, 3, 6, 8]), 3)
    assert rows.tolist() == [[1, 2, 2], [3, 3, 3], [6, 7, 8], [8, 8, 8]]
    assert valid.sum(1).tolist() == [2, 1, 3, 1]
    assert valid[:, 0].all()


HYPER = BCConfig(
    demonstrations=80, batch_size=64, sequence_length=4, learning_rate=0.01, evaluate_every=60,
    num_envs=20,
)  # fmt: skip
WAYS = {
    "all": {}, "one": {"action_steps": 1}, "ensemble": {"temporal_ensemble": 0.1},
}  # fmt: skip


def train(path, tiny, hyper, **changes):
    """Clone the expert of levers that are all on the side that the first image shows."""
    config = TrainConfig(
        **{"env": "levers/Lever-v0", "steps": 180, "env_args": {"fixed": True}, **changes},
        agent="bc", device="cpu", seed=3, out=str(path),
        model=replace(tiny, fusion="film", image_args={"width": 8}),
    )  # fmt: skip
    run = Run.create(path, {**asdict(config), "bc": asdict(hyper)})
    return config, run, BCAgent.train(config, hyper, run)


def success_of(actor, config):
    played = play_episodes(actor, config.env, 60, env_args=config.env_args, deterministic=True)
    return played.success.mean()


@pytest.mark.parametrize(
    ("env", "way", "memory"),
    [("Lever", "all", None), ("Lever", "ensemble", "gru"), ("Slider", "one", None)],
)
def test_chunks_are_learned_and_executed(env, way, memory, tmp_path, tiny, curves):
    mixture = 2 if env == "Slider" else 1
    hyper = replace(HYPER, chunk_size=2, memory=memory, mixture=mixture, **WAYS[way])
    config, run, actor = train(tmp_path / "run", tiny, hyper, env=f"levers/{env}-v0")
    assert success_of(actor, config) > 0.9
    assert success_of(BCAgent.load(run, "cpu"), config) == success_of(actor, config)
    assert curves(run)["held_out/loss"][-1][1] < 0.3
    changed = replace(config, env_args={"fixed": False})  # the second lever has to be looked at
    blind = way != "one"  # the oldest prediction has the largest weight
    assert (success_of(actor, changed) < 0.8) == blind


def test_a_policy_of_chunks_is_no_graph(tmp_path, tiny):
    _, _, actor = train(tmp_path / "run", tiny, replace(HYPER, chunk_size=2), steps=1)
    with pytest.raises(UserError, match="--onnx: a policy that predicts chunks of actions"):
        actor.policy_graph()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chunk_size": 0}, "bc.chunk_size=0: must be at least 1"),
        ({"chunk_size": 3, "action_steps": 4}, "bc.action_steps=4: must be from 1 to chunk_size=3"),
        ({"temporal_ensemble": 0.1}, "needs bc.chunk_size above 1"),
        ({"chunk_size": 3, "temporal_ensemble": 0.1, "action_steps": 1}, "leave bc.action_steps"),
        ({"mixture": 0}, "bc.mixture=0"),
    ],
)
def test_what_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        BCAgent.check(replace(HYPER, **changes))


def test_who_has_no_chunks(tmp_path, tiny):
    with pytest.raises(UserError, match=r"dagger.chunk_size=2.*--agent bc"):
        DAggerAgent.check(DAggerConfig(chunk_size=2))
    with pytest.raises(UserError, match="takes means of Discrete or Box"):
        make_execution(Chunking(2, temporal_ensemble=0.1), spaces.MultiDiscrete([2, 3]))
    with pytest.raises(UserError, match="mixture=2.*continuous"):
        train(tmp_path / "run", tiny, replace(HYPER, mixture=2))

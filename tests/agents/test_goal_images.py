"""Policies that are shown what their instruction asks for: trained, resumed, evaluated, refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmrl.cli import main
from mmrl.contract import GOAL, INSTRUCTION
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint, weights_of
from mmrl.experiment.run import Run
from mmrl.generative.image.painter import build_painter
from mmrl.preprocessing.text import split_words
from mmrl.training.goal_images import load_goals
from mmrl_agents.algorithms.dqn import DQNAgent, DQNConfig
from mmrl_agents.algorithms.ppo import PPOAgent

LANGUAGE = "mmrl_envs.grid.language.grid_language:GridLanguage"
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
THINGS = ("ball", "box", "key")
WAYS = ("in front of the agent", "in the agent's hands")
REQUESTS = [f"a {color} {thing} {way}" for way in WAYS for color in COLORS for thing in THINGS]
WORDS = [*{word for one in REQUESTS for word in split_words(one)}, "an", "object", ","]


def make_painter(path, seed=0, steps=60):
    """A run folder of 'mmrl fit painter'; after 60 steps what it paints differs from thing to
    thing.
    """
    recipe = {
        "tokenizer": {"image_size": [56, 56], "patch": 28, "levels": [3, 3], "hidden": 16},
        "codes": [0, 2, 4, 7], "words": WORDS, "length": 16,
        "text_args": {"width": 16}, "width": 16, "layers": 1, "heads": 2,
    }  # fmt: skip
    torch.manual_seed(seed)
    painter = build_painter(**recipe)
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2)
    generator = np.random.default_rng(seed)
    codes = torch.from_numpy(generator.choice(recipe["codes"], (len(REQUESTS), 4)))
    for _ in range(steps):
        optimizer.zero_grad()
        painter.loss(painter.read(REQUESTS), codes).backward()
        optimizer.step()
    state = {"task": "painter", "recipe": {"language": LANGUAGE, **recipe}}
    run = Run.create(path, {"task": "painter"})
    run.save_checkpoint(Checkpoint(1, weights_of(painter), state))
    return str(path)


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return make_painter(tmp_path_factory.mktemp("runs") / "painter")


@pytest.fixture
def with_goals(tiny, painter):
    return replace(tiny, goal_image=painter)


def test_the_policy_is_shown_the_goal_of_each_episode(
    make_run, hyper, with_goals, painter, tmp_path, monkeypatch
):
    config, run = make_run(tmp_path / "run", model=with_goals)
    shown = {}
    act = PPOAgent.Policy.act

    def watching(self, obs, *rest, **more):
        for ids, image in zip(obs["instruction"], obs[GOAL], strict=True):
            shown.setdefault(tuple(ids.tolist()), set()).add(image.numpy().tobytes())
        return act(self, obs, *rest, **more)

    monkeypatch.setattr(PPOAgent.Policy, "act", watching)
    actor = PPOAgent.train(config, hyper, run)
    goals = load_goals(painter, (56, 56))
    decode = actor.preprocessing.tokenizer.decode
    assert len(shown) > 8
    for ids, images in shown.items():
        assert images == {goals.encode(decode(ids)).tobytes()}
    assert len(set.union(*shown.values())) > 3
    encoder = actor.policy.features_extractor.model.encoders[GOAL]
    assert any(one.grad.abs().sum() > 0 for one in encoder.encoder.parameters())


def test_what_it_does_depends_on_the_goal(make_run, hyper, with_goals, observations, tmp_path):
    config, run = make_run(tmp_path / "run", model=with_goals, steps=128)
    actor = PPOAgent.train(config, hyper, run)
    seen = observations("mmrl/GoToObjS4-v0", 6)
    before = actor.probabilities(seen)
    encode = actor.preprocessing.goals.encode
    told = {sentence: encode(sentence) for sentence in seen["instruction"]}
    monkey = pytest.MonkeyPatch()
    monkey.setattr(actor.preprocessing.goals, "encode", lambda one: 255 - told[one])
    assert not np.allclose(actor.probabilities(seen), before, atol=1e-5)
    monkey.undo()
    assert np.array_equal(actor.probabilities(seen), before)


@pytest.mark.parametrize("frozen", [False, True])
def test_it_goes_on_exactly(
    make_run, hyper, with_goals, tmp_path, stop, curves, monkeypatch, frozen
):
    model = replace(with_goals, image_trained=0) if frozen else with_goals
    hyper = replace(hyper, n_steps=4, batch_size=16)
    settings = {"model": model, "steps": 128, "checkpoint_every": 64}
    config, whole = make_run(tmp_path / "whole", **settings)
    PPOAgent.train(config, hyper, whole)
    config, run = make_run(tmp_path / "stopped", **settings)
    stop(10, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        PPOAgent.train(config, hyper, run)
    newest = run.newest_checkpoint()
    assert newest.name == "step_64"
    PPOAgent.train(config, hyper, run, resume=True)
    for file in ("weights.safetensors", "state.npz"):
        one, other = (r.checkpoints / "step_128" / file for r in (whole, run))
        assert one.read_bytes() == other.read_bytes()
    assert curves(run) == curves(whole)


def test_train_eval_and_watch_from_the_command_line(painter, tmp_path, capsys):
    out = tmp_path / "run"
    size = ["--ppo.num_envs", "4", "--ppo.n_steps", "8", "--ppo.batch_size", "32"]
    small = ["--model.image_args", "{width: 8}", "--model.text", "bag_of_words", "--device", "cpu"]
    train = ["train", "--env", "mmrl/GoToObjS4-v0", "--steps", "64", "--out", str(out)]
    quiet = ["--eval_episodes", "8", "--clip_every", "32", "--env_args", "{max_steps: 9}"]
    assert main([*train, "--model.goal_image", painter, *size, *small, *quiet]) == 0
    result = json.loads((out / "result.json").read_text())
    assert main(["eval", str(out), "--episodes", "8", "--json", str(tmp_path / "eval.json")]) == 0
    again = json.loads((tmp_path / "eval.json").read_text())
    assert again["success_rate"] == result["success_rate"]
    assert again["mean_length"] == result["mean_length"]
    assert main(["eval", str(out), "--episodes", "8", "--misled", "--controls", "false"]) == 0
    watch = ["watch", str(out), "--episodes", "1", "--record", str(tmp_path / "seen.gif")]
    assert main([*watch, "--fps", "1000"]) == 0
    assert (tmp_path / "seen.gif").is_file()
    capsys.readouterr()


def test_another_painter_than_in_training_is_refused(make_run, hyper, tiny, tmp_path):
    path = make_painter(tmp_path / "painter", steps=1)
    config, run = make_run(tmp_path / "run", model=replace(tiny, goal_image=path), steps=128)
    PPOAgent.train(config, hyper, run)
    (tmp_path / "painter").rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"no painter in .*painter; 'mmrl fit painter --out"):
        PPOAgent.load(run)
    make_painter(tmp_path / "painter", seed=1, steps=1)
    with pytest.raises(UserError, match=r"trained with another preprocessing of 'goal'"):
        PPOAgent.load(run)
    with pytest.raises(UserError, match=r"trained with another preprocessing of 'goal'"):
        PPOAgent.train(replace(config, steps=512), hyper, run, resume=True)


def test_what_does_not_fit_is_refused_before_anything_is_kept(painter, tmp_path, capsys):
    train = ["train", "--env", "mmrl/GoToObjS4-v0", "--out", str(tmp_path / "run"), "--device"]
    nobody = str(tmp_path / "nobody")
    assert main([*train, "cpu", "--model.goal_image", nobody]) == 2
    assert "'mmrl fit painter --out" in capsys.readouterr().err
    first_person = ["--env_args", "{view: first_person}"]
    assert main([*train, "cpu", "--model.goal_image", painter, *first_person]) == 2
    assert "paints 56 × 56 pixels, and the environment's frames have 64 × 64" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()


def test_hindsight_shows_the_goal_that_was_reached(make_run, with_goals, tmp_path, monkeypatch):
    from mmrl_agents.hindsight.replay import HindsightReplay

    again = []
    store = HindsightReplay._store_episode

    def storing(self, failure, words):
        before = self._count
        store(self, failure, words)
        sentence = self._tokenizer.decode(self._rings[INSTRUCTION].get(words[INSTRUCTION])[0])
        rows = np.arange(before, self._count) % self.buffer_size
        numbers = self._numbers["before"][GOAL][rows]
        again.extend((sentence, image) for image in self._rings[GOAL].get(numbers))

    monkeypatch.setattr(HindsightReplay, "_store_episode", storing)
    config, run = make_run(
        tmp_path / "run", "mmrl/PickupDist-v0", model=with_goals, agent="dqn", steps=1000,
        env_args={"strict": True, "room_size": 5, "num_dists": 4},
    )  # fmt: skip
    hyper = DQNConfig(
        num_envs=8, buffer_size=2000, learning_starts=100, batch_size=16, gradient_steps=1,
        exploration_final_eps=0.9, hindsight="oracle",
    )  # fmt: skip
    actor = DQNAgent.train(config, hyper, run)
    assert len({sentence for sentence, _ in again}) > 3
    assert len({image.tobytes() for _, image in again}) > 3
    for sentence, image in again:
        assert np.array_equal(image, actor.preprocessing.goals.encode(sentence))

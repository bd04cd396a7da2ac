"""Behaviour cloning: what is learned from whom, early stopping, exact resume, refusals."""

import importlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from mmrl.data import ExpertSource, RandomSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.bc import BCAgent
from mmrl_agents.imitation.cloning import CloningTask

importlib.import_module("worlds.levers")
LEVER, SLIDER = "levers/Lever-v0", "levers/Slider-v0"
HYPER = BCConfig(
    demonstrations=60, batch_size=64, sequence_length=4, learning_rate=0.01, evaluate_every=40,
    num_envs=20,
)  # fmt: skip


@pytest.fixture
def make(tiny, tmp_path):
    """The configuration of a training and its run folder."""

    def make(name="run", hyper=HYPER, **changes):
        config = TrainConfig(
            **{"env": LEVER, "agent": "bc", "device": "cpu", "steps": 80, "seed": 3, **changes},
            out=str(tmp_path / name), model=replace(tiny, fusion="film", image_args={"width": 8}),
        )  # fmt: skip
        return config, hyper, Run.create(tmp_path / name, {**asdict(config), "bc": asdict(hyper)})

    return make


@pytest.fixture
def recorded(tmp_path):
    """Collects a dataset of 40 episodes; its path."""

    def collected(env, source=ExpertSource, name="data", **args):
        request = Request(env, 40, "test", env_args=args, num_envs=20)
        collect(request, source, find_place(str(tmp_path / name)))
        return str(tmp_path / name)

    return collected


def success_of(actor, config, episodes=60):
    played = play_episodes(
        actor, config.env, episodes, env_args=config.env_args, deterministic=True
    )
    return played.success.mean()


@pytest.mark.parametrize(
    ("env", "memory"), [(LEVER, None), (LEVER, "gru"), (SLIDER, "lstm"), (LEVER, "transformer")]
)
def test_the_expert_is_imitated(env, memory, make, curves):
    hyper = replace(HYPER, memory=memory, evaluate_every=60)
    config, _, run = make(env=env, steps=180, hyper=hyper)
    actor = BCAgent.train(config, hyper, run)
    assert success_of(actor, config) > 0.9  # one that does not read gets a quarter
    loaded = BCAgent.load(Run.open(run.path), "cpu")
    assert success_of(loaded, config) == success_of(actor, config)
    shown = curves(run)
    assert [step for step, _ in shown["held_out/loss"]] == [60, 120, 180]
    assert shown["held_out/loss"][-1][1] < 0.2
    assert ("held_out/accuracy" in shown) == (env == LEVER)


def test_datasets_are_learned_from(make, recorded):
    names = [recorded(LEVER), recorded(LEVER, RandomSource, "random")]
    hyper = replace(HYPER, data=names, demonstrations=0, validation=0.0)
    config, _, run = make(steps=120, hyper=hyper)
    actor = BCAgent.train(config, hyper, run)
    assert success_of(actor, config) > 0.9
    assert not (run.path / "demonstrations").exists()


def test_failed_episodes_are_left_out_and_counted(make, capsys):
    config, hyper, run = make(env_args={"skill": 0.5})
    actor = BCAgent.train(config, hyper, run)
    seen = open_dataset(str(run.path / "demonstrations"))
    failed = sum(seen[k].success is False for k in range(len(seen)))
    assert 15 < failed < 45
    assert f"{failed} episodes that failed are left out" in capsys.readouterr().err
    assert success_of(actor, replace(config, env_args={})) > 0.9


def test_it_resumes_exactly(make):
    config, hyper, run = make("whole", steps=80, hyper=replace(HYPER, memory="gru"))
    whole = BCAgent.train(config, hyper, run)
    short, _, parts = make("parts", steps=80, hyper=hyper)
    advance, count = CloningTask.batch, []

    def interrupted(self, generator):
        count.append(1)
        if len(count) == 50:
            raise RuntimeError("killed")
        return advance(self, generator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CloningTask, "batch", interrupted)
        with pytest.raises(RuntimeError, match="killed"):
            BCAgent.train(replace(short, checkpoint_every=30), hyper, parts)
    assert parts.read_checkpoint().steps == 30
    resumed = BCAgent.train(short, hyper, parts, resume=True)
    pairs = zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_it_stops_early_with_the_best_weights(make, curves):
    hyper = replace(HYPER, patience=2, demonstrations=20, learning_rate=0.03, evaluate_every=10)
    config, _, run = make(steps=2_000, hyper=hyper, env_args={"skill": 0.7, "length": 1})
    hyper = replace(hyper, successful_only=False)  # wrong labels cannot be foreseen
    actor = BCAgent.train(config, hyper, run)
    losses = curves(run)["held_out/loss"]
    assert losses[-1][0] < 2_000
    best = min(range(len(losses)), key=lambda k: losses[k][1])
    assert len(losses) - 1 - best == 2
    state = run.read_checkpoint().state["best"]
    assert state["loss"] == pytest.approx(losses[best][1])
    own = dict(actor.policy.named_parameters())
    assert all(torch.equal(own[name], one) for name, one in state["weights"].items() if name in own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demonstrations": 0}, "bc.demonstrations=0: must be at least 1"),
        ({"validation": 1.0}, "bc.validation=1.0"),
        ({"patience": -1}, "bc.patience=-1"),
        ({"patience": 3, "validation": 0.0}, "needs bc.validation above 0"),
        ({"memory": "gru", "batch_size": 66}, "multiple of sequence_length=4"),
        ({"memory": "gruu"}, "memory 'gruu'"),
        ({"batch_size": 0}, "bc.batch_size=0"),
    ],
)
def test_what_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        BCAgent.check(replace(HYPER, **changes))


def test_environments_without_an_expert_are_refused(make, counter):
    config, hyper, run = make(env=counter)
    with pytest.raises(UserError, match="brings no expert"):
        BCAgent.train(config, hyper, run)


def test_datasets_of_other_actions_or_images_are_refused(make, recorded, counter):
    hyper = replace(HYPER, data=[recorded(SLIDER)], demonstrations=0)
    config, _, run = make(hyper=hyper)
    with pytest.raises(UserError, match=r"has the actions Box.*and levers/Lever-v0 has Discrete"):
        BCAgent.train(config, hyper, run)
    hyper = replace(HYPER, data=[recorded("mmrl/GoToObjS4-v0", name="grid")], demonstrations=0)
    config, _, run = make("other", hyper=hyper)
    with pytest.raises(UserError, match=r"has the actions Discrete\(7\)"):
        BCAgent.train(config, hyper, run)
    hyper = replace(HYPER, data=["no/such-v0"])
    with pytest.raises(UserError, match="no dataset 'no/such-v0'"):
        BCAgent.train(*make("none", hyper=hyper)[:1], hyper, run)


def test_nothing_to_learn_from_is_refused(make):
    config, hyper, run = make(env_args={"skill": 0.0})
    with pytest.raises(UserError, match="no demonstration to learn from: 60 episodes failed"):
        BCAgent.train(config, hyper, run)


def test_instructions_of_each_step_are_learned_from(tmp_path):
    """One that changes within an episode is read anew."""
    request = Request(LEVER, 2, "test", num_envs=2)
    collect(request, ExpertSource, find_place(str(tmp_path / "data")))
    one = open_dataset(str(tmp_path / "data")).demonstration(0, ["image"])
    assert len(one.instructions) == len(one) == len(one.observations["image"]) == 2
    assert one.success is True
    assert np.array_equal(one.actions, open_dataset(str(tmp_path / "data"))[0].actions)

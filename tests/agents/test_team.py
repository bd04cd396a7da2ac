"""Workers that learn as one get what one process with all environments gets."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import explained_variance
from torch import nn

from mmrl.experiment.run import Run
from mmrl.models.encoders.vector import RunningNorm
from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.team import Team
from tests.warm import context

WORKERS = 2
VARIANTS = {
    "film": ({"text": "small_bert", "text_args": {"width": 8, "layers": 1, "heads": 2}}, {}),
    "lstm": ({"fusion": "concat"}, {"memory": "lstm"}),
    "auxiliary": ({}, {"auxiliary": "world_model"}),
    "frozen": ({"text": "word_gru", "text_args": {}, "text_trained": 0, "image_trained": 0}, {}),
    "large_rewards": ({}, {}),
}


def join(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", rank=rank, world_size=WORKERS, init_method=f"file://{folder}/store"
    )
    return Team(rank, WORKERS)


def leave():
    """End the process once all are done, without the interpreter's farewell: a thread of gloo's
    that asks for the interpreter's lock by then is ended within C++, and takes the process along.
    """
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def spawn(work, *arguments):
    """Have workers do it, who begin with all imported."""
    tasks = [context().Process(target=work, args=(k, *arguments)) for k in range(WORKERS)]
    with pytest.MonkeyPatch.context() as patch:  # they import this file: commands forget its place
        patch.syspath_prepend(Path(__file__).parents[2])
        for task in tasks:
            task.start()
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0] * WORKERS


def train(rank, folder, trainings):
    """A worker: every training in turn."""
    team = join(rank, folder)
    for config, hyper in trainings:
        run = Run.open(config.out)
        PPOAgent.train(config, hyper, run, team=team, show=lambda _: None)
    leave()


def test_two_workers_are_one(make_run, hyper, tiny, curves, tmp_path):
    alone, trainings = {}, []
    for name, (model, more) in VARIANTS.items():
        large = {"env_adapter": {"reward_scale": 1_000}} if name == "large_rewards" else {}
        settings = {
            "model": replace(tiny, **model), "steps": 96, "checkpoint_every": 32,
            "env_args": {"max_steps": 5, **large},
        }  # fmt: skip
        how = replace(hyper, n_steps=4, batch_size=16, **more)
        config, alone[name] = make_run(tmp_path / f"{name}-alone", **settings)
        PPOAgent.train(config, how, alone[name])
        config, _ = make_run(tmp_path / name, **settings)
        trainings.append((config, how))
    spawn(train, str(tmp_path), trainings)
    for name, one in alone.items():
        team = Run.open(tmp_path / name)
        expected, got = one.read_checkpoint(), team.read_checkpoint()
        assert got.steps == expected.steps == 96
        for weight, right in expected.weights.items():
            torch.testing.assert_close(got.weights[weight], right, rtol=1e-3, atol=1e-4)
        right, values = curves(one), curves(team)
        assert values.keys() == right.keys()
        for tag, points in right.items():
            assert [step for step, _ in values[tag]] == [step for step, _ in points]
            np.testing.assert_allclose(
                [value for _, value in values[tag]],
                [value for _, value in points],
                rtol=1e-3, atol=1e-4, err_msg=f"{name}: {tag}",
            )  # fmt: skip
        assert len(got.state["others"]) == 1


def test_a_team_of_another_size_goes_on_with_new_episodes(make_run, hyper, tmp_path):
    config, run = make_run(tmp_path / "run", steps=256)
    spawn(train, str(tmp_path), [(config, hyper)])
    with pytest.warns(UserWarning, match="the checkpoint is of 2 workers, and now there are 1"):
        PPOAgent.train(replace(config, steps=512), hyper, run, resume=True)
    assert run.newest_checkpoint().name == "step_512"


def sums(rank, folder):
    """A worker: what two compute together against what one computes of it all."""
    team, rows = join(rank, folder), torch.arange(10, dtype=torch.float32) ** 2
    own = slice(0, 3) if rank == 0 else slice(3, 10)  # not even
    right = (rows - rows.mean()) / (rows.std() + 1e-8)
    torch.testing.assert_close(team.normalized(rows[own]), right[own])
    nothing = rows[:0] if rank == 0 else rows
    torch.testing.assert_close(team.normalized(nothing), right[:0] if rank == 0 else right)
    least = float(2 * rows.std())
    torch.testing.assert_close(team.normalized(rows[own], least), right[own] / 2)
    predicted = rows.sqrt()
    expected = explained_variance(predicted.numpy(), rows.numpy())
    assert team.explained_variance(predicted[own], rows[own]) == pytest.approx(expected, rel=1e-5)
    assert np.isnan(team.explained_variance(rows[own], torch.ones(10)[own]))
    assert team.any(rank == 1)
    assert not team.any(False)
    assert team.gather(rank * "x") == (["", "x"] if rank == 0 else None)
    assert torch.equal(
        team.among_all(torch.ones(2, 1)).flatten(), torch.tensor([1.0, 1, 0, 0]).roll(2 * rank)
    )

    module = nn.ModuleDict(
        {"used": nn.Linear(2, 1), "here": nn.Linear(2, 1), "idle": nn.Linear(1, 1)}
    )
    module["statistics"] = nn.BatchNorm1d(2)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.fill_(rank)
    team.agree(module)
    assert all((tensor == 0).all() for tensor in (*module.parameters(), *module.buffers()))
    module["used"](torch.full((1, 2), 1.0 + rank)).sum().backward()
    if rank == 1:
        module["here"](torch.ones(1, 2)).sum().backward()
    figures = team.combine(module, {"loss": torch.tensor(2.0 + rank)})
    assert figures["loss"] == 5
    assert module["used"].weight.grad.tolist() == [[3.0, 3.0]]
    assert module["here"].weight.grad.tolist() == [[1.0, 1.0]]
    assert module["idle"].weight.grad is None
    module["statistics"].running_mean.fill_(rank)
    data, norm = torch.arange(12, dtype=torch.float32).reshape(6, 2) ** 2, RunningNorm(2)
    norm(data[:2])
    norm(data[2:3] if rank == 0 else data[3:])
    module["vectors"] = norm
    module["frozen"] = nn.BatchNorm1d(2).eval()
    module.register_buffer("constant", torch.ones(1))
    versions = module["frozen"].running_mean._version, module.constant._version
    team.average_statistics(module)
    assert module["statistics"].running_mean.tolist() == [0.5, 0.5]
    everything = torch.cat([data, data[:2]])  # both have seen the first two
    torch.testing.assert_close(norm.running_mean, everything.mean(0))
    torch.testing.assert_close(norm.running_var, everything.var(0, correction=0))
    assert norm.count.tolist() == [4, 4]
    assert (module["frozen"].running_mean._version, module.constant._version) == versions
    leave()


def test_what_a_team_computes(tmp_path):
    spawn(sums, str(tmp_path))


def test_environments_are_seeded_by_their_number_among_all(make_batch):
    whole, part = make_batch(num_envs=6), make_batch(num_envs=3)
    part.team = Team(1, 2)
    whole.seed(5)
    part.seed(5)
    assert np.array_equal(whole.reset()["image"][3:], part.reset()["image"])

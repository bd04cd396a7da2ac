"""``mmrl collect --by RUN``: rollouts of a trained agent."""

import pytest

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl_agents.algorithms.ppo import PPOAgent


@pytest.fixture(scope="module")
def run_folder(make_run, hyper, tmp_path_factory):
    """A run of a few steps."""
    config, run = make_run(tmp_path_factory.mktemp("collect") / "run")
    PPOAgent.train(config, hyper, run)
    return config, run


def test_by_a_run(run_folder, tmp_path, capsys):
    config, run = run_folder
    collected = []
    for name in ("one", "two"):
        arguments = ["--episodes", "6", "--num_envs", "4", "--env_args", "{max_steps: 9}"]
        out = str(tmp_path / name)
        assert main(["collect", config.env, "--by", str(run.path), "--out", out, *arguments]) == 0
        rollouts = open_dataset(out)
        assert rollouts.by == f"{run.path}, {run.newest_checkpoint().name}"
        assert rollouts.by in capsys.readouterr().out
        collected.append([(one.seed, one.actions.tolist()) for one in rollouts])
    assert collected[0] == collected[1]
    assert len({str(actions) for _, actions in collected[0]}) > 1
    assert max(len(actions) for _, actions in collected[0]) <= 9

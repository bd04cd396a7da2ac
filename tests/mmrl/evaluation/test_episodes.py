"""Exactly one episode a seed is played and counted."""

import numpy as np
import pytest

from mmrl.contract import EVAL_SEED_START, IMAGE, INSTRUCTION, IS_SUCCESS
from mmrl.evaluation import episodes
from mmrl.evaluation.episodes import play_episodes
from mmrl.wrappers.adapters import make_env

GRID = "mmrl/GoToObjS4-v0"


def by_the_pixels(image, instruction):
    """An action that follows from the observation, and reaches its aim now and then."""
    return (int(image.astype(np.int64).sum()) // 5 + len(instruction)) % 3


def obedient(image, instruction):
    return int(instruction.endswith("right"))


def always_left(image, instruction):
    return 0


def plain_loop(env_id, choose, seeds, **env_args):
    """The same episodes, one environment after the other."""
    rows = []
    for seed in seeds:
        env = make_env(env_id, **env_args)
        observation, _ = env.reset(seed=seed)
        length, total, over = 0, 0.0, False
        while not over:
            action = choose(observation[IMAGE], observation[INSTRUCTION])
            observation, reward, terminated, truncated, info = env.step(action)
            length, total, over = length + 1, total + reward, terminated or truncated
        rows.append((info[IS_SUCCESS], length, total))
        env.close()
    return zip(*rows, strict=True)


@pytest.mark.parametrize(
    ("env_id", "choose"), [("test/Signals-v0", always_left), (GRID, by_the_pixels)]
)
def test_as_a_plain_loop(signals, scripted, env_id, choose):
    played = play_episodes(scripted(choose), env_id, 12, first_seed=50)
    success, lengths, returns = plain_loop(env_id, choose, range(50, 62))
    assert played.success.tolist() == list(success)
    assert played.lengths.tolist() == list(lengths)
    assert played.returns.tolist() == pytest.approx(list(returns))
    assert 0 < played.success.sum() < 12  # both outcomes are among them


def test_counts_are_exact(signals, scripted):
    played = play_episodes(scripted(obedient), signals, 9)
    assert played.success.all()
    assert played.lengths.tolist() == [1] * 9
    summary = played.summary()
    assert summary["success_rate"] == summary["success_rate_95"][1] == 1
    assert summary["episodes"] == 9
    assert summary["mean_length"] == summary["mean_return"] == 1
    assert summary["seeds"] == [EVAL_SEED_START, EVAL_SEED_START + 8]


def test_quick_episodes_count_no_more_than_slow_ones(signals, scripted):
    played = play_episodes(scripted(always_left), signals, 20)
    left = [
        make_env(signals).reset(seed=EVAL_SEED_START + k)[0][INSTRUCTION].endswith("left")
        for k in range(20)
    ]
    assert played.success.tolist() == left
    assert played.lengths.tolist() == [1 if quick else 4 for quick in left]


@pytest.mark.parametrize("batch", [1, 3, 5, 64])
@pytest.mark.parametrize("env_id", [GRID, "test/Signals-v0"])
def test_batches_do_not_matter(signals, scripted, monkeypatch, env_id, batch):
    choose = by_the_pixels if env_id == GRID else always_left
    whole = play_episodes(scripted(choose), env_id, 10)
    monkeypatch.setattr(episodes, "_BATCH", batch)
    parts = play_episodes(scripted(choose), env_id, 10)
    assert np.array_equal(parts.success, whole.success)
    assert np.array_equal(parts.lengths, whole.lengths)
    assert np.array_equal(parts.returns, whole.returns)


def test_few_simulators_are_there_at_once(scripted, signals, monkeypatch):
    """Environments without a batched engine are reset and used again."""
    made = []
    make = episodes.make_vec_env
    monkeypatch.setattr(
        episodes, "make_vec_env", lambda env, count, **args: made.append(count) or make(env, count)
    )
    assert len(play_episodes(scripted(always_left), signals, 40).success) == 40
    assert len(play_episodes(scripted(always_left), signals, 5).success) == 5
    assert len(play_episodes(scripted(by_the_pixels), GRID, 40).success) == 40
    assert made == [16, 5, 40]


def test_arguments_of_the_environment(signals, scripted):
    played = play_episodes(scripted(always_left), signals, 8, env_args={"limit": 2})
    assert set(played.lengths.tolist()) == {1, 2}


def test_progress_adds_up(signals, scripted, monkeypatch):
    monkeypatch.setattr(episodes, "_BATCH", 4)
    counts = []
    play_episodes(scripted(always_left), signals, 10, on_episodes=counts.append)
    assert sum(counts) == 10
    assert all(count > 0 for count in counts)


def test_fewer_than_one_episode(signals, scripted):
    with pytest.raises(ValueError, match="0 episodes"):
        play_episodes(scripted(always_left), signals, 0)


def test_sampling_is_seeded_and_leaves_the_generator_alone(signals, scripted):
    import torch

    def play():
        actor = scripted(lambda image, instruction: int(torch.randint(2, ())))
        return play_episodes(actor, signals, 30).lengths.tolist()

    torch.manual_seed(1)
    first, after = play(), torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after
    assert play() == first


def test_episodes_that_do_not_end(screen, scripted):
    actor = scripted(always_left)
    with pytest.warns(UserWarning, match=r"test/Screen-v0: .* 7 steps.*--max-episode") as caught:
        played = play_episodes(
            actor, screen, 3, env_args={"limit": 10**9}, max_episode_steps=7
        )  # fmt: skip
    assert len(caught) == 1
    assert actor.calls == 7
    assert played.lengths.tolist() == [7] * 3
    assert not played.success.any()
    summary = played.summary()
    assert (summary["episodes_at_limit"], summary["max_episode_steps"]) == (3, 7)


def test_a_limit_that_is_not_reached_is_not_reported(screen, scripted):
    played = play_episodes(scripted(always_left), screen, 3, max_episode_steps=4)
    assert played.at_limit == 0
    assert "episodes_at_limit" not in played.summary()


def test_a_limit_by_default(screen, scripted, monkeypatch):
    monkeypatch.setattr("mmrl.wrappers.episode_limit.MAX_EPISODE_STEPS", 9)
    with pytest.warns(UserWarning, match="9 steps"):
        played = play_episodes(scripted(always_left), screen, 2, env_args={"limit": 10**9})
    assert played.lengths.tolist() == [9, 9]
    longer = play_episodes(scripted(always_left), GRID, 2, env_args={"max_steps": 11})
    assert longer.lengths.tolist() == [11, 11]
    assert longer.at_limit == 0

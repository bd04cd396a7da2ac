"""The memory of outcomes: which steps of a rollout it keeps, how it draws them, and its state."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl_agents.buffers.outcomes import OutcomeReplay
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer

SEEN = spaces.Dict(
    image=spaces.Box(0, 255, (2, 2, 3), "uint8"), instruction=spaces.Box(0, 9, (4,), "int32")
)


@pytest.fixture
def rollout():
    """Four steps of three environments; the image is the step's number, the action its negative.

    Step 1 of the first environment is rewarded and ends the episode, of the second it ends it
    without a reward, of the third a time limit cuts it.
    """
    made = MultimodalRolloutBuffer(4, SEEN, spaces.Discrete(300), "cpu", n_envs=3)
    numbers = np.arange(12).reshape(4, 3)
    made.observations["image"][:] = torch.from_numpy(numbers)[..., None, None, None]
    made.actions[:] = numbers[..., None] + 10
    made.episode_starts[2] = 1
    made.rewards[1, 0] = 0.5
    made.cut[1, 2] = True
    made.rewards[1, 2] = 0.9  # bootstrapped
    return made


def contents(replay, count=64):
    drawn = replay.sample(count)
    numbers = drawn.observations["image"][:, 0, 0, 0].long()
    assert torch.equal(drawn.actions.flatten().long(), numbers + 10)
    good = drawn.rewarded > 0
    assert good.sum() == (~good).sum() == count
    return set(numbers[~good].tolist()), set(numbers[good].tolist())


def test_endings_without_a_reward_are_kept_beside_the_rewarded_steps(rollout):
    replay = OutcomeReplay(8)
    replay.add(rollout)
    assert len(replay) == 1
    assert contents(replay) == ({4}, {3})


def test_where_no_episode_ends_without_a_reward_other_steps_are_kept(rollout):
    rollout.episode_starts[:, 1] = 0
    replay = OutcomeReplay(8)
    replay.add(rollout)
    others, rewarded = contents(replay)
    assert rewarded == {3}
    assert len(others) == 1
    assert others <= set(range(12)) - {3, 5}  # not what a time limit cut


def test_one_rollout_does_not_fill_it_and_new_steps_replace_old_ones(rollout):
    rollout.rewards[:] = 1
    rollout.rewards[1, 1] = rollout.rewards[2, 1] = 0
    replay = OutcomeReplay(8)
    for _ in range(3):
        replay.add(rollout)
        assert len(replay) <= 8
    assert len(contents(replay)[1]) <= 6
    for _ in range(40):
        rollout.observations["image"][:] += 5
        rollout.actions[:] += 5
        replay.add(rollout)
    assert min(contents(replay, 200)[1]) >= 12  # the first ones are gone


def test_it_resumes_from_its_state(rollout):
    replay, again = OutcomeReplay(8), OutcomeReplay(8)
    replay.add(rollout)
    again.set_state(replay.get_state())
    for _ in range(2):
        one, other = replay.sample(5), again.sample(5)
        assert torch.equal(one.actions, other.actions)
        for key in SEEN:
            assert torch.equal(one.observations[key], other.observations[key])
        replay.add(rollout)
        again.add(rollout)


def test_a_smaller_one_refuses_its_state(rollout):
    replay = OutcomeReplay(8)
    for _ in range(4):
        replay.add(rollout)
    with pytest.raises(ValueError, match="a memory of 4 steps, not of 2"):
        OutcomeReplay(2).set_state(replay.get_state())

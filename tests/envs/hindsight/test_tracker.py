"""The achievement tracker: step by step exactly what replaying the whole trajectory gives."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.language.languages import translate

BUSY = np.array([2, 2, 4, 4, 3, 3, 0]) / 18
DECIDED = np.array([4, 4, 8, 4, 4, 3, 3]) / 30
LEVELS = [
    "GoToLocal", "PutNextLocal", "OpenDoorLoc", "BossLevel", "UnlockToUnlock", "KeyInBox",
    "PutNextS5N2Carrying", "ActionObjDoorStrict", "PutNextLocalStrict", "BossLevelStrict",
]  # fmt: skip


def sentences_of(moment, actions, language="en"):
    return [tuple(translate(one, language) for one in step) for step in moment.achieved(actions)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("by", ["random", "expert", "both"])
def test_the_tracker_agrees_with_the_replayed_trajectory(level, by):
    rng = np.random.default_rng(0)
    options = {"achieved": True, "max_steps": 60, "num_threads": 2}
    env = gym.make_vec(f"mmrl/{level}-v0", 6, autoreset_mode=AutoresetMode.SAME_STEP, **options)
    worlds = env.unwrapped.worlds
    _, infos = env.reset(seed=3)
    assert infos["achieved"].tolist() == [()] * 6
    starts = [worlds.moment(e) for e in range(6)]
    actions, tracked = [[] for _ in range(6)], [[] for _ in range(6)]
    episodes = achieved = 0
    for t in range(150):
        chosen = rng.choice(7, 6, p=DECIDED if level.endswith("Strict") else BUSY)
        if by == "expert" or (by == "both" and t % 2):
            chosen = env.unwrapped.expert_actions("full")
        _, _, terminated, truncated, infos = env.step(chosen)
        over = terminated | truncated
        assert infos["_achieved"].all()
        for e in range(6):
            actions[e].append(chosen[e])
            now = infos["final_info"] if over[e] else infos
            assert now["_achieved"][e]
            tracked[e].append(now["achieved"][e])
            if over[e]:
                assert tracked[e] == sentences_of(starts[e], actions[e])
                assert infos["achieved"][e] == ()
                episodes += 1
                achieved += sum(map(len, tracked[e]))
                starts[e], actions[e], tracked[e] = worlds.moment(e), [], []
        if over.any():
            assert not infos["final_info"]["_achieved"][~over].any()
            assert set(infos["final_info"]["achieved"][~over]) <= {None}
    for e in range(6):
        assert tracked[e] == sentences_of(starts[e], actions[e])
    assert episodes >= 6
    assert achieved > 20


@pytest.mark.parametrize("level", ["GoToLocal", "BossLevel"])
def test_a_single_environment_tracks_in_its_language(level):
    env = gym.make(f"mmrl/{level}-v0", achieved=True, language="zh").unwrapped
    _, info = env.reset(seed=5)
    assert info["achieved"] == ()
    start = env.worlds.moment(0)
    actions = np.random.default_rng(1).choice(7, 60, p=BUSY)
    tracked = []
    for action in actions:
        _, _, terminated, truncated, info = env.step(action)
        tracked.append(info["achieved"])
        if terminated or truncated:
            break
    assert tracked == sentences_of(start, actions[: len(tracked)], "zh")
    assert any(tracked)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_infos_as_in_gymnasiums_own_batch(assert_same, mode):
    options = {"max_steps": 12, "achieved": True, "describe": True}
    ours = gym.make_vec("mmrl/PickupLoc-v0", 4, autoreset_mode=mode, **options)
    theirs = gym.make_vec(
        "mmrl/PickupLoc-v0",
        4,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **options,
    )
    assert_same(ours.reset(seed=0)[1], theirs.reset(seed=0)[1])
    for actions in np.random.default_rng(0).choice(7, (60, 4), p=BUSY):
        assert_same(ours.step(actions)[4], theirs.step(actions)[4])


def test_a_partial_reset_has_infos_of_those_alone():
    env = gym.make_vec(
        "mmrl/GoToLocal-v0", 3, autoreset_mode="Disabled", achieved=True, describe=True
    )
    env.reset(seed=0)
    env.step(np.array([2, 2, 2]))
    _, infos = env.reset(options={"reset_mask": np.array([True, False, True])})
    assert infos["achieved"].tolist() == [(), None, ()]
    assert infos["_achieved"].tolist() == [True, False, True]
    assert infos["description"][1] is None
    assert infos["description"][0].startswith("the agent ")


def test_off_by_default():
    env = gym.make_vec("mmrl/GoToLocal-v0", 2)
    _, infos = env.reset(seed=0)
    assert set(infos) == {"clauses_done", "_clauses_done"}
    assert env.unwrapped.worlds.tracker is None


def test_a_snapshot_resumes_where_it_was():
    options = {"achieved": True, "max_steps": 200}
    one, two = (gym.make_vec("mmrl/BossLevel-v0", 3, **options).unwrapped for _ in range(2))
    plain = gym.make_vec("mmrl/BossLevel-v0", 3, max_steps=200).unwrapped
    one.reset(seed=0)
    plain.reset(seed=0)
    actions = np.random.default_rng(0).choice(7, (120, 3), p=BUSY)
    for step in actions[:60]:
        one.step(step)
        plain.step(step)
    state = one.get_state()
    two.reset(seed=9)
    two.step(actions[0])
    two.set_state(state)
    for step in actions[60:]:
        ours, theirs = one.step(step)[4]["achieved"], two.step(step)[4]["achieved"]
        assert ours.tolist() == theirs.tolist()
    plain.set_state(state)  # without a tracker, its record is not needed
    two.set_state(plain.get_state())  # tracked from here on
    start = two.worlds.moment(0)
    tracked = [two.step(step)[4]["achieved"][0] for step in actions[:5]]
    assert tracked == sentences_of(start, actions[:5, 0])
    broken = state | {"achieved_agent_direction": np.full(3, 7, np.int32)}
    with pytest.raises(ValueError, match="achieved_agent_direction of the state must be 0 to 3"):
        two.set_state(broken)
    del broken["achieved_agent_direction"]
    with pytest.raises(ValueError, match="the state lacks achieved_agent_direction"):
        two.set_state(broken)

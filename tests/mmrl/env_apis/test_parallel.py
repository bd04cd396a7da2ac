"""PettingZoo's parallel environments: every agent is one environment of the batch."""

import numpy as np
import pytest
from gymnasium import spaces
from worlds.walkers import LENGTHS, SavedWalkers, Walkers

from mmrl.env_apis.creation import as_gymnasium
from mmrl.env_apis.parallel import AgentGroup, blank_of, emptied
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import round_trip
from mmrl.wrappers.adapters import instruction_words, make_env, make_vec_env
from mmrl.wrappers.making import adaptation
from mmrl.wrappers.state import batch_state, set_batch_state, try_state

PATH = "worlds.walkers:Walkers"
SAVED = "worlds.walkers:SavedWalkers"
NAMES = list(LENGTHS)


def played(env, actions):
    """What a parallel environment itself gives: observations, rewards and ends by agent."""
    steps = []
    for action in actions:
        given = {one: int(action[NAMES.index(one)]) for one in env.agents}
        steps.append(env.step(given))
    return steps


def test_words_are_those_of_all_agents():
    assert instruction_words(PATH) == sorted(["walk", *NAMES])


def test_agents_are_the_environments_of_a_batch():
    own = [Walkers(), Walkers()]
    firsts = [own[0].reset(seed=5)[0], own[1].reset(seed=8)[0]]
    env = make_vec_env(PATH, 6)
    observation, _ = env.reset(seed=5)  # 5 to 10, of which a copy has that of its first agent
    actions = np.random.default_rng(0).integers(3, size=(4, 6))
    for row, agent in enumerate(2 * NAMES):
        assert observation["place"][row].tolist() == firsts[row // 3][agent]["place"].tolist()
        assert observation["instruction"][row] == f"walk {agent}"
    expected = [played(one, actions[:, 3 * k : 3 * k + 3]) for k, one in enumerate(own)]
    for step, action in enumerate(actions, 1):
        observation, rewards, terminated, truncated, infos = env.step(action)
        for row, agent in enumerate(2 * NAMES):
            _, theirs, *_ = expected[row // 3][step - 1]
            assert rewards[row] == theirs.get(agent, 0.0)
        assert (terminated | truncated).tolist() == [step == 4] * 6
        if step == 3:  # "ann" ended in the step before, and waits
            assert observation["place"][:, 1].tolist() == [0, 3, 3, 0, 3, 3]
            assert observation["instruction"][0] == "walk ann"
    assert terminated.all()  # "eve" was truncated before the end, and bootstraps from nothing
    assert infos["final_info"]["is_success"].tolist() == [True, False, True] * 2
    last = [one["place"].tolist() for one in infos["final_obs"]]
    assert last[0] == [0, 0]
    assert last[1] == expected[0][3][0]["bob"]["place"].tolist()
    assert observation["place"][:, 1].tolist() == [0] * 6  # of the episodes that have begun
    assert infos["name"].tolist() == 2 * NAMES
    env.close()


def test_an_agent_that_is_cut_at_the_end_is_truncated(monkeypatch):
    monkeypatch.setitem(LENGTHS, "eve", 4)
    env = make_vec_env(PATH, 3)
    env.reset(seed=0)
    for _ in range(4):
        *_, terminated, truncated, _ = env.step(np.ones(3, int))
    assert (terminated.tolist(), truncated.tolist()) == ([True, True, False], [False, False, True])


def test_an_agent_may_appear_later():
    env = make_vec_env(PATH, 3, late=True)
    observation, _ = env.reset(seed=1)
    assert observation["place"][2].tolist() == [0, 0]
    assert observation["instruction"][2] == "-"
    observation, rewards, *_ = env.step(np.ones(3, int))
    assert observation["place"][2, 1] == 1
    assert rewards[2] == 0
    _, rewards, *_ = env.step(np.ones(3, int))
    assert rewards[2] > 0


def test_a_batch_holds_whole_copies():
    with pytest.raises(UserError, match=r"num_envs=4: .* has 3 agents.* such as 6"):
        make_vec_env(PATH, 4)
    env = make_vec_env(PATH, 4, round_up=True)
    assert env.num_envs == 6
    with pytest.raises(UserError, match=r"time_limit=9: the agents .* end together"):
        make_vec_env(PATH, 3, env_adapter={"time_limit": 9})


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("steps", [0, 2, 3, 5])
def test_the_exact_state(workers, steps):
    """With agents that wait, and after an end; what follows is the same in another batch."""

    def step(env, count):
        seen = [env.step(actions) for actions in rng.integers(3, size=(count, 9))]
        return repr([(one[0], *map(np.ndarray.tolist, one[1:4]), one[4]) for one in seen])

    envs = [make_vec_env(SAVED, 9, env_workers=workers) for _ in range(2)]
    assert try_state(envs[0], round_trip) is None
    envs[0].reset(seed=3)
    rng = np.random.default_rng(0)
    step(envs[0], steps)
    state = round_trip(batch_state(envs[0]))
    rng = np.random.default_rng(1)
    expected = step(envs[0], 9)
    envs[1].reset(seed=99)
    set_batch_state(envs[1], state)
    rng = np.random.default_rng(1)
    assert step(envs[1], 9) == expected
    for env in envs:
        env.close()


def test_without_a_state_it_is_said():
    env = make_vec_env(PATH, 3)
    assert try_state(env, round_trip) == "has no get_state() and set_state(state)"
    assert batch_state(env) is None


def test_of_infos_only_plain_data_is_kept():
    group = AgentGroup(SavedWalkers())
    for agent in NAMES:
        group.begin(agent, 0, None)
    group._last["ann"] = {"is_success": True, "map": {"a": [np.ones(2)]}, "engine": object()}
    kept = group.get_state()["last"]["ann"]
    assert kept["is_success"] is True
    assert kept.keys() == {"is_success", "map"}
    assert not AgentGroup(Walkers()).has_state


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_step_whole_copies(workers):
    one, other = make_vec_env(PATH, 9), make_vec_env(PATH, 9, env_workers=workers)
    assert other.num_envs == 9
    first, second = one.reset(seed=4)[0], other.reset(seed=4)[0]
    assert first["place"].tolist() == second["place"].tolist()
    for actions in np.random.default_rng(0).integers(3, size=(9, 9)):
        here, there = one.step(actions), other.step(actions)
        assert here[0]["place"].tolist() == there[0]["place"].tolist()
        assert list(here[0]["instruction"]) == list(there[0]["instruction"])
        for k in (1, 2, 3):
            assert here[k].tolist() == there[k].tolist()
        assert repr(here[4]) == repr(there[4])
    other.close()
    with pytest.raises(UserError, match=r"num_envs=4: .* has 3 agents.* such as 6"):
        make_vec_env(PATH, 4, env_workers=2)


def test_different_spaces_name_the_agent():
    with pytest.raises(
        UserError, match=r"agent 'bob' has the action_space Discrete\(4\), and 'ann"
    ):
        make_env(PATH, odd=True)


def test_agents_that_nobody_named():
    group = AgentGroup(Walkers(stranger=True))
    for agent in NAMES:
        group.begin(agent, 0, None)
        group.give(agent, 1)
    with pytest.raises(UserError, match="agent 'zoe' is none of its possible_agents"):
        group.result("ann")


def test_turn_based_environments_are_refused():
    class Chess(Walkers):
        def agent_iter(self): ...
        def last(self): ...

    with pytest.raises(UserError, match="give its parallel_env"):
        as_gymnasium(Chess(), "chess")


def test_one_environment_takes_turns():
    env = make_env(PATH, render_mode="rgb_array")
    own = Walkers()
    own.reset(seed=3)
    observation, _ = env.reset(seed=3)
    shown, total, theirs, is_over = [observation["instruction"]], 0.0, 0.0, False
    while not is_over:
        observation, reward, terminated, truncated, info = env.step(2)
        total += reward
        is_over = terminated or truncated
        shown.append(observation["instruction"])
    assert shown[:9] == [f"walk {one}" for one in [*NAMES, *NAMES, "bob", "eve", "bob"]]
    assert len(shown) == sum(LENGTHS.values()) + 1
    while own.agents:
        theirs += sum(own.step(dict.fromkeys(own.agents, 2))[1].values())
    assert total == theirs
    assert info["is_success"] is False  # "bob" has not succeeded
    assert env.render()[0, 0, 0] == 4
    assert ("agents", "ann, bob, eve", "3 of a batch", "one policy for all") in adaptation(env)
    env.close()


def test_what_agents_see_that_are_not_there():
    space = spaces.Dict(
        box=spaces.Box(2, 5, (2,)), pair=spaces.Tuple([spaces.Discrete(3, start=1)]),
        text=spaces.Text(9, min_length=3),
    )  # fmt: skip
    blank = blank_of(space)
    assert space.contains(blank)
    assert (blank["box"].tolist(), blank["pair"], blank["text"]) == ([2, 2], (1,), "zzz")
    seen = {"box": np.full(2, 4, np.float32), "pair": (3,), "text": "walk"}
    assert emptied(seen, space)["text"] == "walk"
    assert emptied(seen, space)["pair"] == (1,)

"""A batch that plays the levels of a curriculum: through Gymnasium alone, ours and others'."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from mmrl.wrappers.adapters import make_env, make_vec_env
from mmrl_agents.curriculum.config import CurriculumConfig
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.vector_env import CurriculumVector

GRID = "mmrl/GoToLocalS5N2-v0"
ENVS = 4


def wrapped(env_id, kind="plr", **env_args):
    config = CurriculumConfig(kind, first=2, replay=0.6, size=8)
    curriculum = Curriculum(ENVS, config, seed=5)
    return CurriculumVector(make_vec_env(env_id, ENVS, **env_args), curriculum)


def play(env, steps, seed=0):
    """What is seen, by step: observation, levels, infos; scores are random."""
    generator = np.random.default_rng(seed)
    observation, _ = env.reset(seed=123)
    yield observation, [one.level for one in env.curriculum._playing], {}
    for step in range(steps):
        actions = generator.integers(env.single_action_space.n, size=ENVS)
        observation, *_, infos = env.step(actions)
        if step % 10 == 9:
            env.curriculum.update(*generator.random((2, 10, ENVS)))
        yield observation, [one.level for one in env.curriculum._playing], infos


@pytest.mark.parametrize(("env_id", "kind"), [(GRID, "plr"), (GRID, "accel"), ("counter", "plr")])
def test_episodes_begin_as_their_levels_do(env_id, kind, counter):
    env_id = counter if env_id == "counter" else env_id
    env = wrapped(env_id, kind)
    alone = make_env(env_id)
    begun, levels = 0, set()
    for observation, playing, infos in play(env, 400):
        over = infos.get("_final_info", np.full(ENVS, begun == 0))
        for e in np.flatnonzero(over):
            seed, *edits = playing[e]
            options = {"edits": edits} if edits else None
            expected, _ = alone.reset(seed=seed, options=options)
            assert np.array_equal(observation["image"][e], expected["image"])
            assert observation["instruction"][e] == expected["instruction"]
            begun += 1
            levels.add(playing[e])
    assert len(levels) < begun - 10  # replays
    assert any(len(level) > 1 for level in levels) == (kind == "accel")
    env.close()


def test_infos_tell_of_the_end_and_of_what_begins():
    env = wrapped(GRID, describe=True, max_steps=4)
    described = 0
    for observation, playing, infos in play(env, 12):
        if "_final_info" not in infos:
            continue
        assert infos["_final_info"].all()
        for e in range(ENVS):
            alone = gym.make(f"mmrl_envs:{GRID}", describe=True)
            told = alone.reset(seed=playing[e][0])[1]
            assert infos["description"][e] == told["description"]
            described += 1
        assert observation["image"].shape[0] == ENVS
    assert described == 3 * ENVS


def test_the_last_observation_is_of_the_episode_that_ended():
    env, plain = wrapped(GRID, max_steps=3), make_vec_env(GRID, ENVS, max_steps=3)
    *_, (_, playing, _) = play(env, 0)
    plain.reset(seed=[seed for (seed,) in playing])
    for _ in range(3):
        actions = np.full(ENVS, 1)
        infos, expected = env.step(actions)[-1], plain.step(actions)[-1]
    for e in range(ENVS):
        assert np.array_equal(infos["final_obs"][e]["image"], expected["final_obs"][e]["image"])
        assert infos["final_obs"][e]["instruction"] == expected["final_obs"][e]["instruction"]


def test_spoken_instructions_are_said_for_the_level():
    pytest.importorskip("espeakng_loader")
    env = wrapped(GRID, speech={"seconds": 2.0, "noise": 0.01}, max_steps=2)
    *_, (observation, playing, _) = play(env, 2)
    alone = make_env(GRID, speech={"seconds": 2.0, "noise": 0.01})
    for e, (seed,) in enumerate(playing):
        assert np.array_equal(observation["speech"][e], alone.reset(seed=seed)[0]["speech"])


def test_state_there_and_back():
    one, other = wrapped(GRID), wrapped(GRID)
    list(play(one, 25))
    other.set_state(one.get_state())
    other.curriculum.set_state(one.curriculum.get_state())
    generator = np.random.default_rng(1)
    for _ in range(60):
        actions = generator.integers(7, size=ENVS)
        (seen, *rest, _), (also, *same, _) = one.step(actions), other.step(actions)
        assert np.array_equal(seen["image"], also["image"])
        assert all(np.array_equal(a, b) for a, b in zip(rest, same, strict=True))


def test_what_cannot_be(counter):
    with pytest.raises(ValueError, match="cannot begin from edited scenes"):
        wrapped(counter, "accel")
    curriculum = Curriculum(2, CurriculumConfig("plr"))
    later = gym.make_vec(f"mmrl_envs:{GRID}", 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match="SameStep"):
        CurriculumVector(later, curriculum)

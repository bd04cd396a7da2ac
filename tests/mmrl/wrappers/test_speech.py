"""Any environment with an instruction can have it spoken."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from mmrl.contract import contract_violation
from mmrl.errors import UserError
from mmrl.preprocessing.speech import spoken_length
from mmrl.preprocessing.tts import speak
from mmrl.wrappers.adapters import make_env, make_vec_env
from mmrl.wrappers.speech import Speakers, SpokenInstructionsVector

GRID = "mmrl/GoToObjS4-v0"
MANY = {"voices": ["en-us", "en+f3"], "words_per_minute": [120, 250], "noise": 0.01}


@pytest.mark.parametrize("env_id", [GRID, "signals"])
def test_one_environment_speaks(env_id, signals):
    env = make_env(signals if env_id == "signals" else env_id, speech={"seconds": 3})
    assert contract_violation(env.observation_space) is None
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    spoken = speak(observation["instruction"])
    assert np.array_equal(observation["speech"][: len(spoken)], spoken)
    assert not observation["speech"][len(spoken) :].any()
    after = env.step(0)[0]
    assert after["speech"] is observation["speech"]  # spoken once an episode
    env.close()


def test_a_batch_speaks_as_single_environments_do():
    batch = make_vec_env(GRID, 3, speech=MANY)
    observation, _ = batch.reset(seed=5)
    assert observation["speech"].shape == (3, 64_000)
    for e in range(3):
        single = make_env(GRID, speech=MANY)
        alone, _ = single.reset(seed=5 + e)
        assert alone["instruction"] == observation["instruction"][e]
        assert np.array_equal(alone["speech"], observation["speech"][e])


def test_each_episode_is_spoken_again():
    batch = make_vec_env(GRID, 4, speech=MANY)
    before, _ = batch.reset(seed=0)
    kept = before["speech"].copy()
    ends = 0
    for _ in range(60):
        after, _, terminated, truncated, infos = batch.step(batch.action_space.sample())
        for e in range(4):
            if terminated[e] or truncated[e]:
                ends += 1
                assert np.array_equal(infos["final_obs"][e]["speech"], before["speech"][e])
                assert not np.array_equal(after["speech"][e], before["speech"][e])  # new noise
            else:
                assert np.array_equal(after["speech"][e], before["speech"][e])
        assert np.array_equal(before["speech"], kept)  # nothing is changed behind one's back
        before, kept = after, after["speech"].copy()
    assert ends > 0


def test_noise_is_as_loud_as_asked():
    speakers = Speakers(noise=0.05)
    spoken = speakers.speak("go to the red bell", np.random.default_rng(0))
    clean = Speakers().speak("go to the red bell", np.random.default_rng(0))
    length = spoken_length(clean)
    assert 0.045 < (spoken - clean)[:length].std() < 0.055
    assert not spoken[length + 1 :].any()


def test_too_long_to_be_spoken():
    with pytest.warns(UserWarning, match=r"is cut at speech.seconds=0.2"):
        spoken = Speakers(seconds=0.2).speak("go to the red bell", np.random.default_rng(0))
    assert spoken.shape == (3200,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"voices": []}, "give a list"),
        ({"voices": "en-us"}, "give a list"),
        ({"voices": ["xx-none"]}, "unknown voice"),
        ({"words_per_minute": [300, 200]}, "lowest and the highest"),
        ({"pitch": [0, 120]}, "within 0 to 99"),
        ({"noise": -1}, "at least 0"),
        ({"seconds": 0}, "above 0"),
        ({"loudness": 3}, "loudness"),
    ],
)
def test_what_nobody_can_be(arguments, words):
    with pytest.raises(UserError, match=words):
        make_env(GRID, speech=arguments)


def test_a_batch_has_to_restart_within_the_step():
    batch = gym.make_vec(GRID, 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match="SameStep"):
        SpokenInstructionsVector(batch, Speakers())

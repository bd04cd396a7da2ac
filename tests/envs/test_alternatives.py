"""Other instructions for a scene: which there are, whether two ask for the same, giving one."""

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.alternatives import alternative_instructions, are_equivalent
from mmrl_envs.grid.language.instructions import Instruction
from mmrl_envs.grid.worlds import GridWorlds


def begun(level, num_envs, **options):
    worlds = GridWorlds(level, num_envs, strict=True, **options)
    worlds.seed(np.arange(num_envs, dtype=np.uint64))
    worlds.reset()
    return worlds


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whether_a_sentence_asks_for_the_same_thing(language):
    worlds = begun("PickupDist", 64, language=language)
    assert are_equivalent(worlds, worlds.sentences).all()
    others = worlds.sentences[1:] + worlds.sentences[:1]
    state = worlds.state
    equivalent = are_equivalent(worlds, others)
    for e in range(64):
        theirs = worlds.instruction((e + 1) % 64).clauses[0].target
        meant = {
            k for k in range(state.object_count[e]) if theirs.fits(int(state.object_code[e, k]))
        }
        own = {k for k in range(state.object_count[e]) if int(state.tracked[e, 0, 0]) >> k & 1}
        assert equivalent[e] == bool(meant & own)
    assert 0 < equivalent.sum() < 64
    assert not are_equivalent(worlds, ["no such sentence"] * 64).any()
    with pytest.raises(ValueError, match="1 sentences for 64 environments"):
        are_equivalent(worlds, ["open the door"])


@pytest.mark.parametrize("level", ["PickupDist", "GoToLocal", "OpenDoorColor"])
def test_alternative_instructions_ask_for_other_things_of_the_scene(level):
    worlds = begun(level, 24)
    for e in range(24):
        alternatives = alternative_instructions(worlds, e)
        assert len(alternatives) == len(set(alternatives)) > 0
        assert worlds.sentences[e] not in alternatives
        for sentence in alternatives:
            verb, target = Instruction.from_sentence(sentence).clauses[0].verb, sentence
            assert verb == worlds.instruction(e).clauses[0].verb
            asked = [*worlds.sentences[:e], target, *worlds.sentences[e + 1 :]]
            assert not are_equivalent(worlds, asked)[e]


def test_a_sequence_has_no_alternatives():
    assert alternative_instructions(begun("OpenRedBlueDoors", 1), 0) == []


@pytest.mark.parametrize("strict", [False, True])
def test_another_instruction_for_the_same_scene(strict):
    env = gym.make("mmrl/PickupDist-v0", strict=strict, achieved=True).unwrapped
    own, _ = env.reset(seed=4)
    for sentence in env.alternative_instructions():
        given, _ = env.reset(seed=4, options={"instruction": sentence})
        assert given["instruction"] == sentence == str(env.instruction)
        assert (given["image"] == own["image"]).all()
        over = False
        while not over:
            _, _, over, truncated, info = env.step(env.expert_action("full"))
            assert not truncated
        assert info["is_success"]
        assert sentence in info["achieved"]
    with pytest.raises(ValueError, match="cannot be asked for in the scene"):
        env.reset(seed=4, options={"instruction": "open the red door"})
    with pytest.raises(ValueError, match="must begin with"):
        env.reset(seed=4, options={"instruction": "sing"})


def test_other_instructions_for_some_of_a_batch():
    envs = gym.make_vec("mmrl/GoToLocalStrict-v0", num_envs=3).unwrapped
    envs.reset(seed=0)
    own = list(envs.worlds.sentences)
    others = [None, alternative_instructions(envs.worlds, 1)[0], None]
    observation, _ = envs.reset(seed=0, options={"instruction": others})
    assert list(observation["instruction"]) == [own[0], others[1], own[2]]
    with pytest.raises(ValueError, match="1 instructions for 3 environments"):
        envs.reset(seed=0, options={"instruction": ["go to the ball"]})


def test_a_given_alternative_keeps_its_words():
    """Those about "a grey object" included, which minigrid's walls are, too."""
    env = gym.make("mmrl/PickupDist-v0").unwrapped
    grey = 0
    for seed in range(60):
        env.reset(seed=seed)
        for sentence in env.alternative_instructions():
            if "grey object" in sentence:
                given, _ = env.reset(seed=seed, options={"instruction": sentence})
                assert given["instruction"] == sentence
                grey += 1
    assert grey > 5

"""Descriptions of views: true of the image, in the order of nearness."""

import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.world_object import Ball, Box, Door, Key
from minigrid.envs.babyai.core.verifier import GoToInstr, ObjDesc

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core import cells
from mmrl_envs.grid.language.descriptions import Scene

KINDS = {4: "door", 5: "key", 6: "ball", 7: "box"}
STATES = ("an open", "a closed", "a locked")


def expected(symbols):
    """The phrases for Minigrid's symbols [7, 7, 3] of a view, the agent at [3, 6], looking up."""

    def name(kind, color, state):
        article = STATES[state] if kind == 4 else "a"
        return f"{article} {cells.COLORS[color]} {KINDS[kind]}"

    phrases, others = [], []
    if symbols[3, 5, 0] == 2:
        phrases.append("faces a wall")
    elif symbols[3, 5, 0] in KINDS:
        phrases.append(f"faces {name(*symbols[3, 5])}")
    if symbols[3, 6, 0] in KINDS:
        phrases.append(f"carries {name(*symbols[3, 6])}")
    for x in range(7):
        for y in range(7):
            ahead, right = 6 - y, x - 3
            if symbols[x, y, 0] in KINDS and (ahead, right) not in ((0, 0), (1, 0)):
                where = f" {ahead} ahead" * (ahead > 0)
                where += f" {abs(right)} {'left' if right < 0 else 'right'}" * (right != 0)
                nearness = (ahead + abs(right), ahead, right)
                others.append((nearness, f"sees {name(*symbols[x, y])}{where}"))
    return (*phrases, *(phrase for _, phrase in sorted(others)[:3]))


@pytest.mark.parametrize("level", ["GoToLocal", "BossLevel", "UnlockToUnlock", "KeyInBox"])
def test_descriptions_are_those_of_the_view(level):
    env = gym.make(f"mmrl/{level}-v0", describe=True, obs="symbolic").unwrapped
    rng = np.random.default_rng(0)
    verbs = set()
    for seed in range(6):
        observation, info = env.reset(seed=seed)
        over = False
        while not over:
            phrases = expected(observation["image"].astype(int))
            verbs |= {phrase.split()[0] for phrase in phrases}
            assert env.worlds.scene(0).phrases == phrases
            assert info["description"] == str(Scene(phrases))
            action = env.expert_action("full") if rng.random() < 0.8 else rng.integers(7)
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
    assert verbs >= {"faces", "sees"}
    assert "carries" in verbs or level == "GoToLocal"


def test_words(furnished):
    things = {
        (4, 3): Ball("red"), (5, 2): Box("green"), (6, 6): Key("grey"), (3, 2): Key("blue"),
        (3, 4): Ball("blue"), (1, 3): Ball("yellow"),
    }  # fmt: skip
    pair = furnished(things, GoToInstr(ObjDesc("key", "grey")))
    worlds = pair.ours.worlds
    assert str(worlds.scene(0)) == (
        "the agent faces a red ball, sees a blue key 1 left, sees a blue ball 1 right, "
        "sees a green box 2 ahead 1 left"
    )
    pair.step(cells.PICKUP)
    pair.step(cells.RIGHT)
    pair.step(cells.RIGHT)
    assert worlds.scene(0).phrases == (
        "carries a red ball", "sees a blue ball 1 left", "sees a blue key 1 right",
        "sees a yellow ball 2 ahead",
    )  # fmt: skip
    pair.step(cells.FORWARD)
    pair.step(cells.LEFT)
    assert str(worlds.scene(0)) == (
        "the agent carries a red ball, sees a yellow ball 1 right, sees a blue ball 1 ahead 1 left"
    )


@pytest.mark.parametrize(
    ("door", "words"),
    [
        (Door("red", is_open=True), "an open red door"),
        (Door("red"), "a closed red door"),
        (Door("grey", is_locked=True), "a locked grey door"),
    ],
)
def test_doors_and_walls(furnished, door, words):
    pair = furnished({(6, 3): door, (1, 1): Ball("red")}, GoToInstr(ObjDesc("ball", "red")))
    worlds = pair.ours.worlds
    assert str(worlds.scene(0)) == f"the agent sees {words} 3 ahead"
    pair.step(cells.FORWARD)
    pair.step(cells.FORWARD)
    assert str(worlds.scene(0)) == f"the agent faces {words}"
    for action in (cells.RIGHT, cells.FORWARD, cells.FORWARD, cells.FORWARD):
        pair.step(action)
    assert worlds.scene(0).phrases[0] == "faces a wall"


def test_an_empty_view():
    assert str(Scene(())) == "the agent sees nothing"


def test_the_final_observation_is_described():
    options = {"describe": True, "max_steps": 5, "autoreset_mode": "SameStep"}
    env = gym.make_vec("mmrl/GoToLocal-v0", 3, **options)
    alone = gym.make_vec("mmrl/GoToLocal-v0", 3, **options | {"autoreset_mode": "Disabled"})
    env.reset(seed=0)
    alone.reset(seed=0)
    for _ in range(5):
        actions = np.array([0, 0, 1])
        *_, infos = env.step(actions)
        *_, theirs = alone.step(actions)
    assert infos["final_info"]["description"].tolist() == theirs["description"].tolist()
    assert infos["_description"].all()
    _, begun = alone.reset()
    assert infos["description"].tolist() == begun["description"].tolist()

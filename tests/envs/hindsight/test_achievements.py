"""Achievements: all that the verifier would have counted as success, and nothing else."""

import numpy as np
import pytest
from minigrid.core.world_object import Ball, Box, Key
from minigrid.envs.babyai.core.verifier import (
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    PickupInstr,
    PutNextInstr,
)

from mmrl_envs.grid.core import cells
from mmrl_envs.grid.hindsight.events import DESCRIPTIONS
from mmrl_envs.grid.language.instructions import Clause, Description, Instruction
from mmrl_envs.grid.rules.verification import CONTINUE, FAILURE, SUCCESS
from mmrl_envs.grid.worlds import GridWorlds

LEVEL_SAMPLE = [
    "GoToLocal",
    "PutNextLocal",
    "OpenDoorLoc",
    "BossLevel",
    "UnlockToUnlock",
    "KeyInBox",
    "PutNextS5N2Carrying",
]
STRICT = ["ActionObjDoor", "PutNextLocal", "PutNextS5N2Carrying", "BossLevel"]
BUSY = np.array([2, 2, 4, 4, 3, 3, 0]) / 18
DECIDED = np.array([4, 4, 8, 4, 4, 3, 1]) / 28


def begun(level, seed, *, strict=False):
    worlds = GridWorlds(level, 1, strict=strict)
    worlds.seed(np.array([seed], np.uint64))
    worlds.reset()
    return worlds


def without_articles(clause):
    return (
        clause.verb,
        *((one.noun, one.color, one.location) for one in (clause.target, clause.beside) if one),
    )


def candidates(rng):
    """Every clause about one object; of those about two, a thousand at random."""
    nouns = [one for one in DESCRIPTIONS if one.noun != "door"]
    doors = [one for one in DESCRIPTIONS if one.noun == "door"]
    clauses = [Clause("go to", one) for one in DESCRIPTIONS]
    clauses += [Clause("pick up", one) for one in nouns] + [Clause("open", one) for one in doors]
    pairs = rng.integers((len(nouns), len(DESCRIPTIONS)), size=(1000, 2))
    return clauses + [Clause("put", nouns[a], DESCRIPTIONS[b]) for a, b in pairs]


@pytest.mark.parametrize(
    ("level", "strict"),
    [*((level, False) for level in LEVEL_SAMPLE), *((level, True) for level in STRICT)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_achieved_is_what_the_verifier_calls_success(level, seed, strict):
    rng = np.random.default_rng(seed)
    worlds = begun(level, seed, strict=strict)
    if seed == 1:  # from the middle
        for action in rng.choice(7, 15, p=BUSY):
            worlds.step(np.array([action]), np.zeros(1, bool))
    moment = worlds.moment(0)
    actions = rng.choice(7, 120, p=DECIDED if strict else BUSY)
    steps = moment.achieved(actions)
    when = {without_articles(clause): t for t, clauses in enumerate(steps) for clause in clauses}
    assert sum(map(len, steps)) == len(when)  # each once
    checked = set()
    for clause in candidates(rng):
        outcomes = moment.verify(actions, Instruction((clause,)))
        success = len(outcomes) - 1 if outcomes[-1] == SUCCESS else None
        achieved = when.get(without_articles(clause))
        if achieved is None and success is not None and clause.verb == "put":
            continue  # generation would have rejected it: see below
        assert achieved == success, (str(clause), achieved, success)
        checked.add(clause.verb)
    assert checked == {"go to", "pick up", "open", "put"}
    for t, clauses in enumerate(steps):
        for clause in clauses:  # those about two objects, all
            outcomes = moment.verify(actions, Instruction((clause,)))
            assert (len(outcomes) - 1, outcomes[-1]) == (t, SUCCESS)


@pytest.mark.parametrize("level", ["GoToLocal", "PutNextLocal", "BossLevel"])
def test_the_given_instruction_is_among_what_its_success_achieved(level):
    found = 0
    for seed in range(12):
        worlds = begun(level, seed)
        moment, instruction = worlds.moment(0), worlds.instruction(0)
        actions, over = [], np.zeros(1, bool)
        while not over.any():
            actions.append(worlds.expert_actions("full")[0])
            _, terminated, truncated, success, _ = worlds.step(np.array(actions[-1:]), over)
            over = terminated | truncated
        assert success[0]
        outcomes = moment.verify(actions, instruction)
        assert (outcomes[:-1] == CONTINUE).all()
        assert outcomes[-1] == SUCCESS
        if len(instruction.clauses) == 1:
            last = moment.achieved(actions)[-1]
            assert instruction.clauses[0] in last  # "a" and "the" included
            found += 1
    assert found > 2


def test_what_generation_rejects_is_left_out(furnished):
    """Two balls side by side; one is taken away and brought back."""
    things = {(4, 3): Ball("red"), (5, 3): Ball("blue"), (1, 1): Box("grey")}
    pair = furnished(things, GoToInstr(ObjDesc("box", "grey")))
    moment = pair.ours.worlds.moment(0)
    actions = [cells.PICKUP, cells.DROP]
    put = Clause("put", Description("ball", "red"), Description("ball", "blue"))
    assert moment.verify(actions, Instruction((put,)))[-1] == SUCCESS
    verbs = [{clause.verb for clause in step} for step in moment.achieved(actions)]
    assert verbs == [{"go to", "pick up"}, set()]


@pytest.mark.parametrize("order", ["before", "after"])
def test_any_instruction_is_verified_as_in_minigrid(furnished, play, order):
    things = {(4, 3): Key("red"), (3, 5): Ball("blue"), (5, 5): Box("grey")}
    pick, go = PickupInstr(ObjDesc("key", "red")), GoToInstr(ObjDesc("ball", "blue"))
    pair = furnished(things, BeforeInstr(pick, go))
    moment = pair.ours.worlds.moment(0)
    actions = [cells.PICKUP, cells.RIGHT, cells.FORWARD]
    assert play(pair, actions) == (True, True)
    clauses = (
        Clause("pick up", Description("key", "red")),
        Clause("go to", Description("ball", "blue")),
    )
    first, second = clauses if order == "before" else clauses[::-1]
    outcomes = moment.verify(actions, Instruction((first,), (second,), order))
    assert outcomes.tolist() == [CONTINUE, CONTINUE, SUCCESS]
    wrong = Instruction((second,), (first,), order)
    assert moment.verify(actions, wrong).tolist() == [CONTINUE] * 3
    strict = Clause("pick up", Description("ball"), strict=True)
    assert moment.verify(actions, Instruction((strict,))).tolist() == [FAILURE]


def test_put_next_as_in_minigrid(furnished, play):
    things = {(4, 3): Key("red"), (4, 5): Ball("blue")}
    pair = furnished(things, PutNextInstr(ObjDesc("key", "red"), ObjDesc("ball", None)))
    moment = pair.ours.worlds.moment(0)
    actions = [cells.PICKUP, cells.RIGHT, cells.FORWARD, cells.LEFT, cells.DROP]
    assert play(pair, actions) == (True, True)
    last = moment.achieved(actions)[-1]
    assert "put the red key next to the blue ball" in map(str, last)
    assert "put the key next to the object behind you" not in map(str, last)
    assert {clause.verb for clause in last} == {"put"}


def test_sequences_are_achieved():
    worlds = begun("PutNextLocal", 3)
    moment = worlds.moment(0)
    actions = np.random.default_rng(0).choice(7, 150, p=BUSY)
    found = list(moment.sequences(actions, limit=20))
    assert list(moment.sequences(actions, limit=2)) == found[:2]
    assert len(found) >= 3
    assert {one.order for one in found} == {"before", "after", ""}
    for one in found:
        assert moment.verify(actions, one)[-1] == SUCCESS
        assert len(one.clauses) == 2


def test_verifying_changes_nothing(bytes_of):
    worlds = begun("BossLevel", 0)
    before = bytes_of(worlds)
    moment = worlds.moment(0)
    actions = np.random.default_rng(0).integers(0, 7, 50)
    first = moment.achieved(actions)
    moment.verify(actions, worlds.instruction(0))
    list(moment.sequences(actions, limit=3))
    assert moment.achieved(actions) == first
    assert bytes_of(worlds) == before
    worlds.step(np.zeros(1, np.int64), np.zeros(1, bool))
    assert moment.achieved(actions) == first


def test_what_holds_in_a_state(furnished):
    things = {(4, 3): Ball("red"), (1, 1): Key("blue"), (1, 2): Box("grey"), (6, 6): Ball("green")}
    pair = furnished(things, GoToInstr(ObjDesc("box", "grey")))
    sentences = set(map(str, pair.ours.worlds.moment(0).holds()))
    facing = {"go to the red ball", "go to a ball", "go to the red object", "go to a object"}
    assert facing <= sentences
    assert "put the blue key next to the grey box" in sentences
    assert "put the grey box next to the key" in sentences
    assert not any("green" in one for one in sentences)
    pair.step(cells.PICKUP)
    sentences = set(map(str, pair.ours.worlds.moment(0).holds()))
    assert {"pick up the red ball", "pick up a ball"} <= sentences
    assert not any(one.startswith("go to") for one in sentences)


def test_open_doors_hold():
    worlds = begun("OpenRedDoor", 0)
    assert not any(clause.verb == "open" for clause in worlds.moment(0).holds())
    over = np.zeros(1, bool)
    while not over.any():
        _, over, _, _, _ = worlds.step(worlds.expert_actions("full"), over)
    assert "open the red door" in map(str, worlds.moment(0).holds())

"""The kind of an instruction: its verbs, as the grid worlds themselves name it."""

import numpy as np
import pytest

from mmrl_envs.grid.language.instructions import Instruction
from mmrl_envs.grid.language.kinds import instruction_kind
from mmrl_envs.grid.language.languages import translate
from mmrl_envs.grid.worlds import GridWorlds


def test_as_the_grammar_says():
    worlds = GridWorlds("BossLevel", 200)
    worlds.seed(np.arange(200, dtype=np.uint64))
    worlds.reset()
    kinds = set()
    for e in range(200):
        instruction = worlds.instruction(e)
        assert instruction_kind(str(instruction)) == instruction.kind
        kinds.add(instruction.kind)
    assert len(kinds) > 20


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("go to the red ball", "go to"),
        ("put a key next to the box behind you", "put"),
        ("fetch an apple", "fetch"),
        ("press left", "press left"),
        ("open the door after you go to a key and pick up the box", "open after go to and pick up"),
        ("", ""),
    ],
)
def test_english(sentence, kind):
    assert instruction_kind(sentence) == kind


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("put the ball next to a box", "把"),
        ("open the door, then go to a key and open a door", "打开，然后走到并且打开"),
        ("pick up the key after you open a door", "打开之后，拿起"),
    ],
)
def test_chinese(sentence, kind):
    assert instruction_kind(translate(Instruction.from_sentence(sentence), "zh")) == kind

"""The verifier's habits, each in a scene of its own, and minigrid agrees."""

from minigrid.core.world_object import Ball, Box, Door, Key
from minigrid.envs.babyai.core.verifier import (
    AfterInstr,
    AndInstr,
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
GOES_ON, SUCCESS, FAILURE = (False, False), (True, True), (True, False)


def test_go_to_compares_with_the_last_drop(furnished, play):
    """A ball that was picked up is still "there" until something is dropped."""
    things = {(4, 3): Ball("red"), (2, 3): Ball("blue")}
    order = BeforeInstr(GoToInstr(ObjDesc("ball", "blue")), GoToInstr(ObjDesc("ball", "red")))
    pair = furnished(things, order)
    assert play(pair, [PICKUP, LEFT, LEFT, RIGHT]) == (False, False)
    assert play(pair, [RIGHT]) == (True, True)  # faces the cell where the red ball was
    pair = furnished(things, order)
    assert play(pair, [PICKUP, LEFT, DROP, LEFT, LEFT, LEFT]) == (False, False)  # same cell
    assert play(pair, [LEFT]) == (True, True)  # faces the red ball


def test_a_drop_that_fails_makes_positions_known_too(furnished, play):
    things = {(4, 3): Ball("red"), (2, 3): Ball("blue")}
    order = BeforeInstr(GoToInstr(ObjDesc("ball", "blue")), GoToInstr(ObjDesc("ball", "red")))
    pair = furnished(things, order)
    assert play(pair, [PICKUP, LEFT, LEFT, DROP, RIGHT, RIGHT]) == GOES_ON
    assert pair.source.carrying is things[4, 3]


def test_what_was_in_the_hands_before_must_be_picked_up_again(furnished, play):
    things = {(4, 3): Ball("red"), (2, 3): Ball("blue")}
    order = BeforeInstr(GoToInstr(ObjDesc("ball", "blue")), PickupInstr(ObjDesc("ball", "red")))
    pair = furnished(things, order)
    assert play(pair, [PICKUP, LEFT, LEFT]) == GOES_ON  # at the blue ball, holding the red one
    assert play(pair, [PICKUP]) == GOES_ON
    assert play(pair, [LEFT, DROP, PICKUP]) == SUCCESS


def test_after_asks_for_the_second_half_first(furnished, play):
    things = {(4, 3): Ball("red"), (3, 4): Ball("blue")}
    order = AfterInstr(PickupInstr(ObjDesc("ball", "red")), GoToInstr(ObjDesc("ball", "blue")))
    assert play(furnished(things, order), [PICKUP, DROP, RIGHT, LEFT, PICKUP]) == SUCCESS
    assert play(furnished(things, order), [PICKUP, DROP, PICKUP]) == GOES_ON


def test_one_action_may_end_both_halves(furnished, play):
    things = {(4, 3): Ball("red"), (3, 4): Ball("blue")}
    order = BeforeInstr(GoToInstr(ObjDesc("ball", "blue")), GoToInstr(ObjDesc("ball")))
    assert play(furnished(things, order), [RIGHT]) == SUCCESS


def test_and_in_any_order_and_a_wrong_one_is_no_end(furnished, play):
    things = {(4, 3): Key("red"), (3, 4): Ball("blue"), (2, 3): Box("grey")}
    both = AndInstr(
        PickupInstr(ObjDesc("ball"), strict=True), PickupInstr(ObjDesc("key"), strict=True)
    )
    wrong_first = [LEFT, LEFT, PICKUP, DROP, RIGHT, RIGHT]
    key_first = [PICKUP, DROP, RIGHT, PICKUP]
    assert play(furnished(things, both), wrong_first) == GOES_ON
    assert play(furnished(things, both), [*wrong_first, *key_first]) == SUCCESS
    assert (
        play(furnished(things, both), [RIGHT, PICKUP, LEFT, LEFT, DROP, RIGHT, PICKUP]) == SUCCESS
    )


def test_strict_pickup_fails_on_another_thing(furnished, play):
    things = {(4, 3): Key("red"), (3, 4): Ball("blue")}
    strict = PickupInstr(ObjDesc("ball"), strict=True)
    assert play(furnished(things, strict), [PICKUP]) == FAILURE
    assert play(furnished(things, strict), [RIGHT, PICKUP]) == SUCCESS
    assert play(furnished(things, PickupInstr(ObjDesc("ball"))), [PICKUP]) == GOES_ON


def test_strict_open_fails_on_another_door_and_on_closing(furnished, play):
    things = {(4, 3): Door("red"), (3, 4): Door("blue", is_open=True), (2, 3): Box("red")}
    strict = OpenInstr(ObjDesc("door", "red"), strict=True)
    assert play(furnished(things, strict), [TOGGLE]) == SUCCESS
    blue = OpenInstr(ObjDesc("door", "blue"), strict=True)
    things[3, 4].is_open = True
    assert play(furnished(things, blue), [RIGHT, TOGGLE]) == FAILURE  # it was open
    things[3, 4].is_open = True
    assert play(furnished(things, OpenInstr(ObjDesc("door", "blue"))), [RIGHT, TOGGLE]) == GOES_ON
    assert play(furnished(things, blue), [RIGHT, RIGHT, TOGGLE]) == GOES_ON  # a box is no door


def test_a_lock_wants_the_key_of_its_colour(furnished, play):
    order = OpenInstr(ObjDesc("door"))
    for color, end in (("red", SUCCESS), ("blue", GOES_ON)):
        things = {(4, 3): Door("red", is_locked=True), (3, 4): Key(color)}
        pair = furnished(things, order)
        assert play(pair, [TOGGLE]) == GOES_ON
        assert play(pair, [RIGHT, PICKUP, LEFT, TOGGLE]) == end


def test_put_next_counts_at_the_drop_alone(furnished, play):
    things = {(4, 3): Ball("red"), (3, 5): Key("blue"), (6, 6): Box("red")}
    order = PutNextInstr(ObjDesc("ball"), ObjDesc("key"))
    assert play(furnished(things, order), [PICKUP, RIGHT, DROP]) == SUCCESS
    assert play(furnished(things, order), [PICKUP, LEFT, DROP]) == GOES_ON  # too far
    wrong_way = PutNextInstr(ObjDesc("key"), ObjDesc("ball"))
    assert play(furnished(things, wrong_way), [PICKUP, RIGHT, DROP]) == GOES_ON
    strict = PutNextInstr(ObjDesc("ball"), ObjDesc("key"), strict=True)
    assert play(furnished(things, strict), [PICKUP]) == FAILURE


def test_a_box_gives_what_is_in_it_and_is_gone(furnished, play):
    things = {(4, 3): Box("red", Key("blue")), (2, 3): Ball("grey")}
    order = AndInstr(PickupInstr(ObjDesc("box")), GoToInstr(ObjDesc("ball")))
    pair = furnished(things, order)
    assert play(pair, [TOGGLE, PICKUP, LEFT, LEFT]) == GOES_ON
    assert pair.source.carrying.type == "key"

"""Sentences that differ in nothing but their articles ask for the same."""

from mmrl.evaluation.text_metrics import alike, is_among


def test_articles_make_no_difference_and_everything_else_does():
    assert alike("pick up a red ball") == alike("pick up the red ball")
    assert alike("拿起一个红色的球") == alike("拿起那个红色的球")
    assert alike("pick up a red ball") != alike("pick up a red box")
    assert alike("go to a ball") == "go to the ball"
    assert alike("a path that then") == "the path that then"


def test_among_others():
    assert is_among("go to a key", ["open the door", "go to the key"])
    assert not is_among("go to a key", ["open the door"])
    assert not is_among("go to a key", [])

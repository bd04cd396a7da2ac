"""Sentences that differ in nothing but their articles ask for the same."""

from mmrl.language import is_among
from mmrl_envs.grid.language.grid_language import GridLanguage
from mmrl_envs.grid.language.wording import canonical


def test_articles_make_no_difference_and_everything_else_does():
    assert canonical("pick up a red ball") == canonical("pick up the red ball")
    assert canonical("拿起一个红色的球") == canonical("拿起那个红色的球")
    assert canonical("pick up a red ball") != canonical("pick up a red box")
    assert canonical("go to a ball") == "go to the ball"
    assert canonical("a path that then") == "the path that then"


def test_among_others():
    language = GridLanguage()
    assert is_among(language, "go to a key", ["open the door", "go to the key"])
    assert not is_among(language, "go to a key", ["open the door"])
    assert not is_among(language, "go to a key", [])

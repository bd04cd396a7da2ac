"""Several environments under one name: texts, shares, draws, patterns, errors."""

import gymnasium as gym
import pytest
from worlds.words import Heights, Sides

from mmrl.env_apis.registration import env_id_of
from mmrl.env_sets import assign, draw, env_text, members_of, short_name
from mmrl.errors import UserError
from mmrl.registry import find_environments, find_spec
from mmrl.trust import _named as named  # what a command line trusts
from mmrl.trust import modules_named, read_command_line


def test_equal_sets_have_equal_names():
    assert env_text(["b", "a"]) == env_text("[a, b]") == env_text({"a": 1, "b": 1.0}) == "[a, b]"
    assert env_text({"b": 1, "a": 2}) == "{a: 2, b: 1}"
    assert env_text("x:Y-v0") == env_text(["x:Y-v0"]) == "x:Y-v0"
    assert env_id_of([Heights, Sides]) == "['worlds.words:Heights', 'worlds.words:Sides']"
    assert env_id_of({Sides: 3, "a": 1}) == "{a: 1, 'worlds.words:Sides': 3}"
    long = env_text([f"Room{k}-v0" for k in range(60)])
    assert "\n" not in long
    assert len(members_of(long)) == 60
    assert short_name(long) == "60 environments (Room0-v0, Room1-v0, …)"


def test_weights_and_arguments_of_one():
    text = env_text({"a": {"env_args": {"size": 3}}, "b": {"weight": 0.5}})
    first, second = members_of(text)
    assert (first.weight, second.weight) == (1.0, 0.5)
    assert first.args({"size": 1, "light": 2}) == {"size": 3, "light": 2}
    assert env_text(text) == text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "names no environment"),
        (["a", "a"], "a is there twice; give a weight, such as {a: 2}"),
        ({"a": 0}, "a is 0, and must be a number > 0"),
        ({"a": {"wait": 1}}, "unknown key 'wait'"),
        ([1], "must be a text"),
        ("[a", "no YAML"),
        ("['[a]']", "list within a list"),
    ],
)
def test_wrong_sets_are_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as caught:
        env_text(given)
    assert "\n" not in str(caught.value)


def test_shares_follow_weights_and_leave_out_none():
    assert assign("{a: 5, b: 1, c: 1}", 8) == [6, 1, 1]
    assert assign("[a, b, c]", 64) == [22, 21, 21]
    assert assign("{a: 1000, b: 1}", 4) == [3, 1]
    with pytest.raises(UserError, match=r"^num_envs=2: there are 3 environments, .* at least 3$"):
        assign("[a, b, c]", 2)


def test_a_seed_draws_one_environment_by_weight():
    drawn = [draw("{a: 3, b: 1}", seed).env for seed in range(400)]
    assert drawn == [draw("{a: 3, b: 1}", seed).env for seed in range(400)]
    assert 0.7 < drawn.count("a") / 400 < 0.8
    assert draw("only", 7).env == "only"


def test_patterns_stand_for_installed_environments():
    text = find_environments("{CliffWalking*: 2, Taxi-v3: 1}")
    members = {one.env: one.weight for one in members_of(text)}
    assert members.pop("Taxi-v3") == 1
    assert set(members) == {one for one in gym.registry if one.startswith("CliffWalking")}
    assert set(members.values()) == {2}
    assert find_environments("Taxi-v3") == "Taxi-v3"
    fewer = members_of(find_environments("[CartPole*, Acrobot*, -*-v0]"))
    assert {one.env for one in fewer} == {"Acrobot-v1", "CartPole-v1"}
    with pytest.raises(UserError, match=r"'Nowhere\*': no installed environment matches"):
        find_environments("Nowhere*")
    with pytest.raises(UserError, match="names several, and one is needed"):
        find_spec("[Taxi-v3, CartPole-v1]")


def test_code_that_a_set_names_is_looked_at():
    for env in ("[Taxi-v3, evil:Env-v0]", ["evil:Env-v0"], {"evil:Env-v0": 2}):
        assert list(modules_named({"env": env})) == ["evil"]
    inner = {"evil:Env-v0": {"env_args": {"language": "bad:Words"}}}
    assert set(modules_named({"env": inner})) == {"evil", "bad"}
    assert set(modules_named({"env": env_text(inner)})) == {"evil", "bad"}
    assert list(named(["train", "--env", "{one:A-v0: 2, two:B: 1}"])) == ["one", "two"]
    read_command_line([])

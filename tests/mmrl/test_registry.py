"""Environments and agents are found by entry point, and by the nearest name where not."""

from importlib.metadata import EntryPoint

import gymnasium as gym
import pytest

from mmrl import registry as plugins
from mmrl.arguments import request
from mmrl.errors import UserError
from mmrl.known_packages import KNOWN, known_package


@pytest.fixture
def entries(monkeypatch):
    """Replaces the installed entry points of a group."""

    def install(group, **entry_points):
        found = {name: EntryPoint(name, value, group) for name, value in entry_points.items()}
        plugins.load_environments.cache_clear()
        monkeypatch.setattr(
            plugins, "entry_points", lambda asked: found if asked == group else original(asked)
        )

    original = plugins.entry_points
    yield install
    plugins.load_environments.cache_clear()


def test_own_environments_are_listed():
    ids = plugins.load_environments()["mmrl_envs"]
    assert ids == sorted(ids)
    assert "mmrl/GoToRedBallGrey-v0" in ids
    assert all(id_ in gym.registry and id_.startswith("mmrl/") for id_ in ids)


def test_strangers_environments_are_listed(tmp_path, monkeypatch, entries):
    source = "import gymnasium as g\ng.register('shop/Till-v0', 'shop_envs.till:Till')\n"
    (tmp_path / "shop_envs.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    entries(plugins.ENVIRONMENTS, shop="shop_envs")
    try:
        assert plugins.load_environments() == {"shop": ["shop/Till-v0"]}
        assert plugins.find_spec("shop/Till-v0").id == "shop/Till-v0"
    finally:
        gym.registry.pop("shop/Till-v0", None)


def test_strangers_agent_is_found(entries):
    entries(plugins.AGENTS, mine="collections:OrderedDict")
    assert plugins.agent_names() == ["mine"]
    assert plugins.find_agent("mine").__name__ == "OrderedDict"


def test_own_agent_is_found():
    assert "ppo" in plugins.agent_names()
    assert hasattr(plugins.find_agent("ppo"), "train")


def test_module_and_id():
    assert plugins.find_spec("mmrl_envs:mmrl/GoToLocal-v0").id == "mmrl/GoToLocal-v0"


def test_module_that_is_not_there():
    with pytest.raises(UserError, match="cannot import no_such_module"):
        plugins.find_spec("no_such_module:some/Env-v0")


def test_unknown_names_tell_the_nearest():
    with pytest.raises(UserError, match="mmrl/GoToLocal-v0"):
        plugins.find_spec("mmrl/GoToLocl-v0")
    with pytest.raises(UserError, match="did you mean 'ppo'"):
        plugins.find_agent("pppo")
    with pytest.raises(UserError, match="there are: .*ppo"):
        plugins.find_agent("zzzzzzzz")


def test_missing_extra_is_named(monkeypatch):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(plugins, "import_module", refuse)
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[babyai\]'"):
        plugins.find_spec("BabyAI-GoToRedBallGrey-v0")


def test_ids_of_well_known_packages():
    with pytest.raises(UserError, match=r"ale_py:ALE/Nowhere-v9 \(pip install ale-py\)"):
        plugins.find_spec("ALE/Nowhere-v9")
    with pytest.raises(UserError, match=r"in Python add 'import ale_py'$"):
        plugins.find_spec("PongNoFrameskip-v4")
    with pytest.raises(UserError, match=r"cannot import nle: .*\(pip install nle\)$"):
        plugins.find_spec("nle:NetHackScore-v0")
    prefixes = [one.prefix for one in KNOWN]
    assert len(set(prefixes)) == len(prefixes)
    assert all(known_package(one.prefix + "x") == one for one in KNOWN)
    assert known_package("Kitchen-v0") is None


def test_an_unknown_environment_has_a_short_message():
    with pytest.raises(UserError, match="name that, too: module:Zzzzz-v0") as caught:
        plugins.find_spec("Zzzzz-v0")
    assert len(str(caught.value)) < 800


def test_hyperparameters_are_those_of_the_agents():
    for name in plugins.agent_names():
        assert plugins.find_config(name) is plugins.find_agent(name).Config


def test_hyperparameters_of_an_agent_without_an_entry_of_their_own(tmp_path, monkeypatch, entries):
    (tmp_path / "whole_agent.py").write_text("class Mine:\n    class Config: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries(plugins.AGENTS, mine="whole_agent:Mine")
    assert plugins.find_config("mine").__qualname__ == "Mine.Config"


def test_an_agent_that_cannot_be_imported_leaves_the_others_alone(monkeypatch):
    broken = {**plugins.entry_points(plugins.AGENTS)}
    broken["broken"] = EntryPoint("broken", "no_such_module:Agent", plugins.AGENTS)
    original = plugins.entry_points
    monkeypatch.setattr(
        plugins,
        "entry_points",
        lambda asked: broken if asked == plugins.AGENTS else original(asked),
    )
    arguments = ["--env", "mmrl/GoToObjS4-v0", "--out", "unused"]
    with pytest.warns(UserWarning, match="agent 'broken' cannot be imported: ModuleNotFoundError"):
        assert request.parse(arguments).config.agent == "ppo"
    with pytest.raises(UserError, match="agent 'broken' cannot be imported"):
        request.parse([*arguments, "--agent", "broken"])

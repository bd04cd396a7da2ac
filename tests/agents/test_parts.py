"""Parts of an agent: the spellings of a hyperparameter, and what the parts give."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
import yaml

from mmrl.arguments.request import parse
from mmrl.errors import UserError
from mmrl.registry import find_agent
from mmrl_agents.algorithms.dqn import DQNConfig
from mmrl_agents.algorithms.ppo import PPOAgent, PPOConfig
from mmrl_agents.algorithms.qrdqn import QRDQNAgent, QRDQNConfig
from mmrl_agents.algorithms.saving import constructor_arguments
from mmrl_agents.networks.auxiliary.part import AuxiliaryConfig


def configs(hyper: PPOConfig) -> dict[str, Any]:
    return {part.name: part.config for part in PPOAgent.make_parts(hyper)}


@pytest.mark.parametrize(
    "spelling",
    [
        {"memory": {"kind": "gru", "size": 64}},
        {"memory": "gru", "memory_args": {"size": 64}},
        {"memory": {"kind": "gru"}, "memory_args": {"size": 64}},
    ],
)
def test_all_spellings_choose_the_same_part(spelling: dict[str, Any]):
    (part,) = PPOAgent.make_parts(PPOConfig(**spelling))
    assert (part.key, part.name) == ("ppo.memory", "memory")
    set_options = {name: one for name, one in asdict(part.config).items() if one is not None}
    assert set_options == {"kind": "gru", "size": 64}
    assert part.policy_kwargs() == {"memory": "gru", "memory_args": {"size": 64}}


@pytest.mark.parametrize(
    ("section", "short", "options", "whole"),
    [
        ("ppo", {"memory": "gru"}, "--ppo.memory.size 8", {"kind": "gru", "size": 8}),
        ("ppo", {"memory": "gru"}, "--ppo.memory.size=8 --seed 1", {"kind": "gru", "size": 8}),
        ("ppo", {}, "--ppo.memory gru --ppo.memory.size 8", {"kind": "gru", "size": 8}),
        ("ppo", {}, "--ppo.memory.size 8 --ppo.memory gru", {"kind": "gru", "size": 8}),
        ("ppo", {"memory": "gru"}, "--ppo.memory.kind lstm", {"kind": "lstm"}),
        ("ppo", {"memory": {"kind": "gru", "size": 4}}, "--ppo.memory.size 8",
         {"kind": "gru", "size": 8}),
        ("ppo", {"auxiliary": "world_model"}, "--ppo.auxiliary.weight 0.5",
         {"kind": "world_model", "weight": 0.5}),
        ("ppo", {"curriculum": "plr"}, "--ppo.curriculum.temperature 0.5",
         {"kind": "plr", "temperature": 0.5}),
    ],
)  # fmt: skip
def test_options_extend_the_short_form(tmp_path, section, short, options, whole):
    """In a file, or earlier on the command line."""
    file = tmp_path / "short.yaml"
    file.write_text(yaml.safe_dump({"env": "mmrl/GoToObjS4-v0", "out": "unused", section: short}))
    request = parse(["--config", str(file), *options.split()])
    name = options.split(".")[1].split()[0]
    assert getattr(request.hyper, name) == request.resolved[section][name] == whole
    assert configs(request.hyper)[name].kind == whole["kind"]


@pytest.mark.parametrize("nothing", [None, "none", {"kind": "none"}, {}])
def test_no_part(nothing: Any):
    hyper = PPOConfig(memory=nothing, auxiliary=nothing, curriculum=nothing)
    assert PPOAgent.make_parts(hyper) == []


def test_parts_of_ppo():
    hyper = PPOConfig(
        memory="lstm",
        auxiliary={"kind": "world_model", "weight": 0.5},
        curriculum={"kind": "plr", "score": "max_mc"},
    )
    found = configs(hyper)
    assert list(found) == ["memory", "auxiliary", "curriculum"]
    assert found["auxiliary"] == AuxiliaryConfig("world_model", weight=0.5)
    assert (found["curriculum"].score, found["curriculum"].replay_probability) == ("max_mc", 0.5)


@pytest.mark.parametrize("chosen", ["oracle", {"kind": "oracle"}])
def test_parts_of_dqn(chosen: Any):
    (part,) = QRDQNAgent.make_parts(QRDQNConfig(hindsight=chosen))
    assert (part.key, part.config.kind) == ("qrdqn.hindsight", "oracle")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": "grew"}, "unknown ppo.memory 'grew'"),
        ({"memory": {"size": 9}}, "options {'size': 9} of which ppo.memory"),
        ({"memory": {"kind": 3}}, "ppo.memory.kind=3: must be a name"),
        (
            {"memory": {"kind": "gru", "sise": 9}},
            "option of ppo.memory 'sise': did you mean 'size'",
        ),
        ({"auxiliary": "world_modle"}, "unknown ppo.auxiliary 'world_modle'"),
        ({"curriculum": {"kind": "plr", "replay": 2}}, "replay=2: must be between 0 and 1"),
        ({"memory": "gru", "batch_size": 16}, "ppo.batch_size=16: with a memory"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        PPOAgent.check(replace(PPOConfig(), **changes))


@pytest.mark.parametrize("name", ["a2c", "dqn", "ppo", "qrdqn", "sac", "td3"])
def test_every_hyperparameter_goes_somewhere(name: str):
    """To the algorithm's constructor, a part, the environments, or by name to the policy."""
    agent: Any = find_agent(name)
    known = {
        *constructor_arguments(agent.Algorithm),
        *agent.parts,
        *(f"{key}_args" for key in agent.parts),
        *("num_envs", "final_learning_rate"),
        *(["n_quantiles"] if name == "qrdqn" else []),
    }
    assert {one.name for one in fields(agent.Config)} <= known


def test_a_configuration_stays_as_it_was_written():
    assert asdict(DQNConfig(hindsight={"kind": "learned"}))["hindsight"] == {"kind": "learned"}

"""The Python of the README and of the pages does what they say."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray
from page_blocks import blocks

from mmrl.cli import main

PYTHON = [one for one in blocks() if one.kind == "python" and one.why is None]
CHINESE = [one for one in PYTHON if one.page.endswith("zh-CN.md")]
BLOCKS = [one.text for one in PYTHON if one not in CHINESE]
SMALL = "ModelConfig(features=16, image_args={'width': 8}, "
TESTED = (
    'gym.register("Kitchen-v0"', "class Lamp(gym.Env)", "BoundedAction(env", 'mmrl.train(env="mmrl',
    "import mmrl_envs", "expert_actions", "agent.learn", "RolloutRecorder()", "import read_record",
    "ModelConfig.image_text", "swapped_instructions", "class KitchenLanguage",
)  # fmt: skip
"""A part of each block that a test of this file runs."""
IN_THE_TUTORIAL = (
    "class Buttons(gym.Env)",
    "room_size=5, num_dists=2",
    'load_agent("runs/buttons")',
)
"""Those that tests/docs/test_tutorial.py runs."""


def block(containing: str) -> str:
    found = [text for text in BLOCKS if containing in text]
    assert len(found) == 1, f"{len(found)} blocks of the pages contain {containing!r}"
    return found[0]


def test_every_block_is_tested() -> None:
    tested = {block(part) for part in (*TESTED, *IN_THE_TUTORIAL)}
    assert set(BLOCKS) - tested == {"import mmrl\n"}


def without_comments(text: str) -> list[str]:
    return [line.partition("  #")[0].rstrip() for line in text.splitlines()]


def test_blocks_of_chinese_pages_are_those_of_the_english_ones() -> None:
    assert len(CHINESE) == 4
    english = [without_comments(text) for text in BLOCKS]
    assert all(without_comments(one.text) in english for one in CHINESE)


def test_a_language_overrides_what_it_needs() -> None:
    scope: dict[str, Any] = {}
    exec(block("class KitchenLanguage"), scope)
    language = scope["KitchenLanguage"]()
    assert language.kind("open the fridge") == "open"
    assert language.canonical("open the refrigerator") == "open the fridge"
    assert not language.is_held_out("open the fridge")


def test_your_own_environment_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kitchen.py").write_text(block('gym.register("Kitchen-v0"'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = "train --env kitchen:Kitchen-v0 --out runs/kitchen --steps 256 --eval_episodes 8"
    small = "--model.features 16 --ppo.num_envs 8 --ppo.n_steps 16 --ppo.batch_size 64"
    args = "--model.image_args.width 8 --model.text_args.width 16 --model.text_args.layers 1"
    assert main([*command.split(), *small.split(), *args.split(), "--clip_every", "0"]) == 0
    assert (tmp_path / "runs/kitchen/result.json").is_file()


def test_a_notebook_cell_trains_an_unregistered_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = block("class Lamp(gym.Env)")
    small = "eval_episodes=0, model={'features': 16, 'image_args': {'width': 8}}, ppo="
    short = text.replace("ppo=", small).replace("run.agent.clip", "clip = run.agent.clip")
    assert short.count("eval_episodes=0") == short.count("clip = ") == 1
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(short, scope)  # as a notebook does
    assert scope["run"].config["env"] == "python/Lamp"
    assert 0 <= scope["rate"] <= 1
    assert scope["action"] in (0, 1)
    assert "<img" in scope["clip"]._repr_html_()


def test_actions_block() -> None:
    class Arm(gym.Env[None, NDArray[np.float32]]):
        action_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

        def step(self, action: NDArray[np.float32]) -> Any:
            return None, action.tolist(), False, False, {}

    scope: dict[str, Any] = {"env": Arm()}
    exec(block("BoundedAction(env"), scope)
    assert scope["env"].action_space == gym.spaces.Discrete(25)
    assert scope["env"].env.action_space == gym.spaces.MultiDiscrete([5, 5])
    assert scope["env"].step(3)[1] == [-4, 2]  # the components 0 and 3


def test_the_public_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = block('mmrl.train(env="mmrl')
    short = text.replace("100_000", "256").replace("episodes=256", "episodes=8")
    small = "ppo={'num_envs': 8, 'n_steps': 16, 'batch_size': 64}, eval_episodes=8, clip_every=0"
    model = "model={'features': 16, 'image_args': {'width': 8}}"
    short = short.replace("agent.clip", "clip = agent.clip")
    short = short.replace('out="runs/a"', f'out="runs/a", {small}, {model}')
    assert short != text
    scope: dict[str, object] = {}
    exec(short, scope)
    assert int(scope["action"]) in range(7)  # type: ignore[call-overload]
    assert (tmp_path / "runs/a/result.json").is_file()
    assert "<img" in scope["clip"]._repr_html_()  # type: ignore[attr-defined]
    evaluation = block("swapped_instructions").replace("runs/local", "runs/a")
    evaluation = evaluation.replace("episodes=256", "episodes=4").replace(
        "=False", "=False, episodes=4"
    )
    exec(evaluation.replace("=True", "=True, episodes=4"), scope)
    assert scope["report"]["episodes"] == 4  # type: ignore[index]


def test_gymnasium_block() -> None:
    scope: dict[str, object] = {}
    exec(block("import mmrl_envs"), scope)
    observation = scope["observation"]
    assert isinstance(observation, dict)
    assert observation["image"].shape == (64, 56, 56, 3)
    assert len(observation["instruction"]) == 64


def test_grid_worlds_block() -> None:
    scope: dict[str, object] = {}
    exec("import numpy as np\n" + block("import mmrl_envs"), scope)
    exec(block("expert_actions"), scope)
    rollout = scope["rollout"]
    assert isinstance(rollout, np.ndarray)
    assert (rollout.reshape(16, -1).std(axis=1) > 0).all()


def test_stable_baselines3_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = block("agent.learn")
    short = text.replace("100_000", "512").replace("n_steps=32", "n_steps=8")
    assert short != text
    scope: dict[str, object] = {}
    exec(short.replace("ModelConfig(", SMALL), scope)
    agent = scope["agent"]
    assert agent.num_timesteps >= 512  # type: ignore[attr-defined]


class Road(gym.Env[NDArray[np.uint8], np.int64]):
    """Images without a word, as CarRacing, which needs more packages."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = gym.spaces.Box(0, 255, (40, 40, 3), np.uint8)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros((40, 40, 3), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.zeros((40, 40, 3), np.uint8), 1.0, self.steps == 5, False, {}


def test_rollouts_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gym.register("Road-v0", Road)
    text = block("RolloutRecorder()").replace("CarRacing-v3", "Road-v0")
    small = text.replace("100_000", "64").replace('"runs")', '"runs", n_steps=64)')
    exec(small, {})
    paths = sorted((tmp_path / "runs").rglob("*.episode"))
    assert paths
    exec(block("import read_record"), {"path": paths[0]})


def test_model_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = block("ModelConfig.image_text")
    scope: dict[str, object] = {}
    exec(text.replace("bert-base-uncased", "distilbert-base-uncased").replace("224", "64"), scope)
    assert scope["features"].shape == (2, 768 + 512)  # type: ignore[attr-defined]
    assert (tmp_path / "model" / "model.safetensors").is_file()

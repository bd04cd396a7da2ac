"""The example of one file: short, reads, estimates advantages as by hand, and learns elsewhere."""

import importlib.util
import string
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.compat import import_transformers

FILE = Path(__file__).parents[2] / "examples" / "one_file.py"
SENTENCES = ("turn left", "turn right")


class Crossing(gym.Env):
    """A toy of another kind: one step an episode, and the sentence alone says which way."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 24, 3), np.uint8),
        instruction=spaces.Text(20, charset=string.ascii_lowercase + " "),
    )
    action_space = spaces.Discrete(2)

    def observe(self):
        image = self.np_random.integers(0, 256, (16, 24, 3), np.uint8)
        return {"image": image, "instruction": SENTENCES[self.way]}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.way = int(self.np_random.integers(2))
        return self.observe(), {}

    def step(self, action):
        return self.observe(), float(action == self.way), True, False, {}


@pytest.fixture(scope="module")
def one_file() -> ModuleType:
    import_transformers()  # torchvision as the other tests need it
    spec = importlib.util.spec_from_file_location("one_file", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def crossing() -> Iterator[str]:
    gym.register("Crossing-v0", Crossing)
    yield "Crossing-v0"
    del gym.registry["Crossing-v0"]


def test_it_is_one_short_file_of_its_own() -> None:
    lines = FILE.read_text().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 100
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert not any("mmrl" in line or "stable_baselines3" in line for line in imports)


def test_sentences_become_words(one_file: ModuleType) -> None:
    ids = one_file.tokenize(("go to the door", "the door", "word " * 100))
    assert ids.shape == (3, one_file.LENGTH)
    assert ids[0, 2:4].tolist() == ids[1, :2].tolist()
    assert (ids[0, 4:] == 0).all()
    assert (ids[2] == ids[2, 0]).all()


def test_the_instruction_decides(one_file: ModuleType) -> None:
    torch.manual_seed(0)
    policy = one_file.Policy(7)
    torch.nn.init.normal_(policy.actor.weight)
    image = torch.randint(0, 256, (2, 56, 56, 3), dtype=torch.uint8)[:1].expand(2, -1, -1, -1)
    same, _ = policy(image, one_file.tokenize(("go to the red ball",) * 2))
    other, values = policy(image, one_file.tokenize(("go to the red ball", "go to the grey key")))
    torch.testing.assert_close(same[0], same[1])
    assert (other[0] - other[1]).abs().max() > 0.01
    assert values.shape == (2,)


def test_the_loss_teaches_every_part(one_file: ModuleType) -> None:
    torch.manual_seed(0)
    policy = one_file.Policy(3)
    image = torch.randint(0, 256, (4, 56, 56, 3), dtype=torch.uint8)
    words = one_file.tokenize(("go left", "go right", "stop", "wait"))
    numbers = torch.tensor([1.0, -1.0, 0.5, 0.0])
    batch = [image, words, torch.tensor([0, 1, 2, 0]), torch.full((4,), -1.1), numbers, numbers]
    one_file.ppo_loss(policy, batch).backward()
    for name, weights in policy.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.isfinite().all(), name
        assert weights.grad.abs().sum() > 0, name


def test_advantages_as_by_hand(one_file: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_file, "GAMMA", 0.5)
    monkeypatch.setattr(one_file, "LAMBDA", 0.8)
    reward = torch.tensor([[0.0], [1.0], [0.0]])
    end = torch.tensor([[0.0], [1.0], [0.0]])
    value = torch.tensor([[0.2], [0.4], [0.6], [1.0]])
    # last: 0 + 0.5 · 1.0 − 0.6; second: it ends, 1 − 0.4; first: 0.5 · 0.4 − 0.2 + 0.4 · second
    expected = torch.tensor([[0.24], [0.6], [-0.1]])
    torch.testing.assert_close(one_file.gae(reward, end, value), expected)


def test_it_learns_to_read_elsewhere(
    one_file: ModuleType, crossing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_file, "MINIBATCH", 64)
    torch.manual_seed(0)
    policy = one_file.train(one_file.Game(crossing, {}, 16, 0), 16 * one_file.ROLLOUT * 8)
    test = one_file.Game(crossing, {}, 64, 1_000)
    assert test.success(policy) > 0.95
    assert test.success(policy, swap=1) < 0.8
    assert 0.2 < test.success() < 0.8


def test_the_command(
    one_file: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(one_file, "NUM_ENVS", 8)
    monkeypatch.setattr(one_file, "EPISODES", 8)
    monkeypatch.setattr(one_file, "MINIBATCH", 128)
    one_file.main(["--steps", "512", "--env-args", '{"max_steps": 8}'])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + 3
    assert printed[-1].startswith("random: success ")

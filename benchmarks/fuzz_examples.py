"""Valid examples of the files that mmrl reads, made with tiny models, for ``fuzz_kinds.py``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import gymnasium as gym
import numpy as np
import torch
import yaml
from gymnasium import spaces
from torch.utils.tensorboard import SummaryWriter

from mmrl.arguments.request import parse
from mmrl.cli import main
from mmrl.cli.tune import _study
from mmrl.compat import import_transformers
from mmrl.data import RandomSource, Request, collect, find_place
from mmrl.files import write_json
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.torchvision_networks import network
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import save_model
from mmrl.preprocessing.image_processor import ImageSteps, save_steps
from mmrl.preprocessing.speech import LogMel
from mmrl.preprocessing.text import (
    HashingTokenizer,
    WordTokenizer,
)
from mmrl.records.episode import EpisodeRecord
from mmrl.records.file import write_record
from mmrl.retrieval.index import ImageIndex
from mmrl.wrappers.adapters import make_vec_env
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

SENTENCE: Final = "press the left"
SMALL: Final = [
    "--device=cpu", "--steps=16", "--eval-episodes=0", "--clip-every=0", "--record-mb=0",
    "--model.image-args={width: 4}", "--model.text=bag_of_words", "--model.features=4",
    "--ppo.num-envs=2", "--ppo.n-steps=8", "--ppo.batch-size=16", "--ppo.n-epochs=1",
]  # fmt: skip
_FIT: Final = ["--steps=1", "--batch-size=4", "--device=cpu"]
_PARAPHRASES: Final = """
slots: {side: [left, right], what: ["the {side}"]}
spelling: {a left: the left}
types:
  politeness: {sentences: {"press {what}": ["please press {what}", "would you press {what}?"]}}
  verb: {phrases: {press: [push, "push on"], "the {side}": ["the {side} one"]}}
"""
EVENTS: Final = "arm/seed-0/events.out.tfevents.1.host"
CHECKPOINT: Final = "run/checkpoints/step_16"


class Press(gym.Env[dict[str, Any], int]):
    """Press the side that the instruction names, within four steps."""

    metadata = {"render_modes": ["rgb_array"], "actions": ("left", "right")}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(
            image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
            instruction=spaces.Text(20, charset="abcdefghijklmnopqrstuvwxyz "),
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Choose a side."""
        super().reset(seed=seed)
        self._steps, self._side = 0, int(self.np_random.integers(2))
        return self._look(), {}

    def step(self, action: int) -> Any:
        """Press one."""
        self._steps += 1
        hit = int(action) == self._side
        return self._look(), float(hit), hit, self._steps > 3 and not hit, {"is_success": hit}

    def get_state(self) -> dict[str, int]:
        """All that the next step depends on."""
        return {"steps": self._steps, "side": self._side}

    def set_state(self, state: dict[str, int]) -> None:
        """As :meth:`get_state` gave it."""
        self._steps, self._side = state["steps"], state["side"]

    def _look(self) -> dict[str, Any]:
        image = np.full((16, 16, 3), 40 * self._steps, np.uint8)
        return {"image": image, "instruction": f"press the {('left', 'right')[self._side]}"}


def _run(folder: Path) -> None:
    _command("train", "--env=fuzz_examples:Press", *SMALL, f"--out={folder / 'run'}")
    gone = {"host": "somewhere", "boot": "", "pid": 1, "started": "", "since": "yesterday"}
    (folder / "locked").mkdir()
    (folder / "locked/lock.json").write_text(json.dumps(gone))
    module = {"fuzz_examples": str(Path(__file__).resolve())}
    (folder / "run/code.json").write_text(json.dumps({"modules": module, "signature": "00"}))


def _algorithm(folder: Path) -> None:
    _ = import_transformers().BertModel  # a changed model may need it, and it takes seconds
    model = ModelConfig(image_args={"width": 4}, text="bag_of_words", features=4)
    batch = make_vec_env("fuzz_examples:Press", 2)
    env = MultimodalVecEnv(batch, WordTokenizer(SENTENCE.split(), 8))
    settings: dict[str, Any] = {"n_steps": 8, "batch_size": 8, "policy_kwargs": {"model": model}}
    PPO(MultimodalPolicy, env, device="cpu", **settings).save(folder / "ppo")
    env.close()


def _command(*arguments: str) -> None:
    """A command of mmrl in this process."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        status = main([*arguments, "--trust-code"])
    if status:
        raise SystemExit(f"{' '.join(arguments)}: {printed.getvalue()[-2000:]}")


def _recipes(folder: Path) -> None:
    config = parse(["--env=fuzz_examples:Press", *SMALL, "--out=new"]).resolved
    (folder / "train.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "fit.yaml").write_text("data: [a, b]\nsteps: 3\nlearning_rate: 0.1\nstyle: 4\n")
    (folder / "claimed.yaml").write_text("config: 'env: x'\nsteps: 16\n")
    (folder / "suite.yaml").write_text(SUITE)
    run = {"seed": 0, "training_seconds": 2.5, "mean_return": 1.5, "success_rate": 0.5,
           "controls": {"random_policy": {"success_rate": 0.25, "mean_return": 0.5}}}  # fmt: skip
    entry = {"name": "a", "env": "x", "agent": "ppo", "steps": 9, "runs": [run]}
    write_json(folder / "results.json", {"suite": "s", "entries": [entry]})


SUITE: Final = """\
seeds: [0, 1]
jobs: 2
entries:
  - {config: train.yaml, name: a, overrides: {steps: 9}, seeds: [3]}
  - {config: train.yaml, name: b, evaluation: {episodes: 4, controls: true, env: [x, y]}}
evaluation: {episodes: 8}
"""


def _dataset(folder: Path) -> None:
    _command(
        "collect", "fuzz_examples:Press", "--episodes=6", "--by=random", f"--out={folder}/data"
    )


def _parts(folder: Path) -> None:
    class Broken(RandomSource):
        """Stops at the second part."""

        parts = 0

        def begin(self, *arguments: Any) -> None:
            self.parts += 1
            if self.parts > 2:
                raise KeyboardInterrupt
            super().begin(*arguments)

    with suppress(KeyboardInterrupt):
        collect(request(), Broken, find_place(f"{folder}/data"))


def request() -> Request:
    """Of the dataset that is collected in parts."""
    return Request("fuzz_examples:Press", 6, "random", num_envs=2)


def _sprites(folder: Path) -> None:
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 255, (8, 8, 4), np.uint8) for name in ("floor", "tree")}
    np.savez_compressed(folder / "sprites.npz", **images)
    _command("fit", "sprites", f"--data={folder}/sprites.npz", *_FIT, f"--out={folder}/fitted")


def _theme(folder: Path) -> None:
    from mmrl_envs.grid.rendering.themes import find_theme
    from mmrl_envs.grid.rendering.themes.files import sprites_of, write_sprites

    sprites = sprites_of(find_theme("neon"), 4)
    write_sprites(sprites, folder / "theme.npz")
    write_sprites(sprites, folder / "theme")


def _model(folder: Path) -> None:
    config = ModelConfig(text="word_vectors", text_args={"width": 4}, image_args={"width": 4},
                         features=4, fusion="concat")  # fmt: skip
    tokenizer = WordTokenizer(SENTENCE.split(), 8)
    inputs = ModelInputs.standard((16, 16), tokenizer.size)
    save_model(build_model(config, inputs, tokenizer=tokenizer), folder / "model")


def _texts(folder: Path) -> None:
    WordTokenizer(SENTENCE.split(), 8).save(folder)
    (folder / "hashing").mkdir()
    HashingTokenizer(100, 8).save(folder / "hashing")
    LogMel(0.5, 8).save(folder)
    save_steps(ImageSteps((8, 8), None, None, "bilinear", (0.5,) * 3, (0.5,) * 3), folder)
    words = "\n".join(f"{word} 0.1 0.2 0.3" for word in SENTENCE.split())
    (folder / "vectors.txt").write_text(f"{words}\n")
    (folder / "paraphrases.yaml").write_text(_PARAPHRASES)
    result = {"env": "x", "success_rate": 0.5, "training_seconds": 2.0, "mean_return": 0.5,
              "success_rate_95": [0.1, 0.9], "episodes": 9}  # fmt: skip
    (folder / "arm/seed-0").mkdir(parents=True)
    (folder / "arm/seed-0/result.json").write_text(json.dumps(result))
    writer = SummaryWriter(folder / "arm/seed-0")
    for step in range(3):
        writer.add_scalar("rollout/success_rate", step / 3, step)
    writer.close()
    next(folder.glob("arm/seed-0/events*")).rename(folder / EVENTS)


def _media(folder: Path) -> None:
    from PIL import Image
    from scipy.io import wavfile

    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (12, 10, 3), np.uint8)).save(folder / "image.png")
    for suffix in ("jpg", "gif", "bmp", "tiff", "webp"):
        Image.open(folder / "image.png").save(folder / f"image.{suffix}")
    wavfile.write(folder / "sound.wav", 16_000, rng.integers(-999, 999, 800).astype(np.int16))
    frames = {"image": rng.integers(0, 255, (4, 8, 8, 3), np.uint8)}
    record = EpisodeRecord(
        source="training", env="x/Y-v0", env_args={"size": 3}, seed=1, checkpoint=16, success=True,
        frames=frames, instructions=["go"] * 4, rewards=[0.0, 0.0, 1.0], actions=np.arange(3),
        action_names=["a", "b", "c"], numbers={"value": np.arange(3) / 3}, infos=[{}, {}, {"a": 1}],
        instruction_kind="go", about={"actions": ["a", "b", "c"]},
    )  # fmt: skip
    write_record(folder / "one.episode", record)


def _index(folder: Path) -> None:
    rows = np.eye(4, dtype=np.float32)
    entries = [{"file": f"{k}.png"} for k in range(3)]
    entries.append({"episode": 0, "step": 1, "description": "x"})  # type: ignore[dict-item]
    about = {"model": "m", "weights": "w", "source": "s"}
    ImageIndex(rows, entries, about).save(folder / "index")
    ImageIndex(rows, entries, about, exact_limit=1).save(folder / "graph")


def _hub(folder: Path) -> None:
    from tiny_hub import save

    save("bert", folder / "bert")
    save("vit", folder / "vit")
    for one in (folder / "bert", folder / "vit"):
        (one / "README.md").write_text("x")


def _weights(folder: Path) -> None:
    from safetensors.torch import save_file

    weights = network("squeezenet1_1").state_dict()
    torch.save(weights, folder / "weights.pth")
    save_file(weights, folder / "weights.safetensors")


def open_study(folder: Path) -> Any:
    """The study of ``mmrl tune`` in a folder, which is made where there is none."""
    options = SimpleNamespace(config=str(folder / "t.yaml"), steps=16, seed=0)
    return _study(folder / "search", options)


def _tuned(folder: Path) -> None:
    (folder / "t.yaml").write_text("env: x\n")
    study = open_study(folder)
    for value in (0.1, 0.2):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.report(value, 1)
        study.tell(trial, value)


EXAMPLES: Final[dict[str, Callable[[Path], None]]] = {
    "run": _run, "recipes": _recipes, "dataset": _dataset, "parts": _parts, "sprites": _sprites,
    "theme": _theme, "model": _model, "texts": _texts, "media": _media, "index": _index,
    "algorithm": _algorithm, "hub": _hub, "weights": _weights, "study": _tuned,
}  # fmt: skip

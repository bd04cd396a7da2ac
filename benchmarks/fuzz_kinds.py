"""The kinds of files that mmrl reads, for ``fuzz_readers.py``: how a valid example is made, and the
function that reads it.

Readers that ask for more than one file have a row for each of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
import torch
import yaml
from gymnasium import spaces
from torch.utils.tensorboard import SummaryWriter

import mmrl
from mmrl import trust
from mmrl.arguments.checks import check_settings
from mmrl.arguments.request import parse
from mmrl.cli import main
from mmrl.cli.caption import read_image
from mmrl.cli.common import claim
from mmrl.cli.fit import check as check_fit
from mmrl.cli.fit import parse as parse_fit
from mmrl.cli.tune import _study
from mmrl.compat import import_transformers
from mmrl.data import RandomSource, Request, collect, find_place, open_dataset
from mmrl.experiment.ablation import Arm, read_row
from mmrl.experiment.benchmark import read_suite, read_table
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.lock import LockedError, RunLock
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.encoders.torchvision_networks import network, torchvision_encoder
from mmrl.models.encoders.words import read_word_vectors
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.paraphrases import ParaphraseSet
from mmrl.preprocessing.image_processor import ImageSteps, load_steps, save_steps
from mmrl.preprocessing.speech import LogMel, load_speech, read_wav
from mmrl.preprocessing.text import (
    HashingTokenizer,
    PretrainedTokenizer,
    WordTokenizer,
    load_tokenizer,
)
from mmrl.records.episode import EpisodeRecord
from mmrl.records.file import read_record, read_summary, write_record
from mmrl.retrieval.index import ImageIndex
from mmrl.training import find_task
from mmrl.training.load import load
from mmrl.training.tasks.sprites import read_images
from mmrl.training.trainer import fit
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


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the kind.
        example: the key in :data:`EXAMPLES` of what makes a valid one.
        file: of the example that is changed.
        form: of it, a key of ``fuzz_mutations.FORMS``.
        read: reads it in a folder with the example.
        free: the keys within which any plain data is right, as a pattern.
        after: makes the rest of the example fit the changed file, such as checksums.
        tolerant: whether a damaged one counts as none, by design.
        writes: whether the reader changes other files as well.
    """

    name: str
    example: str
    file: str
    form: str
    read: Callable[[Path], Any]
    free: str = "(?!)"
    after: Callable[[Path], Any] | None = None
    tolerant: bool = False
    writes: bool = False

    @property
    def share(self) -> float:
        """Of all mutations, beside the 1 of a kind whose reader is quick."""
        return 0.1 if self.writes else 1.0

    def is_free(self, key: str) -> bool:
        """Whether any plain data is right under a key."""
        return re.match(self.free, key) is not None


def _run(folder: Path) -> None:
    _command("train", "--env=fuzz_kinds:Press", *SMALL, f"--out={folder / 'run'}")
    gone = {"host": "somewhere", "boot": "", "pid": 1, "started": "", "since": "yesterday"}
    (folder / "locked").mkdir()
    (folder / "locked/lock.json").write_text(json.dumps(gone))
    module = {"fuzz_kinds": str(Path(__file__).resolve())}
    (folder / "run/code.json").write_text(json.dumps({"modules": module, "signature": "00"}))


def _algorithm(folder: Path) -> None:
    _ = import_transformers().BertModel  # a changed model may need it, and it takes seconds
    model = ModelConfig(image_args={"width": 4}, text="bag_of_words", features=4)
    batch = make_vec_env("fuzz_kinds:Press", 2)
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
    config = parse(["--env=fuzz_kinds:Press", *SMALL, "--out=new"]).resolved
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
    _command("collect", "fuzz_kinds:Press", "--episodes=6", "--by=random", f"--out={folder}/data")


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
        collect(_request(), Broken, find_place(f"{folder}/data"))


def _request() -> Request:
    return Request("fuzz_kinds:Press", 6, "random", num_envs=2)


def _resume_parts(folder: Path) -> Any:
    return collect(_request(), RandomSource, find_place(f"{folder}/data"))


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


def _read_theme(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from mmrl_envs.grid.rendering.themes.files import read_theme

        return read_theme(folder / name)

    return read


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


def _read_paraphrases(folder: Path) -> Any:
    found = ParaphraseSet.read(folder / "paraphrases.yaml")
    return [found.paraphrase(SENTENCE, kind) for kind in found.types]


def _read_result(folder: Path) -> Any:
    row = read_row(Arm("arm", ()), folder, [0])
    return None if row is None else row.summary()


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


def _search(name: str) -> Callable[[Path], Any]:
    query = np.array([0, 1, 0, 0], np.float32)
    return lambda folder: ImageIndex.load(folder / name).search(query, 3)


def _hub(folder: Path) -> None:
    from tiny_hub import save

    save("bert", folder / "bert")
    save("vit", folder / "vit")
    for one in (folder / "bert", folder / "vit"):
        (one / "README.md").write_text("x")


def _read_text_model(folder: Path) -> Any:
    tokenizer = PretrainedTokenizer(str(folder / "bert"), 8)
    encoder = build_text_encoder(str(folder / "bert"), tokenizer.size, length=8)
    ids = torch.from_numpy(tokenizer.encode(SENTENCE))[None]
    return encoder(ids.int())


def _read_image_model(folder: Path) -> Any:
    from mmrl.models.encoders.image import build_image_encoder

    encoder = build_image_encoder(str(folder / "vit"), (16, 16))
    return encoder(torch.zeros(1, 16, 16, 3, dtype=torch.uint8))


def _weights(folder: Path) -> None:
    from safetensors.torch import save_file

    weights = network("squeezenet1_1").state_dict()
    torch.save(weights, folder / "weights.pth")
    save_file(weights, folder / "weights.safetensors")


def _read_weights(name: str) -> Callable[[Path], Any]:
    return lambda folder: torchvision_encoder("squeezenet1_1", (32, 32), weights=str(folder / name))


def _tuned(folder: Path) -> None:
    (folder / "t.yaml").write_text("env: x\n")
    study = _read_study(folder)
    for value in (0.1, 0.2):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.report(value, 1)
        study.tell(trial, value)


def _read_study(folder: Path) -> Any:
    options = SimpleNamespace(config=str(folder / "t.yaml"), steps=16, seed=0)
    study = _study(folder / "search", options)
    assert study.get_trials() is not None
    study.ask().suggest_float("x", 0.0, 1.0)
    return study


def _read_lock(folder: Path) -> Any:
    with suppress(LockedError):  # right for a file that is new
        RunLock(folder / "locked").check()


def _resume_fit(folder: Path) -> Any:
    run = Run.open(folder / "fitted")
    config, _ = parse_fit("sprites", [f"--data={folder}/sprites.npz"], run)
    return fit(find_task("sprites").prepare(config), config, run, resume=True)


def _resume(folder: Path) -> Any:
    return mmrl.resume(folder / "run", verbose=False)


def _agent(folder: Path) -> Any:
    agent = mmrl.load_agent(folder / "run", "cpu")
    image = np.zeros((1, 16, 16, 3), np.uint8)
    return agent.act({"image": image, "instruction": [SENTENCE]}, deterministic=True)


def _sign(checkpoint: str) -> Callable[[Path], None]:
    def sign(folder: Path) -> None:
        """Write checksums that fit what is there now."""
        manifest = folder / checkpoint / "manifest.json"
        plain = json.loads(manifest.read_text())
        for name in plain["sha256"]:
            content = (folder / checkpoint / name).read_bytes()
            plain["sha256"][name] = hashlib.sha256(content).hexdigest()
        manifest.write_text(json.dumps(plain))

    return sign


def _train_request(folder: Path) -> Any:
    request = parse([f"--config={folder / 'train.yaml'}", f"--out={folder / 'new'}"])
    check_settings(request.config)
    return request


def _fit_request(folder: Path) -> Any:
    config, _ = parse_fit("sprites", [f"--config={folder / 'fit.yaml'}", "--out=new"], None)
    check_fit(config)
    return config


EXAMPLES: Final[dict[str, Callable[[Path], None]]] = {
    "run": _run, "recipes": _recipes, "dataset": _dataset, "parts": _parts, "sprites": _sprites,
    "theme": _theme, "model": _model, "texts": _texts, "media": _media, "index": _index,
    "algorithm": _algorithm, "hub": _hub, "weights": _weights, "study": _tuned,
}  # fmt: skip

_NULLABLE: Final = (
    r"(model|config)\.\w*(trained|weights|size|features|goal_image) :="
    r"|ppo\.(auxiliary|curriculum|memory) :=|logger :=|env :="
    r"|.* := '(true|0)'"  # as a text on the command line
)
_OPEN: Final = rf"{_NULLABLE}|env_args|env_adapter|.*_args|.*\.args|model\.encoders"

_MINARI: Final = (
    r"env_spec|mmrl\.|mmrl :=|minari_version|dataset_size|dataset_id|algorithm_name|description"
    r"|jpeg|ex"
)

KINDS: Final = (
    Kind("run: config.yaml", "run", "run/config.yaml", "yaml", _agent, _OPEN),
    Kind("run: status.json", "run", "run/status.json", "json",
         lambda f: Run.open(f / "run").status, ".*", tolerant=True),
    Kind("run: env_info.json", "run", "run/env_info.json", "json",
         lambda f: EnvInfo.load(f / "run"),
         "env_args|info_keys :=|actions :=|language :=|instruction_words :="),
    Kind("run: tokenizer.json", "run", "run/tokenizer.json", "json", _agent),
    Kind("checkpoint: manifest.json", "run", f"{CHECKPOINT}/manifest.json", "json",
         lambda f: read_checkpoint(f / CHECKPOINT)),
    Kind("checkpoint: state.json", "run", f"{CHECKPOINT}/state.json", "json", _resume, ".*",
         _sign(CHECKPOINT), writes=True),
    Kind("checkpoint: state.npz", "run", f"{CHECKPOINT}/state.npz", "npz", _resume,
         after=_sign(CHECKPOINT), writes=True),
    Kind("checkpoint: weights.safetensors", "run", f"{CHECKPOINT}/weights.safetensors",
         "safetensors", _agent, after=_sign(CHECKPOINT)),
    Kind("run: lock.json", "run", "locked/lock.json", "json", _read_lock, ".*",
         tolerant=True),
    Kind("run: code.json", "run", "run/code.json", "json",
         lambda f: trust.is_trusted({"env": "fuzz_kinds:Press"}, f / "run/config.yaml"), ".*",
         tolerant=True),
    Kind("algorithm: state.json", "algorithm", "ppo/checkpoint/state.json", "json",
         lambda f: PPO.load(f / "ppo", device="cpu"), ".*", _sign("ppo/checkpoint")),
    Kind("fitted: state of mmrl fit --resume", "sprites", "fitted/checkpoints/step_1/state.json",
         "json", _resume_fit, ".*", _sign("fitted/checkpoints/step_1"), writes=True),
    Kind("recipe of mmrl train", "recipes", "train.yaml", "yaml", _train_request, _OPEN),
    Kind("suite of mmrl benchmark", "recipes", "suite.yaml", "yaml",
         lambda f: read_suite(str(f / "suite.yaml")),
         r".*overrides|.*evaluation|.*(controls|episodes|env) :="),
    Kind("results of mmrl benchmark", "recipes", "results.json", "json",
         lambda f: read_table(f / "results.json"),
         r".*(controls|random_policy|success_rate|mean_return) :="),
    Kind("recipe of mmrl fit", "recipes", "fit.yaml", "yaml", _fit_request, "data|style :="),
    Kind("ablation.yaml, search.yaml", "recipes", "claimed.yaml", "yaml",
         lambda f: claim(f, "claimed.yaml", {"config": "env: x", "steps": 16}, "a search")),
    Kind("fitted: recipe in state.json", "sprites", "fitted/checkpoints/step_1/state.json", "json",
         lambda f: load(f / "fitted", "sprites", "cpu"), r"(?!recipe)",
         _sign("fitted/checkpoints/step_1")),
    Kind("sprites .npz", "sprites", "sprites.npz", "npz",
         lambda f: read_images(f / "sprites.npz")),
    Kind("theme .npz", "theme", "theme.npz", "npz", _read_theme("theme.npz")),
    Kind("theme: floor.png", "theme", "theme/floor.png", "png", _read_theme("theme")),
    Kind("dataset: metadata.json", "dataset", "data/data/metadata.json", "json",
         lambda f: open_dataset(f"{f}/data").columns(), _MINARI),
    Kind("dataset: main_data.hdf5", "dataset", "data/data/main_data.hdf5", "hdf5",
         lambda f: open_dataset(f"{f}/data").columns()),
    Kind("collection: request.json", "parts", "data/.collecting/request.json", "json",
         _resume_parts, writes=True),
    Kind("collection: part.hdf5", "parts", "data/.collecting/part_000000.hdf5", "hdf5",
         _resume_parts, writes=True),
    Kind("model.json", "model", "model/model.json", "json", lambda f: load_model(f / "model"),
         rf"config\.\w*_args|extra|{_NULLABLE}"),
    Kind("model.safetensors", "model", "model/model.safetensors", "safetensors",
         lambda f: load_model(f / "model")),
    Kind("tokenizer.json of words", "texts", "tokenizer.json", "json",
         lambda f: load_tokenizer(f).encode(SENTENCE)),
    Kind("tokenizer.json of hashes", "texts", "hashing/tokenizer.json", "json",
         lambda f: load_tokenizer(f / "hashing").encode(SENTENCE)),
    Kind("speech.json", "texts", "speech.json", "json", lambda f: load_speech(f).space),
    Kind("image_steps.json", "texts", "image_steps.json", "json", lambda f: load_steps(str(f)),
         "(size|shortest|crop) :="),
    Kind("word vectors", "texts", "vectors.txt", "lines",
         lambda f: read_word_vectors(f / "vectors.txt", SENTENCE.split())),
    Kind("paraphrases", "texts", "paraphrases.yaml", "yaml", _read_paraphrases,
         r"spelling\.|slots\.|types\."),
    Kind("result.json of an ablation", "texts", "arm/seed-0/result.json", "json",
         _read_result,
         "mean_return|success_rate_95|episodes|extra"),
    Kind("event file", "texts", EVENTS, "bytes",
         _read_result, tolerant=True),
    Kind("index.json", "index", "index/index.json", "json", _search("index"), "extra"),
    Kind("entries.json", "index", "index/entries.json", "json", _search("index")),
    Kind("embeddings.npy", "index", "index/embeddings.npy", "npy", _search("index")),
    Kind("graph.faiss", "index", "graph/graph.faiss", "bytes", _search("graph")),
    Kind("record .episode", "media", "one.episode", "episode",
         lambda f: (read_summary(f / "one.episode"), read_record(f / "one.episode")),
         r".*(about|infos|env_args)|steps\.json: (rewards|numbers)\."),
    *(Kind(f"image .{suffix}", "media", f"image.{suffix}", "png" if suffix == "png" else "bytes",
           lambda f, suffix=suffix: read_image(f / f"image.{suffix}"))
      for suffix in ("png", "jpg", "gif", "bmp", "tiff", "webp")),
    Kind("sound .wav", "media", "sound.wav", "wav", lambda f: read_wav(f / "sound.wav")),
    Kind("hub: config.json of a text model", "hub", "bert/config.json", "json", _read_text_model,
         ".*"),
    Kind("hub: tokenizer.json", "hub", "bert/tokenizer.json", "json", _read_text_model, ".*"),
    Kind("hub: tokenizer_config.json", "hub", "bert/tokenizer_config.json", "json",
         _read_text_model, ".*"),
    Kind("hub: model.safetensors", "hub", "bert/model.safetensors", "safetensors",
         _read_text_model),
    Kind("hub: config.json of a vision model", "hub", "vit/config.json", "json",
         _read_image_model, ".*"),
    Kind("hub: preprocessor_config.json", "hub", "vit/preprocessor_config.json", "json",
         _read_image_model, ".*"),
    Kind("weights .pth", "weights", "weights.pth", "bytes",
         _read_weights("weights.pth")),
    Kind("weights .safetensors", "weights", "weights.safetensors", "safetensors",
         _read_weights("weights.safetensors")),
    Kind("study.db", "study", "search/study.db", "sqlite", _read_study,
         writes=True),
    Kind("search.yaml of a study", "study", "search/search.yaml", "yaml", _read_study),
)  # fmt: skip
"""All kinds of files, by their readers."""

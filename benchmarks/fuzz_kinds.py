"""The kinds of files that mmrl reads, for ``fuzz_readers.py``: of each an example in
``fuzz_examples.py``, and the function that reads it.

Readers that ask for more than one file have a row for each of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from fuzz_examples import CHECKPOINT, EVENTS, SENTENCE, open_study, request

import mmrl
from mmrl import trust
from mmrl.arguments.checks import check_settings
from mmrl.arguments.request import parse
from mmrl.cli.caption import read_image
from mmrl.cli.common import claim
from mmrl.cli.fit import check as check_fit
from mmrl.cli.fit import parse as parse_fit
from mmrl.data import RandomSource, collect, find_place, open_dataset
from mmrl.experiment.ablation import Arm, read_row
from mmrl.experiment.benchmark import read_suite, read_table
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.lock import LockedError, RunLock
from mmrl.experiment.run import Run
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.encoders.torchvision_networks import torchvision_encoder
from mmrl.models.encoders.words import read_word_vectors
from mmrl.models.io import load_model
from mmrl.paraphrases import ParaphraseSet
from mmrl.preprocessing.image_processor import load_steps
from mmrl.preprocessing.speech import load_speech, read_wav
from mmrl.preprocessing.text import (
    PretrainedTokenizer,
    load_tokenizer,
)
from mmrl.records.file import read_record, read_summary
from mmrl.retrieval.index import ImageIndex
from mmrl.training import find_task
from mmrl.training.load import load
from mmrl.training.tasks.sprites import read_images
from mmrl.training.trainer import fit
from mmrl_agents.algorithms.ppo import PPO


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the kind.
        example: the key in ``fuzz_examples.EXAMPLES`` of what makes a valid one.
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


def _resume_parts(folder: Path) -> Any:
    return collect(request(), RandomSource, find_place(f"{folder}/data"))


def _read_theme(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from mmrl_envs.grid.rendering.themes.files import read_theme

        return read_theme(folder / name)

    return read


def _read_paraphrases(folder: Path) -> Any:
    found = ParaphraseSet.read(folder / "paraphrases.yaml")
    return [found.paraphrase(SENTENCE, kind) for kind in found.types]


def _read_result(folder: Path) -> Any:
    row = read_row(Arm("arm", ()), folder, [0])
    return None if row is None else row.summary()


def _search(name: str) -> Callable[[Path], Any]:
    query = np.array([0, 1, 0, 0], np.float32)
    return lambda folder: ImageIndex.load(folder / name).search(query, 3)


def _read_text_model(folder: Path) -> Any:
    tokenizer = PretrainedTokenizer(str(folder / "bert"), 8)
    encoder = build_text_encoder(str(folder / "bert"), tokenizer.size, length=8)
    ids = torch.from_numpy(tokenizer.encode(SENTENCE))[None]
    return encoder(ids.int())


def _read_image_model(folder: Path) -> Any:
    from mmrl.models.encoders.image import build_image_encoder

    encoder = build_image_encoder(str(folder / "vit"), (16, 16))
    return encoder(torch.zeros(1, 16, 16, 3, dtype=torch.uint8))


def _read_weights(name: str) -> Callable[[Path], Any]:
    return lambda folder: torchvision_encoder("squeezenet1_1", (32, 32), weights=str(folder / name))


def _read_study(folder: Path) -> Any:
    study = open_study(folder)
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
         lambda f: trust.is_trusted({"env": "fuzz_examples:Press"}, f / "run/config.yaml"), ".*",
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

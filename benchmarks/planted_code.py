"""Code planted in every kind of file that mmrl reads, for ``hostile_files.py``.

Each ``plant_…`` function copies honest files, plants a payload that leaves a mark, and adds a
:class:`Case`: the commands that read the file, and a control that opens it the careless way.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from gymnasium.envs.registration import EnvSpec
from PIL import Image
from safetensors.torch import save_file

from mmrl.experiment.checkpoint import Checkpoint, write_checkpoint

SMALL = [
    "--env=mmrl/GoToObjS4-v0", "--device=cpu", "--steps=128", "--eval-episodes=0", "--clip-every=0",
    "--model.image-args={width: 8}", "--model.text=bag_of_words", "--model.features=8",
    "--ppo.num-envs=8", "--ppo.n-steps=16", "--ppo.batch-size=64", "--ppo.n-epochs=1",
]  # fmt: skip
FIT = ["--steps=1", "--batch-size=8", "--device=cpu"]
TAG = "!!python/object/apply:os.system ['touch {mark}']"


class Payload:
    """An object whose unpickling leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._mark}",)


@dataclass
class Case:
    """A kind of file, planted.

    Attributes:
        name: of the kind.
        commands: of mmrl that read it, or Python code after ``-c``.
        control: Python code that opens it the careless way.
        where: the working directory.
        environment: more variables.
    """

    name: str
    commands: list[list[str]]
    control: str
    where: Path
    environment: dict[str, str]


class Workshop:
    """Honest files, to plant payloads in copies of them.

    Args:
        folder: for all files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, folder / "mark"
        self.cases: list[Case] = []

    def make_honest(self) -> None:
        """A run, a dataset, a folder of images and a model."""
        fit = ["--steps=2", "--batch-size=8", "--device=cpu"]
        images = self.folder / "images"
        images.mkdir()
        for number in range(3):
            Image.new("RGB", (56, 56), (80 * number, 90, 10)).save(images / f"{number}.png")
        for arguments in (
            ["train", *SMALL, "--out=run"],
            ["collect", "mmrl/GoToObjS4-v0", "--episodes=24", "--by=expert", "--out=./data"],
            ["fit", "captioner", "--data=./data", *fit, "--out=captioner"],
            ["fit", "retrieval", "--data=./data", *fit, "--out=retrieval"],
            ["fit", "tokenizer", "--data=./data", *fit, "--out=tokenizer"],
            ["fit", "world-model", "--data=./data", "--tokenizer=tokenizer", *fit, "--window=2",
             "--out=world"],
            ["index", "images", "--model=retrieval", "--out=images.index"],
        ):  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-P", "-m", "mmrl", *arguments], cwd=self.folder,
                capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")

    def place(self, name: str, *honest: str) -> Path:
        """A new folder with copies of honest files, and modules that leave a mark."""
        place = self.folder / "planted" / name.replace(" ", "-")
        place.mkdir(parents=True)
        for one in honest:
            shutil.copytree(self.folder / one, place / one)
        return place

    def module(self, place: Path, name: str) -> None:
        """A module that leaves a mark when it is imported."""
        (place / f"{name}.py").write_text(f"import os\nos.system('touch {self.mark}')\n")

    def add(
        self, name: str, where: Path, commands: list[list[str]], control: str, **environment: str
    ) -> None:
        """A kind of file that is planted now."""
        self.cases.append(Case(name, commands, control, where, environment))


RUN_COMMANDS = [
    ["eval", "run", "--episodes=2"],
    ["eval", "run", "--episodes=2", "--env=mmrl/GoToObjS4-v0"],
    ["clip", "run", "--episodes=1", "--out=clip.gif"],
    ["watch", "run", "--seed=1"],
    ["collect", "mmrl/GoToObjS4-v0", "--episodes=2", "--by=run", "--out=./by-run"],
    ["export", "run", "exported"],
    ["train", "--resume=run"],
    ["train", "--resume=run", "--allow-changes", "--steps=256"],
    ["train", "--resume=run", "--dry-run", "--workers=2"],
    ["train", "--config=run/config.yaml", "--out=again"],
]
YAML_COMMANDS = [
    ["train", "--config=a.yaml", "--out=new"],
    ["train", "--config=a.yaml", "--out=new", "--dry-run", "--workers=2"],
    ["ablate", "a.yaml", "--over=model.fusion=film,concat", "--out=ablation"],
    ["tune", "a.yaml", "--trials=1", "--over=ppo.learning_rate=1e-4..1e-3", "--out=search"],
    ["benchmark", "suite.yaml", "--out=suite"],
]
DATA_COMMANDS = [
    ["collect", "show", "./data"],
    ["export", "./data", "exported"],
    ["caption", "captioner", "--data=./data"],
    ["index", "./data", "--model=retrieval"],
    ["fit", "captioner", "--data=./data", *FIT, "--out=new"],
    ["fit", "retrieval", "--data=./data", *FIT, "--out=new2"],
    ["fit", "world-model", "--data=./data", "--tokenizer=tokenizer", *FIT, "--out=new3"],
]


def edit_config(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a run's configuration as somebody else would."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def plant_configs(shop: Workshop) -> None:
    """Run folders and YAML files."""
    spec = {
        "class_path": "subprocess.Popen",
        "init_args": {"args": f"touch {shop.mark}", "shell": True},
    }
    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "class_path in optimizer.args": lambda c: c["optimizer"]["args"].update(x=spec),
        "class_path in env_args": lambda c: c["env_args"].update(x=spec),
        "class_path in model.image_args": lambda c: c["model"]["image_args"].update(x=spec),
        "environment of a module": lambda c: c.update(env="payload:Id-v0"),
        "environment of a module among several": lambda c: c.update(
            env="{payload:Id-v0: 2, mmrl/GoToObjS4-v0: 1}"
        ),
        "environment of a module in the run": lambda c: c.update(env="run.payload:Id-v0"),
        "fusion of a module": lambda c: c["model"].update(fusion="payload.Fusion"),
        "fusion subprocess.Popen": lambda c: c["model"].update(fusion="subprocess.Popen"),
        "agent of a module": lambda c: c.update(agent="payload.Agent"),
        "logger of a module": lambda c: c.update(logger=["csv", "payload.Log"]),
        "encoder of a module": lambda c: c["model"].update(text="payload.Words"),
        "encoder of a module, by key": lambda c: c["model"].update(
            encoders={"image": {"name": "payload.Retina"}}
        ),
    }
    controls = {
        "class_path": "from jsonargparse import *; from typing import *\n"
        "p = ArgumentParser(); p.add_argument('--x', type=Any)\n"
        f"set_parsing_settings(instantiate_subclass_spec_in_any=True, "
        f"import_path_allowlist=['subprocess'])\n"
        f"p.instantiate_classes(p.parse_object({{'x': {spec!r}}})); import time; time.sleep(1)",
        "environment of a module": "import payload",
        "environment of a module among several": "import payload",
        "environment of a module in the run": "import run.payload",
        "fusion of a module": "import payload",
        "agent of a module": "import payload",
        "logger of a module": "import payload",
        "encoder of a module": "import payload",
        "encoder of a module, by key": "import payload",
        "fusion subprocess.Popen": f"import subprocess; subprocess.Popen(['touch', '{shop.mark}'])"
        ".wait()",
    }
    for name, change in changes.items():
        place = shop.place(f"config {name}", "run")
        edit_config(place / "run", change)
        for module in (place, place / "run"):
            shop.module(module, "payload")
        shutil.copy(place / "run" / "config.yaml", place / "a.yaml")
        (place / "suite.yaml").write_text("entries: [{config: a.yaml}]\n")
        control = controls.get(name, controls["class_path"])
        shop.add(f"run folder: {name}", place, RUN_COMMANDS, control)
        shop.add(f"YAML file: {name}", place, YAML_COMMANDS, control)
    tag = TAG.format(mark=shop.mark)
    place = shop.place("yaml tag", "run")
    (place / "run" / "config.yaml").open("a").write(f"seed: {tag}\n")
    shutil.copy(place / "run" / "config.yaml", place / "a.yaml")
    (place / "suite.yaml").write_text(tag)
    (place / "ablation").mkdir()
    (place / "ablation" / "ablation.yaml").write_text(tag)
    (place / "search").mkdir()
    (place / "search" / "search.yaml").write_text(tag)
    control = f"import yaml; yaml.unsafe_load({tag!r})"
    shop.add("run folder: YAML tag", place, RUN_COMMANDS, control)
    shop.add("YAML file: YAML tag", place, YAML_COMMANDS, control)
    honest = yaml.safe_load((shop.folder / "run" / "config.yaml").read_text())
    (place / "b.yaml").write_text(yaml.safe_dump(honest))
    studies = [[*c[:1], "b.yaml", *c[2:]] for c in YAML_COMMANDS[2:4]]
    shop.add("ablation and search folder: YAML tag", place, studies, control)
    place = shop.place("paraphrases", "run")
    (place / "paraphrases.yaml").write_text(f"types: {tag}\n")
    commands = [["eval", "run", "--episodes=2", "--paraphrases", "paraphrases.yaml"]]
    shop.add("paraphrases: YAML tag", place, commands, control)


def plant_env_infos(shop: Workshop) -> None:
    """What a run keeps of its environment."""
    place = shop.place("env info", "run")
    shop.module(place, "payload")
    file = place / "run" / "env_info.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps({**info, "language": "payload:Language"}))
    shop.add("run folder: language of a module", place, RUN_COMMANDS, "import payload")


def plant_checkpoints(shop: Workshop) -> None:
    """Checkpoints, models and archives."""
    place = shop.place("pickled arrays", "run")
    checkpoint = place / "run" / "checkpoints" / "step_128"
    pickled = io.BytesIO()
    np.savez(pickled, allow_pickle=True, **{"0": np.array([Payload(shop.mark)], object)})
    (checkpoint / "state.npz").write_bytes(pickled.getvalue())
    (checkpoint / "weights.safetensors").write_bytes(pickle.dumps(Payload(shop.mark)))
    forge_manifest(checkpoint)
    control = "import numpy as np, glob; dict(np.load(glob.glob('run/checkpoints/*/state.npz')[0],"
    shop.add(
        "run folder: pickled checkpoint", place, RUN_COMMANDS[:8], control + "allow_pickle=True))"
    )

    place = shop.place("generator", "world", "data")
    shop.module(place, "payload")
    old = place / "world" / "checkpoints" / "step_2"
    state = json.loads((old / "state.json").read_text())
    write_checkpoint(
        old, Checkpoint(3, {"a": torch.zeros(1)}, {"recipe": {"env": "payload:Id-v0"}})
    )
    commands = [["imagine", "world", "--out=a.gif"], ["fit", "world-model", "--resume=world"]]
    assert state
    shop.add("generator: environment of a module", place, commands, "import payload")

    place = shop.place("model")
    shop.module(place, "payload")
    make = (
        "from mmrl.models.build import *; from mmrl.models.io import save_model; "
        "config = ModelConfig(text='bag_of_words', image_args={'width': 8}); "
        "save_model(build_model(config, ModelInputs.standard((24, 24), 9)), 'model')"
    )
    subprocess.run([sys.executable, "-c", make], check=True, cwd=place)
    about = json.loads((place / "model" / "model.json").read_text())
    about["config"]["fusion"] = "payload.Fusion"
    (place / "model" / "model.json").write_text(json.dumps(about))
    load = ["-c", "from mmrl.models.io import load_model; load_model('model')"]
    shop.add("model: fusion of a module", place, [load], "import payload")

    place = shop.place("archive")
    with zipfile.ZipFile(place / "a.zip", "w") as archive:
        archive.writestr("data", json.dumps({"policy_class": {":serialized:": encoded(shop.mark)}}))
        archive.writestr("policy.pth", pickle.dumps(Payload(shop.mark)))
    load = ["-c", "from mmrl_agents.algorithms.ppo import PPO; PPO.load('a.zip')"]
    control = "from stable_baselines3 import PPO; PPO.load('a.zip')"
    shop.add("archive of stable-baselines3", place, [load], control)


def encoded(mark: Path) -> str:
    """A payload as stable-baselines3 keeps objects in JSON."""
    import base64

    return base64.b64encode(pickle.dumps(Payload(mark))).decode()


def forge_manifest(checkpoint: Path) -> None:
    """Checksums that fit what is there now."""
    import hashlib

    manifest = json.loads((checkpoint / "manifest.json").read_text())
    for name in manifest["sha256"]:
        manifest["sha256"][name] = hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


def plant_datasets(shop: Workshop) -> None:
    """Minari datasets."""
    touch = {"command": f"touch {shop.mark}"}
    spec = EnvSpec("Payload-v0", "os:system", kwargs=touch, disable_env_checker=True).to_json()
    control = (
        "import gymnasium; from gymnasium.envs.registration import EnvSpec\n"
        f"try: gymnasium.make(EnvSpec.from_json({spec!r}))\nexcept BaseException: pass"
    )
    extra = ("captioner", "retrieval", "tokenizer")
    for name, keep_spaces in (("with spaces", True), ("without spaces", False)):
        place = shop.place(f"env_spec {name}", "data", *extra)
        file = place / "data" / "data" / "metadata.json"
        metadata = json.loads(file.read_text())
        metadata["env_spec"] = spec
        metadata.pop("mmrl", None)
        if not keep_spaces:
            for key in ("observation_space", "action_space"):
                metadata.pop(key, None)
        file.write_text(json.dumps(metadata))
        shop.add(f"dataset: env_spec, {name}", place, DATA_COMMANDS, control)
    place = shop.place("dataset of a module", "data", *extra)
    shop.module(place, "payload")
    file = place / "data" / "data" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["mmrl"]["env"] = "payload:Id-v0"
    file.write_text(json.dumps(metadata))
    more = [["imagine", "new3", "--out=a.gif"]]
    shop.add("dataset: environment of a module", place, DATA_COMMANDS + more, "import payload")


def plant_models_of_others(shop: Workshop) -> None:
    """Folders of transformers, and torch's cache."""
    place = shop.place("auto_map")
    hub = place / "hub"
    hub.mkdir()
    shop.module(hub, "modeling_payload")
    auto = {"AutoConfig": "modeling_payload.C", "AutoModel": "modeling_payload.M",
            "AutoTokenizer": ["modeling_payload.T", None]}  # fmt: skip
    (hub / "config.json").write_text(json.dumps({"model_type": "payload", "auto_map": auto}))
    (hub / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto}))
    save_file({"a": torch.zeros(1)}, hub / "model.safetensors")
    train = ["train", *SMALL, "--model.text=hub", "--out=new"]
    control = (
        "from transformers import AutoConfig\n"
        "try: AutoConfig.from_pretrained('hub', trust_remote_code=True)\nexcept Exception: pass"
    )
    shop.add("transformers folder: auto_map", place, [train], control)
    place = shop.place("pickled weights")
    hub = place / "hub"
    hub.mkdir()
    bert = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8,
            "num_attention_heads": 2, "vocab_size": 30}  # fmt: skip
    (hub / "config.json").write_text(json.dumps(bert))
    (hub / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "go"]))
    torch.save({"a": Payload(shop.mark)}, hub / "pytorch_model.bin")
    train = ["train", *SMALL, "--model.text=hub", "--out=new"]
    control = "import torch; torch.load('hub/pytorch_model.bin', weights_only=False)"
    shop.add("transformers folder: pickled weights", place, [train], control)
    place = shop.place("torch cache")
    cache = place / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save({"a": Payload(shop.mark)}, cache / "resnet18-f37072fd.pth")
    train = [
        "train", *SMALL[:-8], "--model.image=resnet18", "--model.image-weights=IMAGENET1K_V1",
        "--out=new",
    ]  # fmt: skip
    control = (
        "import torch; torch.load('hub/checkpoints/resnet18-f37072fd.pth', weights_only=False)"
    )
    shop.add("torch's cache: pickled weights", place, [train], control, TORCH_HOME=str(place))
    place = shop.place("image weights")
    torch.save({"a": Payload(shop.mark)}, place / "mine.pth")
    train = [
        "train", *SMALL[:-8], "--model.image=resnet18", "--model.image-weights=mine.pth",
        "--out=new",
    ]  # fmt: skip
    control = "import torch; torch.load('mine.pth', weights_only=False)"
    shop.add("a file of image weights: pickled", place, [train], control)


def plant_arrays_and_images(shop: Workshop) -> None:
    """Themes, indices and images."""
    place = shop.place("theme")
    pickled = np.array([Payload(shop.mark)], object)
    np.savez(place / "theme.npz", allow_pickle=True, floor=pickled)
    play = ["collect", "mmrl/GoToObjS4-v0", "--episodes=2", "--by=expert", "--out=./x",
            "--env-args={theme: theme.npz}"]  # fmt: skip
    control = "import numpy as np; dict(np.load('theme.npz', allow_pickle=True))"
    shop.add("theme: pickled arrays", place, [play], control)
    place = shop.place("index", "images", "retrieval", "images.index")
    np.save(place / "images.index" / "embeddings.npy", pickled, allow_pickle=True)
    search = [["search", "images.index", "a red ball"]]
    control = "import numpy as np; np.load('images.index/embeddings.npy', allow_pickle=True)"
    shop.add("index: pickled embeddings", place, search, control)
    if shutil.which("gs"):
        place = shop.place("eps", "images", "retrieval", "captioner")
        for name in ("a.eps", "a.png"):
            (place / "images" / name).write_text(
                "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 60\n"
                f"({shop.mark}) (w) file closefile showpage\n"
            )
        commands = [["index", "images", "--model=retrieval", "--out=new.index"],
                    ["caption", "captioner", "images/a.eps", "images/a.png"]]  # fmt: skip
        control = "import subprocess; subprocess.run(['gs', '-q', '-dNOSAFER', '-dBATCH', "
        control += "'-dNOPAUSE', '-sDEVICE=nullpage', 'images/a.eps'])"
        shop.add("image: EPS", place, commands, control)


def plant_modules(shop: Workshop) -> None:
    """Modules of the working directory that have the names of installed ones."""
    place = shop.place("working directory", "run", "data", "images", "captioner", "retrieval")
    names = (
        "torch yaml numpy gymnasium jsonargparse rich PIL h5py minari stable_baselines3 "
        "sentencepiece soundfile usercustomize payload"
    )
    for name in names.split():
        shop.module(place, name)
    info = place / "payload-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: payload\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mmrl.environments]\npayload = payload\n")
    commands = [["--help"], ["envs"], ["train", "--help"], *RUN_COMMANDS[:5], *DATA_COMMANDS[:4]]
    commands += [["train", *SMALL, "--out=new4"], ["tune", "--help"]]
    shop.add("working directory: torch.py, yaml.py, …", place, commands, "import payload")


PLANTS: Final[tuple[Callable[[Workshop], None], ...]] = (
    plant_configs,
    plant_env_infos,
    plant_checkpoints,
    plant_datasets,
    plant_models_of_others,
    plant_arrays_and_images,
    plant_modules,
)
"""All kinds of files."""

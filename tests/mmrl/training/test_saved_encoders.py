"""Fitted modules with pretrained encoders need the models' folders no more: to load, to resume."""

import shutil

import pytest
import torch

from mmrl.cli import main
from mmrl.experiment.run import Run
from mmrl.training.load import load
from tests import tiny_hub

SMALL = ["--device", "cpu", "--steps", "4", "--batch-size", "8"]
DECODER = ["--width", "16", "--layers", "1", "--heads", "2"]
WORLD = [*DECODER, "--outcome-layers", "1", "--frames", "2", "--margin", "2", "--window", "3"]


@pytest.fixture(scope="module")
def tokenizer(described, tmp_path_factory):
    """An image tokenizer of the described images."""
    out = str(tmp_path_factory.mktemp("runs") / "tokenizer")
    small = ["--device", "cpu", "--steps", "4", "--hidden", "16"]
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *small]) == 0
    return out


@pytest.mark.filterwarnings("ignore:an instruction of")
@pytest.mark.parametrize("task", ["retrieval", "painter", "world-model", "captioner"])
def test_without_the_folders(task, described, tokenizer, tmp_path, capsys):
    hub = {name: tiny_hub.save(name, tmp_path / "hub" / name) for name in ("roberta", "vit")}
    text, length = ["--text", hub["roberta"]], ["--instruction-length", str(tiny_hub.LENGTH)]
    options = {
        "retrieval": [*text, "--image", hub["vit"], "--image-args", "{}", *length],
        "painter": [*text, "--tokenizer", tokenizer, "--length", "40", *DECODER],
        "world-model": [*text, *length, "--tokenizer", tokenizer, *WORLD],
        "captioner": ["--image", hub["vit"], "--about", "scene", "--frames", "1", *DECODER],
    }[task]
    run = tmp_path / "run"
    command = ["fit", task, "--data", described, "--out", str(run), *SMALL, *options]
    if task == "painter":  # words and marks of its own have more ids than the tiny model
        command[command.index(hub["roberta"])] = _larger(tmp_path / "hub" / "larger")
    assert main(command) == 0
    before = load(run, task, "cpu").state_dict()
    shutil.rmtree(tmp_path / "hub")

    after = load(run, task, "cpu").state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(one, after[key]) for key, one in before.items())
    capsys.readouterr()
    resumed = ["fit", task, "--resume", str(run), "--steps", "6", "--allow-changes"]
    assert main(resumed) == 0
    assert Run.open(run).newest_checkpoint().name == "step_6"


def _larger(folder):
    """A text model with embeddings for more words."""
    from mmrl.compat import import_transformers

    transformers = import_transformers()
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**sizes, intermediate_size=16, vocab_size=200)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)

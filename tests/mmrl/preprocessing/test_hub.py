"""Folders of transformers' models are data: neither their code nor their pickles are run."""

import io
import json
import os
import sys

import pytest
import torch

from mmrl.compat import import_transformers
from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.hub_text import pretrained_text
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.speech import build_speech_encoder
from mmrl.models.encoders.text import build_text_encoder
from mmrl.preprocessing.hub import load_pretrained, pretrained_config
from mmrl.preprocessing.image_processor import load_steps
from mmrl.preprocessing.speech import PretrainedSpeech
from mmrl.preprocessing.text import PretrainedTokenizer

CODE = """
open({mark!r}, "w")
from transformers import BertConfig, BertModel, PreTrainedTokenizer, Wav2Vec2FeatureExtractor
class Config(BertConfig):
    model_type = "{kind}"
class Model(BertModel):
    config_class = Config
class Tokenizer(PreTrainedTokenizer): pass
class Extractor(Wav2Vec2FeatureExtractor): pass
"""
CLASSES = {
    "AutoConfig": "evil.Config",
    "AutoModel": "evil.Model",
    "AutoTokenizer": ["evil.Tokenizer", None],
    "AutoFeatureExtractor": "evil.Extractor",
    "AutoImageProcessor": "evil.Extractor",
}


@pytest.fixture
def answers(monkeypatch):
    """A user who answers every question with yes."""

    class Yes(io.StringIO):
        asked = 0

        def readline(self, *_):
            self.asked += 1
            return "y\n"

    yes = Yes()
    monkeypatch.setattr(sys, "stdin", yes)
    return yes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A function that makes a tiny model whose files name code of their own."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    transformers = import_transformers()
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "m"))

    def make(kind, mark):
        path = tmp_path / kind
        path.mkdir(exist_ok=True)
        config = transformers.BertConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
        transformers.BertModel(config).save_pretrained(path)
        settings = json.loads((path / "config.json").read_text())
        named = settings | {"model_type": kind, "auto_map": CLASSES}
        (path / "config.json").write_text(json.dumps(named))
        for name in ("tokenizer_config.json", "preprocessor_config.json"):
            (path / name).write_text(json.dumps({"auto_map": CLASSES}))
        (path / "evil.py").write_text(CODE.format(mark=str(mark), kind=kind))
        return str(path)

    return make


READERS = [
    pretrained_text,
    lambda name: pretrained_text(name, weights=False),
    pretrained_config,
    lambda name: build_text_encoder(name, 9, 9),
    lambda name: build_image_encoder(name, (32, 32)),
    lambda name: build_image_encoder(name, (32, 32), pretrained=False),
    load_steps,
    lambda name: build_model(ModelConfig.image_text(name, "resnet18"), pretrained=False),
    lambda name: build_speech_encoder(name, (160,)),
    lambda name: build_speech_encoder(name, (160,), pretrained=False),
    PretrainedTokenizer,
    PretrainedSpeech,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", ["strange", "bert"])
def test_code_in_a_folder_is_refused(folder, answers, tmp_path, offline, read, kind):
    mark = tmp_path / "mark"
    path = folder(kind, mark)
    with pytest.raises(UserError, match=r"config.json names Python code of its own \(auto_map\)"):
        read(path)
    assert not mark.exists()
    assert answers.asked == 0


def test_the_code_would_run(folder, answers, tmp_path, offline):
    """What is refused above, with transformers alone and a user who answers yes."""
    mark = tmp_path / "mark"
    path = folder("strange", mark)
    import_transformers().AutoConfig.from_pretrained(path)
    assert mark.exists()
    assert answers.asked


@pytest.mark.parametrize("kind", ["AutoConfig", "AutoModel", "AutoTokenizer"])
def test_code_of_the_hub_is_refused(folder, answers, tmp_path, offline, monkeypatch, kind):
    """As for a name in the cache, whose files are not looked at beforehand."""
    mark = tmp_path / "mark"
    path = folder("strange", mark)
    monkeypatch.setattr("mmrl.preprocessing.hub.check_code", lambda folder: None)
    with pytest.raises(ValueError, match=r"custom code|trust_remote_code"):
        load_pretrained(kind, path)
    assert not mark.exists()
    assert answers.asked == 0


def test_nothing_is_asked_where_nobody_answers(folder, tmp_path, monkeypatch, capfd):
    path = folder("strange", tmp_path / "mark")
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(UserError, match="names Python code of its own"):
            PretrainedTokenizer(path)
    assert "[y/N]" not in "".join(capfd.readouterr())
    assert not (tmp_path / "mark").exists()


def test_kernels_of_a_stranger(folder, tmp_path, offline):
    path = tmp_path / "kernels"
    path.mkdir()
    settings = {"model_type": "bert", "attn_implementation": "evil/attention"}
    (path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="names compiled code of its own .* evil/attention"):
        pretrained_config(str(path))


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_pickled_weights_are_not_read(tmp_path, offline, name):
    proof, mark = tmp_path / "proof", tmp_path / "mark"
    torch.save(Payload(proof), tmp_path / "proof.pth")
    torch.load(tmp_path / "proof.pth", weights_only=False)
    assert proof.exists()
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 12}')
    torch.save(Payload(mark), tmp_path / name)
    with pytest.raises(UserError, match=r"\.bin is a pickle, .*convert the weights to model.safe"):
        build_text_encoder(str(tmp_path), 9, 9)
    assert not mark.exists()

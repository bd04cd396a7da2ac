"""The image–text model, from files in the hubs' own formats or from nothing; model folders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmrl.compat import import_torchvision, import_transformers
from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.models.model import MultimodalModel

SENTENCES = ["go to the red bell", "open the drum on the left"]


def whole(text, **options):
    """The image–text model of a small text encoder and all of a ResNet-18."""
    settings = {"image": "resnet18", "image_features": 8, "image_size": (64, 64), **options}
    return ModelConfig.image_text(text, **settings)


def small(text, **options):
    """The image–text model of two small parts, such as the first stage of a ResNet."""
    config = whole(text, **options)
    image = config.encoders["image"]
    first = replace(image, args={**image.args, "stage": 1})
    return replace(config, encoders={**config.encoders, "image": first})


@pytest.fixture(scope="module")
def bert(tmp_path_factory, minilm):
    """A tiny BERT with a real word-piece tokenizer, as its hub keeps it."""
    folder = tmp_path_factory.mktemp("bert")
    transformers = import_transformers()
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(minilm).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def hub(tmp_path, published):
    """Torch's cache of weights with a ResNet-18 as the hub has it."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    published(tmp_path / "checkpoints", import_torchvision().models.resnet18().state_dict())
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


def random_images(rows=2, size=(50, 70)):
    return torch.randint(0, 256, (rows, 3, *size), dtype=torch.uint8)


def test_bert_base_beside_resnet50():
    config = ModelConfig.image_text(image_size=(64, 96))
    model = build_model(config, pretrained=False).eval()
    assert sum(p.numel() for p in model.encoders["instruction"].bert.parameters()) == 109_482_240
    with torch.no_grad():
        features = model(SENTENCES, random_images(size=(90, 120)))
        assert features.shape == (2, 768 + 512)
        swapped = model(SENTENCES[::-1], random_images(size=(90, 120)))
    torch.testing.assert_close(swapped[:, :768].flip(0), features[:, :768], rtol=1e-3, atol=1e-4)


def test_pretrained_from_files(bert, hub, offline, tmp_path):
    model = build_model(small(bert)).eval()
    images = random_images()
    features = model(SENTENCES, images)
    assert features.shape == (2, 24)
    reference = import_transformers()
    pieces = reference.AutoTokenizer.from_pretrained(bert)(SENTENCES[0], return_tensors="pt")
    right = reference.AutoModel.from_pretrained(bert).eval()(**pieces).last_hidden_state.mean(1)
    torch.testing.assert_close(features[:1, :16], right, rtol=1e-3, atol=1e-4)

    save_model(model, tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert torch.equal(again(SENTENCES, images), features)
    save_model(again, tmp_path / "saved")  # over the old one
    assert torch.equal(load_model(tmp_path / "saved")(SENTENCES, images), features)


@pytest.mark.parametrize("fusion", ["film", "cross_attention", "gated"])
def test_other_fusions(bert, fusion, tmp_path):
    model = build_model(small(bert, fusion=fusion), pretrained=False).eval()
    images = random_images()
    assert model(SENTENCES, images).shape == (2, 24)
    save_model(model, tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert torch.equal(again(SENTENCES, images), model(SENTENCES, images))


def test_weights_out_of_reach(offline):
    with pytest.raises(UserError) as caught:
        build_model(ModelConfig.image_text())
    for word in ("bert-base-uncased", "model.safetensors", "hub", "minilm", "pretrained=False"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fusion": "flim"}, "did you mean 'film'"),
        ({"image": "resnet19"}, "resnet18"),
        ({"precision": "fp8"}, "precision"),
    ],
)
def test_unknown_names(bert, options, words):
    with pytest.raises(UserError, match=words):
        build_model(small(bert, **options), pretrained=False)


@pytest.fixture(scope="module")
def original(bert, tmp_path_factory):
    """A saved model, which no test changes."""
    folder = tmp_path_factory.mktemp("original") / "saved"
    save_model(build_model(small(bert), pretrained=False), folder)
    return folder


@pytest.fixture
def saved(original, tmp_path):
    """A copy of the saved model."""
    return Path(shutil.copytree(original, tmp_path / "saved"))


def test_another_tokenizer_is_refused(saved):
    other = json.loads((saved / "tokenizer.json").read_text())
    (saved / "tokenizer.json").write_text(json.dumps({**other, "length": 12}))
    with pytest.raises(UserError, match="'instruction' is not the one that the model was trained"):
        load_model(saved)


def test_other_image_preprocessing_is_refused(saved):
    about = json.loads((saved / "model.json").read_text())
    about["config"]["encoders"]["image"]["size"] = [96, 96]
    (saved / "model.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="'image' is not the one that the model was trained"):
        load_model(saved)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_spoilt_files(saved, file, content):
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(UserError, match="saved"):
        load_model(saved)


def test_nothing_else_is_overwritten(saved, tmp_path):
    model = load_model(saved)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("whole")
    with pytest.raises(UserError, match="nothing was overwritten"):
        save_model(model, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "whole"


def test_as_many_images_as_sentences(saved):
    model = load_model(saved)
    with pytest.raises(UserError, match="2 sentences and 3 images"):
        model(SENTENCES, random_images(3))
    model.tokenizer = None
    with pytest.raises(UserError, match="no tokenizer"):
        model(SENTENCES, random_images())


def test_a_model_by_hand_is_not_saved_by_recipe(saved, tmp_path):
    model = load_model(saved)
    by_hand = MultimodalModel(dict(model.encoders.items()), model.fusion)
    with pytest.raises(UserError, match="was not made by build_model"):
        save_model(by_hand, tmp_path / "other")


def test_folders_of_from_names_are_read(bert, tmp_path):
    """The file of ``MultimodalModel.from_names``, which earlier versions had."""
    model, saved = build_model(whole(bert), pretrained=False).eval(), tmp_path / "saved"
    save_model(model, saved)
    about = json.loads((saved / "model.json").read_text())
    former = {
        "kind": "names", "image": "resnet18", "image_weights": "IMAGENET1K_V1",
        "fusion": "concat", "image_features": 8, "image_size": [64, 64], "length": 64,
        "precision": "fp32", "preprocessing": about["preprocessing"],
    }  # fmt: skip
    (saved / "model.json").write_text(json.dumps(former))
    shutil.move(saved / "encoders" / "instruction", saved / "text")
    (saved / "encoders").rmdir()
    images = random_images()
    again = load_model(saved)
    assert torch.equal(again(SENTENCES, images), model(SENTENCES, images))
    save_model(again, saved)
    assert torch.equal(load_model(saved)(SENTENCES, images), model(SENTENCES, images))


@pytest.mark.parametrize("vocabulary", [12, [*"abcdefghijkl"]])
def test_folders_without_a_table_of_encoders_are_read(tiny, tmp_path, speech_models, vocabulary):
    """The file of earlier versions, with a field for each modality; their images are [3, H, W]."""
    config = replace(tiny, speech=speech_models["wav2vec2"])
    inputs = ModelInputs.standard((24, 16), vocabulary, speech=(2000,), goal=(16, 16))
    model = build_model(config, inputs).eval()
    folder = tmp_path / "model"
    save_model(model, folder)
    about = json.loads((folder / "model.json").read_text())
    del about["inputs"], about["config"]["encoders"]
    about["preprocessing"] = {"image": about["preprocessing"]["image"]}
    about |= {"image_size": [24, 16], "vocabulary": vocabulary, "speech": [2000], "goal": [16, 16]}
    (folder / "model.json").write_text(json.dumps(about))
    shutil.move(folder / "encoders" / "speech", folder / "heard")
    batch = {
        "image": random_images(2, (24, 16)),
        "instruction": torch.randint(1, 12, (2, 6)),
        "speech": torch.randn(2, 2000).half(),
        "goal": random_images(2, (16, 16))[:, None],
    }
    turned = {key: batch[key].movedim(-3, -1) for key in ("image", "goal")}
    assert torch.equal(load_model(folder)(batch), model({**batch, **turned}))

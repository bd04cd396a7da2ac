"""The article's model: by names, from files in the hubs' own formats, or from nothing."""

import json
import shutil

import pytest
import torch

from mmrl.errors import UserError
from mmrl.model import MultimodalModel
from mmrl.torchvision_compat import import_torchvision, import_transformers

SENTENCES = ["go to the red ball", "open the door on your left"]


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


def pictures(rows=2, size=(50, 70)):
    return torch.randint(0, 256, (rows, 3, *size), dtype=torch.uint8)


def test_the_article_as_it_stands():
    model = MultimodalModel.from_names(
        text="bert-base-uncased",
        image="resnet50",
        fusion="concat",
        image_features=512,
        pretrained=False,
    ).eval()
    assert sum(p.numel() for p in model.encoders["instruction"].bert.parameters()) == 109_482_240
    with torch.no_grad():
        features = model(SENTENCES, pictures(size=(90, 120)))
        assert features.shape == (2, 768 + 512)
        swapped = model(SENTENCES[::-1], pictures(size=(90, 120)))
    torch.testing.assert_close(swapped[:, :768].flip(0), features[:, :768], rtol=1e-3, atol=1e-4)


def test_pretrained_from_files(bert, hub, offline, tmp_path):
    model = MultimodalModel.from_names(bert, "resnet18", image_features=8, image_size=(64, 64))
    model.eval()
    images = pictures()
    features = model(SENTENCES, images)
    assert features.shape == (2, 24)
    reference = import_transformers()
    pieces = reference.AutoTokenizer.from_pretrained(bert)(SENTENCES[0], return_tensors="pt")
    right = reference.AutoModel.from_pretrained(bert).eval()(**pieces).last_hidden_state.mean(1)
    torch.testing.assert_close(features[:1, :16], right, rtol=1e-3, atol=1e-4)

    model.save(tmp_path / "saved")
    again = MultimodalModel.load(tmp_path / "saved")
    assert torch.equal(again(SENTENCES, images), features)
    again.save(tmp_path / "saved")  # over the old one
    assert torch.equal(MultimodalModel.load(tmp_path / "saved")(SENTENCES, images), features)


@pytest.mark.parametrize("fusion", ["film", "cross_attention", "gated"])
def test_other_fusions(bert, fusion, tmp_path):
    model = MultimodalModel.from_names(
        bert, "resnet18", fusion, image_features=8, image_size=(64, 64), pretrained=False
    ).eval()
    images = pictures()
    assert model(SENTENCES, images).shape == (2, 24)
    model.save(tmp_path / "saved")
    again = MultimodalModel.load(tmp_path / "saved")
    assert torch.equal(again(SENTENCES, images), model(SENTENCES, images))


def test_weights_out_of_reach(offline):
    with pytest.raises(UserError) as caught:
        MultimodalModel.from_names("bert-base-uncased", "resnet50")
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
    settings = {"text": bert, "image": "resnet18", "pretrained": False, **options}
    with pytest.raises(UserError, match=words):
        MultimodalModel.from_names(**settings)


@pytest.fixture(scope="module")
def made(bert, tmp_path_factory):
    """A saved model."""
    model = MultimodalModel.from_names(
        bert, "resnet18", image_features=8, image_size=(64, 64), pretrained=False
    )
    folder = tmp_path_factory.mktemp("made") / "saved"
    model.save(folder)
    return folder


@pytest.fixture
def saved(made, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(made, tmp_path / "saved")


def test_another_tokenizer_is_refused(saved):
    other = json.loads((saved / "tokenizer.json").read_text())
    (saved / "tokenizer.json").write_text(json.dumps({**other, "length": 12}))
    with pytest.raises(UserError, match="'instruction' is not the one that the model was trained"):
        MultimodalModel.load(saved)


def test_other_image_preprocessing_is_refused(saved):
    about = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps({**about, "image_size": [96, 96]}))
    with pytest.raises(UserError, match="'image' is not the one that the model was trained"):
        MultimodalModel.load(saved)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_spoilt_files(saved, file, content):
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(UserError, match="saved"):
        MultimodalModel.load(saved)


def test_nothing_else_is_overwritten(saved, tmp_path):
    model = MultimodalModel.load(saved)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("whole")
    with pytest.raises(UserError, match="nothing was overwritten"):
        model.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "whole"


def test_as_many_pictures_as_sentences(saved):
    model = MultimodalModel.load(saved)
    with pytest.raises(UserError, match="2 sentences and 3 pictures"):
        model(SENTENCES, pictures(3))
    model.tokenizer = None
    with pytest.raises(UserError, match="no tokenizer"):
        model(SENTENCES, pictures())


def test_a_model_by_hand_is_not_saved_by_recipe(saved, tmp_path):
    model = MultimodalModel.load(saved)
    by_hand = MultimodalModel(dict(model.encoders.items()), model.fusion)
    with pytest.raises(UserError, match="put together by hand"):
        by_hand.save(tmp_path / "other")

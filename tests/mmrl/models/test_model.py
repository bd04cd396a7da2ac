"""Observation → tokens → fusion → features."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl.models.build import build_model, build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.fusion import FUSIONS
from mmrl.models.inputs import ModelInputs
from mmrl.preprocessing.text import PretrainedTokenizer, WordTokenizer

SIZE = (16, 24)
INPUTS = ModelInputs.standard(SIZE, 12)


def batch(rows=3):
    images = torch.randint(0, 256, (rows, *SIZE, 3), dtype=torch.uint8)
    ids = torch.zeros(rows, 10, dtype=torch.int32)
    ids[:, :4] = torch.randint(1, 12, (rows, 4))
    return {"image": images, "instruction": ids}


@pytest.mark.parametrize("fusion", sorted(set(FUSIONS) - {"plain_concat"}))
def test_features(tiny, fusion):
    model = build_model(replace(tiny, fusion=fusion), INPUTS)
    features = model(batch())
    assert features.shape == (3, model.features) == (3, 8)
    assert features.dtype == torch.float32
    features.sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_both_modalities_matter(tiny):
    model = build_model(tiny, INPUTS).eval()
    seen = batch()
    features = model(seen)
    assert not torch.allclose(features, model({**seen, "image": 255 - seen["image"]}))
    other = torch.where(seen["instruction"] > 0, 12 - seen["instruction"], 0)
    assert not torch.allclose(features, model({**seen, "instruction": other}))


def test_rows_do_not_influence_each_other(tiny):
    model = build_model(tiny, INPUTS).eval()
    seen = batch(5)
    seen["instruction"][0, 4:9] = 3  # a longer sentence than the others
    together = model(seen)
    alone = torch.cat([model({k: v[e : e + 1] for k, v in seen.items()}) for e in range(5)])
    assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_weights_survive_a_state_dict(tiny):
    first, second = build_model(tiny, INPUTS), build_model(tiny, INPUTS)
    second.load_state_dict(first.state_dict())
    seen = batch()
    assert_close(first(seen), second(seen))


def test_tokenizer_goes_with_the_encoder(tiny, minilm, offline):
    words = build_tokenizer(tiny, ["go", "to"])
    assert isinstance(words, WordTokenizer)
    assert words.length == 10
    pieces = build_tokenizer(replace(tiny, text=minilm), ["go", "to"])
    assert isinstance(pieces, PretrainedTokenizer)
    assert pieces.size > 30_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "smal_resnet"}, ["image encoder", "small_resnet"]),
        ({"image": "resnet19"}, ["resnet18"]),
        ({"image": "small_resnet", "image_weights": "IMAGENET1K_V1"}, ["image_weights"]),
        ({"image_args": {"widht": 8}}, ["image_args", "widht"]),
        ({"image_args": {"patch": 99}}, ["image_args", "patch"]),
        ({"image": "resnet18", "image_args": {"width": 8}}, ["image_args", "resnet18"]),
        ({"text_args": {"layres": 1}}, ["text_args", "layres"]),
        ({"text_args": {"width": 9, "heads": 2}}, ["text_args", "9"]),
        ({"fusion": "flim"}, ["fusion", "'film'"]),
    ],
)
def test_what_cannot_be_built_is_the_users_error(change, words):
    with pytest.raises(UserError) as caught:
        build_model(ModelConfig(**change), INPUTS)
    for word in words:
        assert word in str(caught.value)


def test_compiling_needs_a_compiler(tiny, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="model.compile needs a C.. compiler, and 'no-such-comp"):
        build_model(replace(tiny, compile=True), INPUTS)


def test_dropout_is_for_training_only(tiny):
    model = build_model(replace(tiny, dropout=0.5, features=64), INPUTS)
    seen = batch()
    assert_close(model.eval()(seen), model(seen))
    model.train()
    assert not torch.equal(model(seen), model(seen))
    with pytest.raises(UserError, match="model.dropout=1: must be"):
        build_model(replace(tiny, dropout=1), INPUTS)


def test_unknown_precision(tiny):
    with pytest.raises(UserError, match="model.precision 'bf61': did you mean 'bf16'"):
        build_model(replace(tiny, precision="bf61"), INPUTS)

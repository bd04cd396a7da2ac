"""Pretrained speech models are loaded as text and vision models: in float32, whole, or refused."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmrl.errors import UserError
from mmrl.models.encoders.speech import build_speech_encoder
from mmrl.preprocessing.speech import PretrainedSpeech

SHAPES = {"wav2vec2": (2000,), "whisper": (8, 200)}


def changed(folder, tmp_path, change):
    """A copy of a model's folder with other weights."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "model.safetensors"
    weights = change(load_file(file))
    save_file(weights, file, {"format": "pt"})
    return str(copy)


@pytest.mark.parametrize("kind", SHAPES)
def test_files_in_half_precision_are_computed_in_float32(kind, speech_models, tmp_path):
    path = changed(
        speech_models[kind], tmp_path, lambda all_: {k: v.half() for k, v in all_.items()}
    )
    encoder = build_speech_encoder(path, SHAPES[kind])
    assert {one.dtype for one in encoder.parameters()} == {torch.float32}
    whole = build_speech_encoder(speech_models[kind], SHAPES[kind])
    features = torch.randn(1, *SHAPES[kind])
    one, other = (made.eval()(features).values for made in (encoder, whole))
    assert torch.allclose(one, other, atol=0.05)


@pytest.mark.parametrize("kind", SHAPES)
def test_missing_weights_are_refused(kind, speech_models, tmp_path):
    def without(weights):
        gone = next(key for key in weights if "encoder.layers.0" in key and "weight" in key)
        return {key: one for key, one in weights.items() if key != gone}

    path = changed(speech_models[kind], tmp_path, without)
    with pytest.raises(UserError, match="lacks 1 of the weights of a .*save_pretrained"):
        build_speech_encoder(path, SHAPES[kind])


def test_the_mask_of_pretraining_may_be_missing(speech_models, tmp_path):
    def without(weights):
        return {key: one for key, one in weights.items() if "masked_spec_embed" not in key}

    path = changed(speech_models["wav2vec2"], tmp_path, without)
    build_speech_encoder(path, SHAPES["wav2vec2"])


def test_weights_of_another_shape_are_one_line(speech_models, tmp_path):
    def cut(weights):
        return {key: one[..., :1].contiguous() for key, one in weights.items()}

    path = changed(speech_models["wav2vec2"], tmp_path, cut)
    with pytest.raises(UserError, match=r"speech encoder .* nor reachable \(.*Offline") as caught:
        build_speech_encoder(path, SHAPES["wav2vec2"])
    assert len(str(caught.value).splitlines()) == 1


def test_out_of_reach_names_the_download(offline):
    for make in (PretrainedSpeech, lambda name: build_speech_encoder(name, (2000,))):
        with pytest.raises(UserError, match="once with a network: hf download nobody/nothing"):
            make("nobody/nothing")

"""A modality is a row in the table of encoders: a second camera, an override, what does not fit."""

from dataclasses import replace

import pytest
import torch

from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import EncoderConfig, ModelConfig, encoder_configs
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model

SIZE, WRIST = (24, 16), (16, 16)
INPUTS = ModelInputs(
    {"image": (*SIZE, 3), "wrist": (*WRIST, 3)}, {"instruction": 12}
)  # fmt: skip


def batch(rows=3):
    return {
        "image": torch.randint(0, 256, (rows, *SIZE, 3), dtype=torch.uint8),
        "wrist": torch.randint(0, 256, (rows, *WRIST, 3), dtype=torch.uint8),
        "instruction": torch.randint(1, 12, (rows, 6)),
    }


@pytest.fixture
def two_cameras(tiny):
    """As a YAML file or the command line gives it."""
    wrist = {"name": "small_resnet", "args": {"width": 4, "patch": 4}}
    return replace(tiny, fusion="concat", encoders={"wrist": wrist})


def test_a_second_camera(two_cameras, tmp_path):
    model = build_model(two_cameras, INPUTS).eval()
    assert model.encoders["wrist"].shape == (4, (4, 4), 0)
    assert model.encoders["image"].shape == (8, (3, 2), 0)
    seen = batch()
    features = model(seen)
    other = {**seen, "wrist": 255 - seen["wrist"]}
    assert not torch.allclose(model(other), features)
    without = {key: value for key, value in seen.items() if key != "wrist"}
    assert model(without).shape == features.shape
    save_model(model, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")(seen), features)


def test_a_row_replaces_the_flat_fields(tiny):
    config = replace(tiny, encoders={"image": EncoderConfig("nature_cnn", args={"width": 2})})
    assert encoder_configs(config)["image"].name == "nature_cnn"
    assert encoder_configs(config)["goal"].name == "nature_cnn"
    assert encoder_configs(config)["instruction"].args == tiny.text_args


def test_flat_fields_become_rows():
    config = ModelConfig(
        image="resnet18", image_weights="IMAGENET1K_V1", image_size=[64, 48], image_trained=1,
        image_args={"stage": 2}, text="word_gru", text_trained=0, speech_args={"width": 8},
    )  # fmt: skip
    table = encoder_configs(config)
    assert list(table) == ["image", "instruction", "speech", "goal"]
    assert table["image"] == EncoderConfig(
        "resnet18", args={"stage": 2}, trained=1, weights="IMAGENET1K_V1", size=(64, 48)
    )
    assert table["instruction"] == EncoderConfig("word_gru", trained=0)
    assert table["speech"] == EncoderConfig("log_mel_cnn", args={"width": 8})
    assert table["goal"] == table["image"]


def test_a_second_text_with_its_own_kind(tiny, minilm, offline, tmp_path):
    rows = {"hint": EncoderConfig(minilm, kind="text", trained=0, project=8)}
    inputs = ModelInputs({"image": (*SIZE, 3)}, {"instruction": 12, "hint": 30_522})
    model = build_model(replace(tiny, encoders=rows), inputs).eval()
    seen = {key: value for key, value in batch().items() if key != "wrist"}
    seen["hint"] = torch.randint(1000, 30_000, (3, 5))
    features = model(seen)
    assert not any(one.requires_grad for one in model.encoders["hint"].encoder.parameters())
    assert model.encoders["hint"].project.weight.requires_grad
    assert model.encoders["hint"].encoder.cache.misses == 3
    save_model(model, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")(seen), features)


def test_one_token_of_a_second_camera_goes_with_film(tiny):
    row = {"name": "small_resnet", "kind": "goal", "args": {"width": 4}}
    inputs = ModelInputs({"image": (*SIZE, 3), "wrist": (1, *WRIST, 3)}, {"instruction": 12})
    model = build_model(replace(tiny, encoders={"wrist": row}), inputs)
    seen = batch()
    assert model({**seen, "wrist": seen["wrist"][:, None]}).shape == (3, 8)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("small_resnet", "model.encoders.wrist='small_resnet': give {name"),
        ({"args": {}}, "give {name"),
        ({"name": "small_resnet", "traind": 0}, "'traind': did you mean 'trained'"),
    ],
)
def test_rows_are_checked_when_they_are_read(row, words):
    with pytest.raises(UserError, match=words):
        ModelConfig(encoders={"wrist": row})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"wrist": {"name": "smal_resnet"}}, r"model.encoders.wrist: .*did you mean 'small_resnet"),
        ({"wrist": {"name": "small_resnet", "kind": "pcture"}}, "unknown encoder kind 'pcture'"),
        ({"wrist": {"name": "small_resnet", "trained": 9}}, r"model.encoders.wrist.trained: 9"),
        ({"wrist": {"name": "bag_of_words"}}, "model.encoders.wrist: .*no vocabulary"),
        ({"wrist": {"name": "log_mel_cnn"}}, r"log-mel features are \[frames, bands\]"),
        ({"wrist": {"name": "log_mel_cnn", "size": [8, 8]}}, "no option 'size'"),
        (
            {"wrist": {"name": "small_resnet"}, "depth": {"name": "small_resnet"}},
            "model.encoders.depth: observations have no 'depth'; they have image, wrist",
        ),
    ],
)
def test_what_does_not_fit(tiny, rows, words):
    with pytest.raises(UserError, match=words):
        build_model(replace(tiny, fusion="concat", encoders=rows), INPUTS)


def test_token_ids_for_an_image_encoder(tiny):
    inputs = ModelInputs({}, {"image": 9, "instruction": 12})
    with pytest.raises(UserError, match="image encoder 'small_resnet' takes arrays"):
        build_model(tiny, inputs)


def test_the_sum_of_the_widths_is_the_default_width(tiny):
    model = build_model(replace(tiny, fusion="plain_concat", features=None), INPUTS_OF_TWO)
    seen = {key: value for key, value in batch().items() if key != "wrist"}
    tokens = model.encode(seen)
    means = torch.cat([tokens["image"].mean(), tokens["instruction"].mean()], dim=1)
    assert torch.equal(model(seen), means)
    with pytest.raises(UserError, match="features=16, not 8"):
        build_model(replace(tiny, fusion="plain_concat"), INPUTS_OF_TWO)


INPUTS_OF_TWO = ModelInputs.standard(SIZE, 12)


def test_sentences_need_a_vocabulary_and_a_size(tiny):
    with pytest.raises(UserError, match="'small_bert' has no vocabulary of its own"):
        build_model(tiny)
    with pytest.raises(UserError, match="images of any size need model.image_size"):
        build_model(ModelConfig(text="minilm"))

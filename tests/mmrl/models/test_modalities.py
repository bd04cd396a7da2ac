"""Any images, vectors and texts make a model with the default configuration, also a single one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl.models.build import build_model, used_encoders
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.goal import GoalEncoder
from mmrl.models.encoders.image_base import FramesEncoder, ImageEncoder
from mmrl.models.encoders.vector import VectorMLP
from mmrl.models.fusion import FUSIONS, SingleReadout
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model

ROWS, WORDS = 3, 12
SPACES = {
    "image": spaces.Box(0, 255, (24, 16, 3), np.uint8),
    "wrist": spaces.Box(0, 255, (16, 16, 3), np.uint8),
    "turned": spaces.Box(0, 255, (3, 24, 16), np.uint8),
    "observation.images.top": spaces.Box(0, 255, (16, 24, 3), np.uint8),
    "observation.state": spaces.Box(-np.inf, np.inf, (6,), np.float32),
    "state": spaces.Box(-1, 1, (4,), np.float32),
    "items": spaces.Box(0, np.inf, (1,), np.float32),
    "instruction": spaces.Box(0, WORDS - 1, (7,), np.int32),
    "hint": spaces.Box(0, WORDS - 1, (5,), np.int32),
    "speech": spaces.Box(-np.inf, np.inf, (40, 8), np.float16),
    "goal": spaces.Box(0, 255, (1, 24, 16, 3), np.uint8),
    "history": spaces.Box(0, 255, (3, 16, 16, 3), np.uint8),
}
SETS = [
    ["image"],
    ["state"],
    ["instruction"],
    ["speech"],
    ["goal"],
    ["history"],
    ["observation.images.top"],
    ["image", "state"],
    ["image", "instruction"],
    ["image", "wrist"],
    ["turned", "state"],
    ["observation.images.top", "observation.state"],
    ["state", "instruction"],
    ["state", "items"],
    ["instruction", "speech"],
    ["instruction", "hint"],
    ["goal", "instruction"],
    ["history", "goal", "state"],
    ["image", "wrist", "state", "instruction"],
    ["image", "wrist", "observation.images.top", "observation.state", "instruction", "speech"],
    [*SPACES],
]
EVERY_FUSION = sorted(set(FUSIONS) - {"plain_concat"})  # its width is that of the tokens


@pytest.fixture
def small(tiny):
    """The default choice of parts, narrow."""
    narrow = {"width": 8}
    return replace(tiny, features=16, vector_args=narrow, speech_args=narrow)


def inputs_of(keys):
    return ModelInputs.from_space(spaces.Dict({key: SPACES[key] for key in keys}))


def batch_of(keys, rows=ROWS):
    """Observations, all different."""
    arrays = {}
    for number, key in enumerate(keys):
        SPACES[key].seed(number)
        arrays[key] = torch.from_numpy(np.stack([SPACES[key].sample() for _ in range(rows)]))
    return arrays


def names(given):
    return given if isinstance(given, str) else "+".join(given)


def pairs():
    """Every set with FiLM, which chooses a modality that conditions the others, and with one of the
    other fusions, in turn; one set with every fusion. A single modality needs no fusion.
    """
    others = sorted(set(EVERY_FUSION) - {"film"})
    for number, keys in enumerate(SETS):
        if keys == ["image", "wrist", "state", "instruction"]:
            yield from ((keys, fusion) for fusion in EVERY_FUSION)
        else:
            yield keys, "film"
            if len(keys) > 1:
                yield keys, others[number % len(others)]


@pytest.mark.parametrize(("keys", "fusion"), pairs(), ids=names)
def test_every_fusion_of_every_set(small, keys, fusion, tmp_path):
    model = build_model(replace(small, fusion=fusion), inputs_of(keys))
    batch = batch_of(keys)
    model.train()(batch).square().sum().backward()
    for key, encoder in model.encoders.items():
        moved = [p.grad is not None and bool(p.grad.any()) for p in encoder.parameters()]
        assert any(moved), key
    with torch.no_grad():
        features = model.eval()(batch)
        assert features.shape == (ROWS, 16)
        assert features.isfinite().all()
        for key in keys if len(keys) > 1 else ():
            without = model({other: batch[other] for other in keys if other != key})
            assert without.isfinite().all(), key
        save_model(model, tmp_path / "model")
        assert torch.equal(load_model(tmp_path / "model")(batch), features)


@pytest.mark.parametrize("keys", SETS, ids=names)
def test_every_modality_matters_by_default(small, keys):
    """To the average feature of a hundred rows: a narrow layer may ignore a single one."""
    model = build_model(small, inputs_of(keys)).eval()
    batch = batch_of(keys, 100)
    features = model(batch)
    for key in keys:
        other = {**batch, key: batch[key].roll(1, 0)}
        assert not torch.allclose(model(other), features), key


@pytest.mark.parametrize("keys", SETS, ids=names)
def test_the_default_configuration(keys):
    model = build_model(ModelConfig(), inputs_of(keys))
    assert model.features == 128
    assert list(model.encoders) == list(used_encoders(ModelConfig(), inputs_of(keys)))
    assert set(model.encoders) == set(keys)
    assert isinstance(model.fusion, SingleReadout) == (len(keys) == 1)


def test_encoders_are_chosen_by_the_input(small):
    encoders = build_model(small, inputs_of(SPACES)).encoders
    kinds = {key: type(encoder) for key, encoder in encoders.items()}
    images = {"image", "wrist", "turned", "observation.images.top"}
    assert {key for key, kind in kinds.items() if kind is ImageEncoder} == images
    vectors = {"state", "items", "observation.state"}
    assert {key for key, kind in kinds.items() if kind is VectorMLP} == vectors
    assert kinds["goal"] is GoalEncoder
    assert kinds["history"] is FramesEncoder
    assert kinds["hint"] is kinds["instruction"]
    assert encoders["turned"].channels_first
    weights = [encoders[key].body[0].weight for key in ("image", "wrist")]
    assert not torch.equal(*weights)


def test_flat_fields_are_for_every_modality_of_their_kind(small):
    config = replace(small, image_args={"width": 4}, vector_args={"width": 6, "layers": 1})
    encoders = build_model(config, inputs_of(SPACES)).encoders
    widths = {key: encoder.shape.width for key, encoder in encoders.items()}
    assert {widths[key] for key in ("image", "wrist", "history", "goal")} == {4}
    assert {widths[key] for key in ("state", "observation.state")} == {6}


def test_a_vector_under_a_key_of_the_contract(small):
    """Such as the goal position of a robot's arm."""
    model = build_model(small, ModelInputs({"goal": (3,), "state": (4,)}))
    assert isinstance(model.encoders["goal"], VectorMLP)
    assert model({"goal": torch.randn(2, 3), "state": torch.randn(2, 4)}).shape == (2, 16)


def test_a_key_with_dots_in_the_table(small, tmp_path):
    key = "observation.images.top"
    rows = {key: {"name": "nature_cnn", "size": [40, 40], "args": {"width": 2}, "trained": 0}}
    model = build_model(replace(small, encoders=rows), inputs_of([key, "state"])).eval()
    assert model.encoders[key].is_frozen
    batch = batch_of([key, "state"])
    features = model(batch)
    assert model.encoders[key].cache.misses == ROWS
    save_model(model, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")(batch), features)


def test_frames_are_encoded_each_once_while_frozen(small):
    model = build_model(replace(small, image_trained=0), inputs_of(["history"])).eval()
    images = batch_of(["history"])["history"]
    images[1] = images[0]
    features = model({"history": images})
    assert_close(features[0], features[1])
    assert model.encoders["history"].encoder.cache.misses == 2 * 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_states_beyond_all_bounds(small, precision):
    model = build_model(replace(small, precision=precision), inputs_of(["state", "instruction"]))
    batch = batch_of(["state", "instruction"])
    batch["state"][0, :3] = torch.tensor([float("nan"), float("inf"), -3e38])
    for _ in range(2):
        assert model.train()(batch).isfinite().all()
    assert model.eval()(batch).isfinite().all()


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({}, "observations are empty"),
        ({"depth": (16, 16)}, r"'depth' of shape \[16, 16\], which no encoder takes"),
        ({"depth": (16, 16, 1)}, "images .*stacks of images .*vectors"),
        ({"a..b": (3,)}, "observation key 'a..b': use letters"),
        ({"a/b": (3,)}, "observation key 'a/b': use letters"),
        ({"": (3,)}, "observation key ''"),
    ],
)
def test_what_no_model_takes(small, shapes, words):
    with pytest.raises(UserError, match=words):
        build_model(small, ModelInputs(shapes))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"name": "small_resnet"}, r"state: image encoder .*was given arrays \[4\]"),
        ({"name": "mlp", "args": {"depth": 2}}, "state: model.vector_args .*depth"),
        ({"name": "mlp", "size": [8, 8]}, "no option 'size'"),
        ({"name": "mlp", "trained": 3}, "state.trained: 3 trained stages"),
    ],
)
def test_rows_that_do_not_fit_a_vector(small, row, words):
    with pytest.raises(UserError, match=f"model.encoders.{words}" if "state" in words else words):
        build_model(replace(small, encoders={"state": row}), inputs_of(["state"]))


def test_a_vector_encoder_for_an_image(small):
    row = {"image": {"name": "mlp", "kind": "vector"}}
    with pytest.raises(UserError, match=r"'mlp' takes vectors \[K\], and was given arrays \[24"):
        build_model(replace(small, encoders=row), inputs_of(["image"]))


def test_pooled_frames_are_refused(small):
    pooled = replace(small, image="resnet18", image_args={"pooled": True})
    with pytest.raises(UserError, match="must lie on a grid"):
        build_model(pooled, inputs_of(["history"]))

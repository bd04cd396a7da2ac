"""Encoders of others: by dotted path or entry point, called as ours, refused in one line."""

from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from mmrl import registry
from mmrl.errors import UserError
from mmrl.models.build import build_model, build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.base import Encoder, TextEncoder, size_of
from mmrl.models.encoders.image import small_resnet
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.others import is_of_others
from mmrl.models.encoders.speech import build_speech_encoder, build_speech_preprocessor
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.encoders.vector import VectorMLP
from mmrl.models.inputs import ModelInputs
from mmrl.preprocessing.speech import LogMel
from mmrl.preprocessing.text import WordTokenizer

HERE = __name__
WORDS = ["lift", "lower", "it"]


class Letters(TextEncoder):
    def __init__(self, vocabulary, *, length, width=4):
        if width > 100:
            raise ValueError("width above 100")
        super().__init__(width, size_of(vocabulary))
        self.table = nn.Embedding(self.vocabulary, width)

    def encode(self, ids, mask):
        return self.table(ids), mask


def retina(image_size, *, resize=False, width=8) -> ImageEncoder:
    return small_resnet(image_size, width=width, resize=resize)


def unannotated(image_size, *, resize=False):
    raise AssertionError("it is not called")


class Joints(VectorMLP):
    pass


class Shapeless(Encoder):
    def __init__(self, size):
        super().__init__()

    def stages(self):
        return []


def some(**shapes) -> ModelInputs:
    return ModelInputs({"image": (16, 16, 3), **shapes}, {"instruction": ("", *WORDS)})


def test_every_kind_by_dotted_path():
    config = ModelConfig(
        image=f"{HERE}.retina", image_args={"width": 12}, text=f"{HERE}:Letters",
        vector=f"{HERE}.Joints", features=8, fusion="concat",
        encoders={"wrist": {"name": f"{HERE}.retina"}, "arm": {"name": f"{HERE}.Joints"}},
    )  # fmt: skip
    model = build_model(config, some(wrist=(16, 16, 3), arm=(5,), leg=(3,)))
    assert model.encoders["image"].shape.width == 12
    assert model.encoders["wrist"].shape.width == 8
    assert isinstance(model.encoders["arm"], Joints)
    assert isinstance(model.encoders["leg"], Joints)
    observation = {
        "image": torch.zeros(2, 16, 16, 3, dtype=torch.uint8),
        "instruction": torch.tensor([[1, 3], [2, 3]]),
        "arm": torch.zeros(2, 5),
    }
    assert model(observation).shape == (2, 8)
    tokenizer = build_tokenizer(config, WORDS)
    assert isinstance(tokenizer, WordTokenizer)


def test_by_entry_point(monkeypatch):
    entry = EntryPoint("letters", f"{HERE}:Letters", registry.ENCODERS)
    monkeypatch.setattr(registry, "entry_points", lambda group: {"letters": entry})
    assert is_of_others("letters")
    assert isinstance(build_text_encoder("letters", 7, 9, width=3), Letters)
    assert not is_of_others("digits")


def test_what_is_no_path(tmp_path, monkeypatch):
    assert not is_of_others("bert-base-uncased")
    assert not is_of_others("organization/model.v2")
    monkeypatch.chdir(tmp_path)
    assert is_of_others("my.model")
    (tmp_path / "my.model").mkdir()
    assert not is_of_others("my.model")


def test_speech_of_others_hears_log_mel():
    assert isinstance(build_speech_preprocessor(f"{HERE}.Letters", 1.0), LogMel)
    with pytest.raises(UserError, match=r"is no SpeechEncoder"):
        build_speech_encoder(f"{HERE}.Letters", (80, 100))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "no_such.Words"}, "text encoder 'no_such.Words' cannot be imported: ModuleNot"),
        ({"text": f"{HERE}.Nothing"}, "cannot be imported: AttributeError"),
        ({"text": f"{HERE}.WORDS"}, "is no TextEncoder: give a subclass of mmrl.models"),
        ({"text": f"{HERE}.Joints"}, "is no TextEncoder"),
        ({"image": f"{HERE}.unannotated"}, "or a function that is annotated to return one"),
        ({"text": f"{HERE}.Letters", "text_args": {"wide": 1}}, "model.text_args {'wide': 1} do"),
        ({"text": f"{HERE}.Letters", "text_args": {"width": 101}}, "width above 100"),
        ({"image": "builtins.dict"}, "image encoder 'builtins.dict' is no ImageEncoder"),
        ({"vector": "os.close"}, "vector encoder 'os.close' is no Encoder"),
        ({"vector": f"{HERE}.Shapeless"}, r"has no shape: set self.shape = TokensShape"),
        ({"image": f"{HERE}.retina", "image_weights": "X"}, "leave model.image_weights empty"),
        ({"vector": "mpl"}, "did you mean 'mlp'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options, words):
    with pytest.raises(UserError) as caught:
        build_model(ModelConfig(**options), some(state=(4,)))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)

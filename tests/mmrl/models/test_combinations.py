"""Every encoder and every fusion: forward, backward, missing and masked modalities, bf16, and the
same outputs from a saved model.
"""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mmrl.compat import import_transformers
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image import IMAGE_ENCODERS
from mmrl.models.encoders.speech import SPEECH_ENCODERS, build_speech_preprocessor
from mmrl.models.encoders.text import TEXT_ENCODERS
from mmrl.models.fusion import FUSIONS
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.models.tokens import TokensShape
from mmrl.preprocessing.text import START

SIZE, ROWS, VOCABULARY = (40, 40), 3, 20
BERT = {"width": 8, "layers": 1, "heads": 2}
IMAGES = {
    "small_resnet": {"image_args": {"width": 8}},
    "nature_cnn": {"image_args": {"width": 4}},
    "luma_chroma": {"image_args": {"width": 8, "hues": 4}},
    "resnet18": {"image_args": {"stage": 1}},
}
TEXTS = {
    "small_bert": {"text_args": BERT},
    "bag_of_words": {"text_args": {"width": 8}},
    "word_vectors": {"text_args": {"width": 8}},
    "word_gru": {"text_args": {"width": 8}},
    "word_cnn": {"text_args": {"width": 8}},
    "bert folder": {},
}
SPEECHES = {"log_mel_cnn": {"speech_args": {"width": 8}}, "wav2vec2": {}, "whisper": {}}
EVERY_FUSION = sorted(set(FUSIONS) - {"plain_concat"})  # its width is that of the tokens


def test_none_is_forgotten():
    assert set(IMAGE_ENCODERS) < set(IMAGES)
    assert set(TEXT_ENCODERS) < set(TEXTS)
    assert set(SPEECH_ENCODERS) < set(SPEECHES)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """A tiny BERT as its hub keeps it."""
    folder = tmp_path_factory.mktemp("bert")
    transformers = import_transformers()
    transformers.BertModel(
        transformers.BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
        )
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make(bert_folder, speech_models):
    """Makes a model, and a batch for it; speech as its preprocessing makes it."""

    def build(image="small_resnet", text="small_bert", speech=None, fusion="concat", **more):
        torch.manual_seed(0)
        settings = {**IMAGES[image], **TEXTS[text], **(SPEECHES[speech] if speech else {}), **more}
        names = {
            "image": image,
            "text": bert_folder if text == "bert folder" else text,
            "speech": speech_models.get(speech, speech) if speech else "log_mel_cnn",
        }
        config = ModelConfig(**names, fusion=fusion, features=8, **settings)
        shape = {"log_mel_cnn": (40, 8), "wav2vec2": (2000,), "whisper": (8, 200)}.get(speech)
        model = build_model(config, ModelInputs.standard(SIZE, VOCABULARY, speech=shape))
        ids = torch.randint(3, VOCABULARY, (ROWS, 8), dtype=torch.int32)
        ids[0, 3:] = ids[1, 6:] = 0
        batch = {
            "image": torch.randint(0, 256, (ROWS, *SIZE, 3), dtype=torch.uint8),
            "instruction": ids,
        }
        if shape:
            utterances = torch.randn(ROWS, *shape).half()
            if speech != "whisper":
                utterances[0, shape[0] // 2 :] = 0
            batch["speech"] = utterances
        return model.eval(), batch

    return build


COMBINATIONS = [
    *((image, "small_bert", None) for image in IMAGES),
    *(("small_resnet", text, None) for text in TEXTS if text != "small_bert"),
    *(("small_resnet", "bag_of_words", speech) for speech in SPEECHES),
]


def pairs():
    """Every encoder with cross-attention, which reads each of its tokens, and with one of the other
    fusions, in turn; the first encoders with every fusion.
    """
    others = sorted(set(EVERY_FUSION) - {"cross_attention"})
    yield from ((*COMBINATIONS[0], fusion) for fusion in EVERY_FUSION)
    for number, encoders in enumerate(COMBINATIONS[1:]):
        yield *encoders, "cross_attention"
        yield *encoders, others[number % len(others)]


@pytest.mark.parametrize(("image", "text", "speech", "fusion"), pairs())
def test_combination(make, tmp_path, image, text, speech, fusion, device, offline):
    model, batch = make(image, text, speech, fusion)
    model, batch = model.to(device), {key: value.to(device) for key, value in batch.items()}
    with torch.no_grad():
        features = model(batch)
    assert features.shape == (ROWS, 8)
    assert features.isfinite().all()

    model.train()(batch).square().sum().backward()
    for name, encoder in model.encoders.items():
        moved = [p.grad is not None and bool(p.grad.any()) for p in encoder.parameters()]
        assert any(moved), name
    with torch.no_grad():
        features = model.eval()(batch)  # BatchNorm has seen a batch
        for name in batch:  # any one may be missing, from every row
            without = model({key: value for key, value in batch.items() if key != name})
            assert without.isfinite().all()
            assert without.shape == (ROWS, 8)

        model.precision = "bf16"
        low = model(batch)
        assert low.dtype == torch.float32
        assert (low - features).norm() < 0.1 * features.norm()
        assert not torch.equal(low, features)
        model.precision = "fp32"

        save_model(model, tmp_path / "model")
        again = load_model(tmp_path / "model").to(device)
        assert torch.equal(again(batch), model(batch))


@pytest.mark.parametrize("text", TEXTS)
def test_an_empty_instruction(make, text):
    """Marks alone, as tokenizers give it, in some rows or in all of them."""
    model, batch = make(text=text, fusion="cross_attention")
    whole = model(batch)
    ids = batch["instruction"].clone()
    ids[:, 1:] = 0
    ids[:, 0] = START
    some = model({**batch, "instruction": torch.cat([ids[:1], batch["instruction"][1:]])})
    every = model({**batch, "instruction": ids})
    assert every.isfinite().all()
    assert_close(some, torch.cat([every[:1], whole[1:]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("speech", SPEECHES)
def test_silence(make, speech_models, speech):
    """Features of silence, in some rows or in all of them."""
    model, batch = make(text="bag_of_words", speech=speech, fusion="cross_attention")
    name = speech_models.get(speech, speech)
    seconds = 0.125 if speech == "wav2vec2" else 0.4
    silence = build_speech_preprocessor(name, seconds).encode(np.zeros(6400, np.float32))
    if speech == "log_mel_cnn":
        silence = silence[:, :8]  # as many bands as the batch has
    assert silence.shape == batch["speech"].shape[1:]
    every = torch.from_numpy(silence).expand(ROWS, *silence.shape)
    assert model({**batch, "speech": every}).isfinite().all()
    some = torch.cat([every[:1], batch["speech"][1:]])
    assert model({**batch, "speech": some}).isfinite().all()


@pytest.mark.parametrize("fusion", EVERY_FUSION)
@pytest.mark.parametrize(
    ("text", "speech"), [*((text, None) for text in TEXTS), ("bag_of_words", "log_mel_cnn")]
)
def test_masked_tokens_do_not_leak(make, fusion, text, speech):
    """What follows the end of an instruction, however long the batch's arrays are, is nothing."""
    model, batch = make(text=text, speech=speech, fusion=fusion)
    features = model(batch)
    longer = dict(batch)
    nothing = torch.zeros(ROWS, 5, dtype=torch.int32)
    longer["instruction"] = torch.cat([batch["instruction"], nothing], dim=1)
    if speech:
        longer["speech"] = torch.cat([batch["speech"], torch.zeros(ROWS, 16, 8).half()], dim=1)
    assert_close(model(longer), features, rtol=1e-4, atol=1e-5)
    alone = torch.cat([model({k: v[e : e + 1] for k, v in batch.items()}) for e in range(ROWS)])
    assert_close(alone, features, rtol=1e-4, atol=1e-5)
    tokens = model.encode(batch)
    rubbish = {
        name: one.replace(values=torch.where(one.mask[..., None], one.values, torch.nan))
        for name, one in tokens.items()
    }
    assert_close(model.fusion(rubbish), model.fusion(tokens))


@pytest.mark.parametrize("speech", SPEECHES)
def test_speech_alone_is_enough(make, speech):
    model, batch = make(speech=speech)
    spoken = {"image": batch["image"], "speech": batch["speech"]}
    other = {**spoken, "speech": spoken["speech"].roll(1, 0)}
    assert not torch.allclose(model(spoken), model(other))


@pytest.mark.parametrize("speech", SPEECHES)
def test_frozen_speech(make, speech):
    model, batch = make(speech=speech, speech_trained=0)
    before = model(batch)
    assert all(not p.requires_grad for p in model.encoders["speech"].parameters())
    assert torch.equal(model.train()(batch), before)
    assert model.encoders["speech"].cache.hits == 2 * ROWS - ROWS


def test_images_of_any_size(make):
    model, batch = make(image_size=(48, 32))
    assert model.encoders["image"].shape.grid == (6, 4)
    for size in (SIZE, (48, 32), (100, 70)):
        images = torch.randint(0, 256, (ROWS, *size, 3), dtype=torch.uint8)
        assert model({**batch, "image": images}).shape == (ROWS, 8)


def test_pooled_and_cut_resnets(make):
    model, _ = make("resnet18", image_args={"stage": 1, "pooled": True})
    assert model.encoders["image"].shape == TokensShape(64)
    model, _ = make("resnet18", image_args={"stage": 3})
    assert model.encoders["image"].shape == TokensShape(256, (3, 3))


def test_channels_last_changes_nothing(make):
    model, batch = make("resnet18")
    other, _ = make("resnet18", channels_last=True)
    assert_close(other(batch), model(batch), rtol=1e-4, atol=1e-5)


def test_a_modality_that_was_not_built(make):
    model, batch = make()
    with pytest.raises(ValueError, match="a model of image, instruction was given .*speech"):
        model({**batch, "speech": torch.zeros(ROWS, 4)})


def test_tokens_of_another_tokenizer(make):
    model, batch = make()
    with pytest.raises(ValueError, match=r"token 25: this text encoder has 20.*another tokenizer"):
        model({**batch, "instruction": torch.full((ROWS, 4), 25)})

"""Every family of pretrained encoders by name: the model's own features, frozen or trained, cached,
saved, and loaded without the folder that it came from.
"""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from mmrl.compat import import_transformers
from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.preprocessing.image_processor import ProcessedImages, load_steps
from mmrl.preprocessing.text import PretrainedTokenizer
from tests import tiny_hub
from tests.tiny_hub import LENGTH, TEXT, VISION

SENTENCES = ["go to the red bell", "open drum", "", "on the left bell"]
SIZE = (40, 56)
POOLING = ["bert", "roberta", "mpnet", "clip", "siglip"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A function from a family to the folder of its model."""
    folder = tmp_path_factory.mktemp("hub")

    def find(name):
        path = folder / name
        return str(path) if path.exists() else tiny_hub.save(name, path)

    return find


@pytest.fixture(autouse=True)
def _offline(offline):
    torch.manual_seed(0)


def ids_of(tokenizer, sentences=SENTENCES):
    return torch.stack([torch.from_numpy(tokenizer.encode(one).copy()) for one in sentences])


def random_images(rows=3):
    return torch.randint(0, 256, (rows, *SIZE, 3), dtype=torch.uint8)


def text_reference(path, *sentences):
    """The model's own output for sentences, as its documentation calls it, one by one."""
    transformers = import_transformers()
    model = transformers.AutoModel.from_pretrained(path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    is_siglip = model.config.model_type == "siglip"
    tower = getattr(model, "text_model", model)
    tower = tower.get_encoder() if hasattr(tower, "decoder") else tower
    outputs = []
    for sentence in sentences:
        length = {"padding": "max_length", "max_length": LENGTH} if is_siglip else {}
        given = tokenizer(sentence, return_tensors="pt", **length)
        names = ("input_ids",) if is_siglip else ("input_ids", "attention_mask")
        with torch.no_grad():
            outputs.append(tower(**{name: given[name] for name in names}))
    return outputs


@pytest.mark.parametrize("name", TEXT)
def test_text_features_are_the_models_own(hub, name):
    path = hub(name)
    tokenizer = PretrainedTokenizer(path, LENGTH)
    encoder = build_text_encoder(path, tokenizer.size, LENGTH).eval()
    tokens = encoder(ids_of(tokenizer))
    reference = text_reference(path, *SENTENCES)
    for row, (sentence, right) in enumerate(zip(SENTENCES, reference, strict=True)):
        length = int(tokens.mask[row].sum())
        assert length == len(sentence.split()) + 2
        assert_close(tokens.values[row, :length], right.last_hidden_state[0, :length],
                         rtol=1e-3, atol=1e-5)  # fmt: skip
    assert tokens.values.isfinite().all()
    if name in POOLING:
        pooled = build_text_encoder(path, tokenizer.size, LENGTH, pooled="model").eval()
        own = pooled(ids_of(tokenizer))
        assert_close(own.values[0], reference[0].pooler_output,
                     rtol=1e-3, atol=1e-5)  # fmt: skip
    else:
        with pytest.raises(UserError, match="no pooling of its own; use pooled: mean"):
            build_text_encoder(path, tokenizer.size, LENGTH, pooled="model")


@pytest.mark.parametrize("name", VISION)
def test_image_features_are_the_models_own(hub, name):
    path, images = hub(name), random_images()
    transformers = import_transformers()
    encoder = build_image_encoder(path, SIZE).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(path)
    given = processor(list(images.movedim(-1, 1)), return_tensors="pt")["pixel_values"]
    model = transformers.AutoModel.from_pretrained(path).eval()
    model = getattr(model, "vision_model", model)
    with torch.no_grad():
        right = model(given)
        tokens, pooled = encoder(images), build_image_encoder(path, SIZE, pooled="model").eval()
        assert_close(encoder.normalizer(images.movedim(-1, 1)), given, rtol=0, atol=1e-4)
        values = right.last_hidden_state
        if values.ndim == 4:
            values = values.flatten(2).transpose(1, 2)
        count = tokens.values.shape[1]
        assert tokens.grid[0] * tokens.grid[1] == count >= values.shape[1] - 1
        assert_close(tokens.values, values[:, values.shape[1] - count :], rtol=1e-3, atol=1e-3)
        assert_close(pooled(images).values[:, 0], right.pooler_output.flatten(1),
                     rtol=1e-3, atol=1e-3)  # fmt: skip


def check_life(model, key, seen, frozen, folder, remove):
    """Forward, backward, cache, save and load of one encoder in a model."""
    encoder = model.encoders[key]
    model.train()
    model(seen).sum().backward()
    touched = [
        any(p.grad is not None and bool(p.grad.any()) for p in stage.parameters())
        for stage in encoder.stages()
    ]
    assert not any(touched) if frozen else all(touched)
    if frozen:
        first, misses = encoder(seen[key]), encoder.cache.misses
        again = encoder(seen[key])
        assert encoder.cache.misses == misses > 0
        assert torch.equal(again.values, first.values)
        assert_close(encoder(seen[key][:1]).values[:, :1], first.values[:1, :1])
    else:
        with torch.no_grad():  # as an optimiser does
            for weight in model.parameters():
                weight.add_(0.01 * torch.randn_like(weight))
    right = model.eval()(seen)
    save_model(model, folder)
    shutil.rmtree(remove)
    assert torch.equal(load_model(folder)(seen), right)


@pytest.mark.parametrize("trained", [0, None])
@pytest.mark.parametrize("name", TEXT)
def test_life_of_a_text_encoder(hub, name, trained, tiny, tmp_path):
    path = shutil.copytree(hub(name), tmp_path / "original")
    tokenizer = PretrainedTokenizer(str(path), LENGTH)
    config = replace(
        tiny, text=str(path), text_args={}, text_trained=trained, instruction_length=LENGTH
    )
    inputs = ModelInputs.standard((16, 16), tokenizer.size)
    model = build_model(config, inputs, tokenizer=tokenizer)
    images = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8)
    seen = {"instruction": ids_of(tokenizer), "image": images}
    check_life(model, "instruction", seen, trained == 0, tmp_path / "saved", path)


@pytest.mark.parametrize("trained", [0, None])
@pytest.mark.parametrize("name", VISION)
def test_life_of_an_image_encoder(hub, name, trained, tiny, tmp_path):
    path = shutil.copytree(hub(name), tmp_path / "original")
    config = replace(
        tiny, image=str(path), image_args={"pooled": "model"} if name == "clip" else {},
        image_trained=trained, fusion="concat",
    )  # fmt: skip
    model = build_model(config, ModelInputs.standard(SIZE, 12))
    seen = {"instruction": torch.randint(1, 12, (3, 6)), "image": random_images()}
    check_life(model, "image", seen, trained == 0, tmp_path / "saved", path)


@pytest.mark.parametrize("name", ["mpnet", "t5"])
def test_the_last_layer_alone(hub, name):
    path = hub(name)
    tokenizer = PretrainedTokenizer(path, LENGTH)
    encoder = build_text_encoder(path, tokenizer.size, LENGTH)
    encoder.freeze(1)
    first, *_, last = encoder.stages()
    assert all(weight.requires_grad for weight in last.parameters())
    assert not any(weight.requires_grad for weight in first.parameters())
    relative = [p for n, p in encoder.named_parameters() if "relative_attention_bias" in n]
    assert relative
    assert not any(weight.requires_grad for weight in relative)  # used in the first layer, too


def test_a_text_tower_of_its_own(hub, tmp_path):
    """SigLIP's, which transformers' AutoModel does not know."""
    whole = import_transformers().AutoModel.from_pretrained(hub("siglip"))
    whole.text_model.save_pretrained(tmp_path)
    ids = torch.tensor([[1, 6, 7, 3]])
    one, other = (build_text_encoder(p, 14, LENGTH).eval() for p in (hub("siglip"), str(tmp_path)))
    assert_close(one(ids).values, other(ids).values)


def test_t5_has_no_decoder(hub):
    encoder = build_text_encoder(hub("t5"), 13, LENGTH)
    assert not any("decoder" in name for name, _ in encoder.named_parameters())


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_both_towers_from_one_load(hub, name, monkeypatch):
    path = hub(name)
    loads = []
    auto = import_transformers().AutoModel
    load = auto.from_pretrained
    monkeypatch.setattr(auto, "from_pretrained", lambda *a, **k: loads.append(a) or load(*a, **k))
    config = ModelConfig.image_text(
        path, path, image_weights=None, image_size=None, instruction_length=LENGTH
    )
    model = build_model(config).eval()
    assert len(loads) == 1
    features = model(SENTENCES[:2], random_images(2).movedim(-1, 1))
    assert features.shape == (2, 16 + 512)
    tokens = model.encode(model.observe(SENTENCES[:2], random_images(2).movedim(-1, 1)))
    length = int(tokens["instruction"].mask[0].sum())
    right = text_reference(path, SENTENCES[0])[0].last_hidden_state[0, :length]
    assert_close(tokens["instruction"].values[0, :length], right, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_files_of_half_precision_are_computed_in_float32(hub, tmp_path, kind):
    path = shutil.copytree(hub("bert"), tmp_path / "half")
    transformers = import_transformers()
    model = getattr(transformers.AutoModel.from_pretrained(path), kind)()
    model.save_pretrained(path)
    encoder = build_text_encoder(str(path), 13, LENGTH).eval()
    assert {one.dtype for one in encoder.parameters()} == {torch.float32}
    assert encoder(torch.tensor([[2, 5, 6, 3]])).values.dtype == torch.float32


@pytest.mark.parametrize("image_size", [(40, 56), (31, 90), (90, 31), (32, 32), (224, 20)])
@pytest.mark.parametrize("name", ["clip", "siglip", "vit", "convnext"])
def test_images_are_processed_as_by_the_model(hub, name, image_size):
    images = torch.randint(0, 256, (2, 3, *image_size), dtype=torch.uint8)
    images[:, :, ::3] //= 4
    processor = import_transformers().AutoImageProcessor.from_pretrained(hub(name))
    right = processor(list(images), return_tensors="pt")["pixel_values"]
    ours = ProcessedImages(load_steps(hub(name)), image_size)
    assert ours.size == tuple(right.shape[-2:])
    assert_close(ours(images), right, rtol=0, atol=1e-4)


def test_another_size_than_that_of_the_training(hub):
    encoder = build_image_encoder(hub("vit"), SIZE, resize=(48, 64)).eval()
    assert encoder(random_images()).grid == (6, 8)  # with interpolated positions


def read(path, *, image):
    if image:
        return build_image_encoder(path, SIZE)
    return build_text_encoder(path, PretrainedTokenizer(path, LENGTH).size, LENGTH)


def spoilt(hub, name, tmp_path):
    return shutil.copytree(hub(name), tmp_path / name)


def test_what_does_not_fit_is_refused(hub, tmp_path):
    bert, words = hub("bert"), tmp_path / "bert"
    shutil.copytree(bert, words)
    tiny_hub.tokenizer(tiny_hub.BERT_MARKS, [*tiny_hub.WORDS, "more"]).save_pretrained(words)
    size = PretrainedTokenizer(str(words), LENGTH).size
    cases = [
        (lambda: build_text_encoder(str(words), size, LENGTH),
         "has 13 embeddings, and its tokenizer makes 14 token ids: restore the tokenizer"),
        (lambda: build_text_encoder(hub("roberta"), 14, 64),
         r"instruction_length=64: .* reads at most 12 tokens; give model.instruction_length=12"),
        (lambda: build_text_encoder(hub("vit"), 13, LENGTH), "is a vit, which reads no text"),
        (lambda: build_image_encoder(bert, SIZE), "is a bert, which sees no images"),
        (lambda: build_image_encoder("nobody/nothing", SIZE),
         "'nobody/nothing' is neither a local folder with config.json.*cached.*hf download nobody"),
        (lambda: build_image_encoder(hub("vit"), SIZE, pooled="max"), "pooled='max'.*true, mean"),
        (lambda: build_image_encoder("resnet18", SIZE, pooled="model"), "pooled='model'.*true"),
        (lambda: build_text_encoder(bert, 13, LENGTH, width=3), "text_args but pooled, got width"),
        (lambda: build_image_encoder(hub("vit"), SIZE, weights="IMAGENET1K_V1"),
         "comes with its weights"),
        (lambda: build_image_encoder(hub("vit"), SIZE, stage=3), "image_args .*stage.* do not fit"),
    ]  # fmt: skip
    for build, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            build()
        assert "\n" not in str(caught.value)


def test_an_id_beyond_the_embeddings_is_refused(hub, tmp_path):
    folder = spoilt(hub, "bert", tmp_path)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] = 1_000_000
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="has 13 embeddings, and its tokenizer makes 1000001"):
        read(str(folder), image=False)


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_more_layers_than_any_model_has(hub, tmp_path, name):
    file = spoilt(hub, name, tmp_path) / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "num_hidden_layers": 2_000}))
    words = r"config.json: num_hidden_layers is 2000, and must be at most 1,024"
    with pytest.raises(UserError, match=words):
        read(str(file.parent), image=name == "vit")


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("bert", "tokenizer.json", "no tokenizer|neither a local folder"),
        ("bert", "model.safetensors", "text encoder .* is neither"),
        ("vit", "preprocessor_config.json", "no image preprocessing: .*Put that file|or no JSON"),
        ("vit", "model.safetensors", "image encoder .* is neither"),
    ],
)
@pytest.mark.parametrize("content", [None, b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_is_missing_or_only_a_pointer(hub, tmp_path, name, file, message, content):
    path = spoilt(hub, name, tmp_path)
    (path / file).unlink()
    if content is not None:
        (path / file).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(str(path), image=name == "vit")
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_are_not_made_up(hub, tmp_path):
    from safetensors.torch import load_file, save_file

    path = spoilt(hub, "bert", tmp_path)
    weights = load_file(path / "model.safetensors")
    del weights["pooler.dense.bias"], weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 of the weights .*layer.1.output.dense.bias"):
        build_text_encoder(str(path), 13, LENGTH)
    with pytest.raises(UserError, match="lacks 2 of the weights"):
        build_text_encoder(str(path), 13, LENGTH, pooled="model")

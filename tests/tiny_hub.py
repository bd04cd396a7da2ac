"""Tiny models of transformers' families with random weights, saved as their hub keeps them."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mmrl.compat import import_transformers

WORDS = ["go", "to", "the", "red", "bell", "open", "drum", "on", "left"]
LENGTH = 12
_BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
_TEXT = {**_BERT, "intermediate_size": 16, "vocab_size": 13}
_VISION = {**_BERT, "intermediate_size": 16, "image_size": 32, "patch_size": 8}
_STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
_CLIP_TEXT = {
    **_TEXT, "max_position_embeddings": LENGTH, "pad_token_id": 1, "bos_token_id": 0,
    "eos_token_id": 2,
}  # fmt: skip
_SIGLIP_TEXT = {
    **_TEXT, "max_position_embeddings": LENGTH, "pad_token_id": 1, "projection_size": 16,
    "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
_T5 = {"vocab_size": 13, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2}
_POSITIONS = {"max_position_embeddings": LENGTH + 2, "pad_token_id": 1}

BERT_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
OTHER_MARKS = ("<s>", "<pad>", "</s>", "<unk>")
"""In which padding is 1, and 0 is no padding."""

TEXT = {
    "bert": ("Bert", _TEXT, BERT_MARKS),
    "roberta": ("Roberta", {**_TEXT, **_POSITIONS}, OTHER_MARKS),
    "distilbert": (
        "DistilBert",
        {"vocab_size": 13, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 16},
        BERT_MARKS,
    ),
    "modernbert": (
        "ModernBert",
        {**_TEXT, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0,
         "sep_token_id": 2},
        OTHER_MARKS,
    ),
    "mpnet": ("MPNet", {**_TEXT, **_POSITIONS}, OTHER_MARKS),
    "t5": ("T5", _T5, BERT_MARKS),
    "clip": (
        "CLIP",
        {"text_config": _CLIP_TEXT, "vision_config": _VISION, "projection_dim": 8},
        OTHER_MARKS,
    ),
    "siglip": ("Siglip", {"text_config": _SIGLIP_TEXT, "vision_config": _VISION}, OTHER_MARKS),
}  # fmt: skip
"""By name: the classes' prefix, the configuration, and the tokenizer's marks."""

VISION = {
    "clip": ("CLIP", TEXT["clip"][1], "CLIP"),
    "siglip": ("Siglip", TEXT["siglip"][1], "Siglip"),
    "dinov2": ("Dinov2", {**_VISION, "mlp_ratio": 1}, "Bit"),
    "vit": ("ViT", _VISION, "ViT"),
    "swin": (
        "Swin",
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2],
         "window_size": 4},
        "ViT",
    ),
    "convnext": ("ConvNext", {**_STAGES, "image_size": 32}, "ConvNext"),
    "resnet": ("ResNet", {**_STAGES, "embedding_size": 8, "layer_type": "basic"}, "ConvNext"),
}  # fmt: skip
"""By name: the classes' prefix, the configuration, and the image processor's prefix."""

_SIZES = {
    "CLIP": {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    "Bit": {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    "Siglip": {"size": {"height": 32, "width": 32}},
    "ViT": {"size": {"height": 32, "width": 32}},
    "ConvNext": {"size": {"shortest_edge": 32}},
}


def save(name: str, folder: Path) -> str:
    """Save a family's model with its tokenizer, its image processor or both; the folder's path."""
    transformers = import_transformers()
    prefix, settings = (TEXT.get(name) or VISION[name])[:2]
    torch.manual_seed(0)
    config = getattr(transformers, f"{prefix}Config")(**settings)
    getattr(transformers, f"{prefix}Model")(config).save_pretrained(folder)
    if name in TEXT:
        tokenizer(TEXT[name][2]).save_pretrained(folder)
    if name in VISION:
        kind = VISION[name][2]
        getattr(transformers, f"{kind}ImageProcessor")(**_SIZES[kind]).save_pretrained(folder)
    return str(folder)


def tokenizer(marks: tuple[str, ...], words: list[str] = WORDS):
    """A tokenizer of words with a mark at both ends of a sentence."""
    vocabulary = {word: k for k, word in enumerate([*marks, *words])}
    padding = next(mark for mark in marks if "pad" in mark.lower())
    unknown = next(mark for mark in marks if "unk" in mark.lower())
    first, last = (m for m in marks if m not in (padding, unknown))
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(mark, vocabulary[mark]) for mark in (first, last)],
    )
    return import_transformers().PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=padding, unk_token=unknown
    )

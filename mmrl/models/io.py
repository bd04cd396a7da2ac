"""Model folders: weights in safetensors, the rest in JSON; nothing that is unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_model as load_weights
from safetensors.torch import save_model as save_weights

from mmrl.contract import IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.files import as_os_error, atomic_folder
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.speech import SPEECH_ENCODERS
from mmrl.models.encoders.text import TEXT_ENCODERS
from mmrl.models.model import MultimodalModel
from mmrl.models.named import build_named_model
from mmrl.preprocessing.encoded import fingerprint
from mmrl.preprocessing.image import ImageNormalizer
from mmrl.preprocessing.text import load_tokenizer
from mmrl.trust import check, sign

MODEL: Final = "model.json"
WEIGHTS: Final = "model.safetensors"
_FOLDERS: Final = {INSTRUCTION: "text", SPEECH: "heard"}


def save_model(model: MultimodalModel, folder: Path) -> None:
    """Write a model into a folder, which is replaced only by a whole new one.

    Raises:
        UserError: the model was put together by hand, or the folder is something else or cannot
            be written.
    """
    if model.recipe is None:
        raise UserError(
            "this model was put together by hand: save its state_dict, or build it by "
            "build_model or MultimodalModel.from_names"
        )
    if folder.exists() and not (folder / MODEL).is_file():
        raise UserError(f"{folder} exists and holds no model: nothing was overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as draft:
        for name in _named(model.recipe):
            encoder: Any = model.encoders[name]
            encoder.config.save_pretrained(draft / _FOLDERS[name])
        if model.tokenizer is not None:
            model.tokenizer.save(draft)
        try:
            save_weights(model, str(draft / WEIGHTS))
        except SafetensorError as error:
            raise as_os_error(error) from error
        about = {**model.recipe, "preprocessing": preprocessing_of(model)}
        (draft / MODEL).write_text(json.dumps(about, indent=1) + "\n")
        sign(about, draft)


def load_model(folder: Path, *, trust_code: bool = False) -> MultimodalModel:
    """The model in a folder.

    Args:
        folder: it.
        trust_code: import code that it names, such as a fusion of its own; see :mod:`mmrl.trust`.

    Raises:
        UntrustedCodeError: it names code that nobody has trusted.
        UserError: there is none, a file is spoilt, or its preprocessing is not the one that it
            was trained with.
    """
    try:
        about = json.loads((folder / MODEL).read_text())
        check(about, folder / MODEL, trust_code=trust_code)
        model = _build(about, folder)
        load_weights(model, str(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder} is no whole model of mmrl: {error!r}") from error
    now = preprocessing_of(model)
    for name, trained in about["preprocessing"].items():
        if now.get(name) != trained:
            raise UserError(
                f"{folder}: the preprocessing of {name!r} is not the one that the model was "
                f"trained with ({now.get(name)} instead of {trained}): restore its files"
            )
    return model.eval()


def preprocessing_of(model: MultimodalModel) -> dict[str, str]:
    """Fingerprints of how images and sentences become numbers."""
    marks = {}
    for module in model.modules():
        if isinstance(module, ImageNormalizer):
            numbers = [module.scale.flatten().tolist(), module.shift.flatten().tolist()]
            marks[IMAGE] = fingerprint(
                size=module.size, numbers=[[f"{x:.6g}" for x in row] for row in numbers]
            )
    if model.tokenizer is not None:
        marks[INSTRUCTION] = model.tokenizer.space.fingerprint
    return marks


def _named(recipe: dict[str, Any]) -> list[str]:
    """The modalities whose encoder is a model of transformers, named by a hub or a folder."""
    if recipe["kind"] == "names":
        return [INSTRUCTION]
    config = recipe["config"]
    reads = recipe["vocabulary"] is not None and config["text"] not in TEXT_ENCODERS
    hears = recipe["speech"] is not None and config["speech"] not in SPEECH_ENCODERS
    return [INSTRUCTION] * reads + [SPEECH] * hears


def _build(about: dict[str, Any], folder: Path) -> MultimodalModel:
    if about["kind"] == "names":
        model = build_named_model(
            str(folder / _FOLDERS[INSTRUCTION]),
            about["image"],
            about["fusion"],
            image_weights=about["image_weights"],
            image_features=about["image_features"],
            image_size=tuple(about["image_size"]),
            length=about["length"],
            precision=about["precision"],
            pretrained=False,
        )
    else:
        options = {INSTRUCTION: "text", SPEECH: "speech"}
        folders = {options[name]: str(folder / _FOLDERS[name]) for name in _named(about)}
        config = ModelConfig(**{**about["config"], **folders})
        model = build_model(
            config,
            tuple(about["image_size"]),
            about["vocabulary"],
            None if about["speech"] is None else tuple(about["speech"]),
            goal=None if about.get("goal") is None else tuple(about["goal"]),
            pretrained=False,
        )
    tokenizer = folder / "tokenizer.json"
    model.tokenizer = load_tokenizer(folder) if tokenizer.exists() else None
    model.recipe = {key: value for key, value in about.items() if key != "preprocessing"}
    return model

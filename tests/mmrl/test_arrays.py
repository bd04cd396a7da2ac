"""Files of arrays: the sizes that they declare are those that they have."""

import io
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.arrays import read_npy, read_npz
from mmrl.schema import FileError


def npy(header, data=b""):
    """A file with any header."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def declared(shape, dtype="|u1", data=b""):
    return npy(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}", data)


def test_arrays_come_back(tmp_path):
    arrays = {
        "empty": np.zeros((0, 3)),
        "text": np.array("é"),
        "structure": np.zeros(2, [("a", "i4")]),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "a.npz", **arrays)
        read = read_npz(tmp_path / "a.npz")
        assert read.keys() == arrays.keys()
        assert all(np.array_equal(read[name], one) for name, one in arrays.items())
    np.save(tmp_path / "a.npy", arrays["columns"])
    assert np.array_equal(read_npy(tmp_path / "a.npy"), arrays["columns"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (declared("(1099511627776,)"), "declares uint8 .* bytes, and has 0"),
        (declared("(100000, 100000)", "<f8", b"x" * 9), "80,000,000,000 bytes, and has 9"),
        (declared("(-1,)"), "declares"),
        (declared("(1,)", "|O", b"x" * 8), "never unpickled"),
        (declared("('x',)"), "is damaged"),
        (npy("("), "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_sizes_that_are_not_there(tmp_path, content, words):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(FileError, match=words):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("a.npy", content)
    with pytest.raises(FileError, match="is damaged"):
        read_npz(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_too_much(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(100_000, np.uint8))
    assert read_npz(tmp_path / "a.npz")["a"].size == 100_000
    with pytest.raises(FileError, match=r"unpacks to 100,128 bytes, and at most 99,999 are read"):
        read_npz(tmp_path / "a.npz", most=99_999)


@given(st.integers(0, 600), st.integers(0, 255))
def test_any_byte(tmp_path_factory, at, value):
    folder = tmp_path_factory.getbasetemp()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(6), b=np.zeros((2, 2)))
    content = bytearray(buffer.getvalue())
    content[at % len(content)] = value
    (folder / "any.npz").write_bytes(content)
    with suppress(FileError):
        read_npz(folder / "any.npz")  # anything else fails the test

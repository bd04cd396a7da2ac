"""Image files are decoded by Pillow alone, in common formats and up to a size."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from mmrl.cli.caption import read_image as read_for_caption
from mmrl.errors import UserError
from mmrl.images import FORMATS, MOST_PIXELS, decoded
from mmrl.retrieval.images import ImageFolder, read_image
from mmrl.training.tasks.sprites import read_images

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
%%EndComments
(mark) (w) file closefile
%%EOF
"""


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A program called gs that leaves a mark when it is started."""
    mark, folder = tmp_path / "started", tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\necho started >> {mark}\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


def huge_png(side=60_000):
    """A PNG whose header declares so many pixels, without any."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def sprite_folder(reader):
    """Reads the folder that a file is in."""
    return lambda file: reader(file.parent)


READERS = [decoded, read_for_caption, sprite_folder(read_images)]


@pytest.mark.skipif(os.name == "nt", reason="the program is a script")
@pytest.mark.parametrize("name", ["a.eps", "a.png"])
@pytest.mark.parametrize("read", READERS)
def test_no_program_is_started(tmp_path, ghostscript, name, read):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / name).write_bytes(EPS)
    with pytest.raises(OSError, match="."), Image.open(folder / name) as image:
        image.load()
    assert ghostscript.exists()
    ghostscript.unlink()
    with pytest.raises((OSError, ValueError, UserError), match=r"cannot identify|holds no|lacks"):
        read(folder / name)
    assert read_image(folder / name) is None
    assert list(ImageFolder(folder)) == [None]
    assert not ghostscript.exists()


@pytest.mark.parametrize("side", [60_000, 8_193])
@pytest.mark.parametrize("read", READERS)
def test_a_huge_image_is_refused_by_its_header(tmp_path, monkeypatch, recwarn, side, read):
    def decode(self, *_):
        raise AssertionError("decoded")

    file = tmp_path / "images" / "a.png"
    file.parent.mkdir()
    file.write_bytes(huge_png(side))
    monkeypatch.setattr(Image.Image, "load", decode)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(
        (ValueError, UserError), match=r"8193 × 8193 pixels, and at most|exceeds limit of \d+ pix"
    ):
        read(file)
    assert read_image(file) is None
    assert not recwarn


@pytest.mark.parametrize("kind", [one for one in FORMATS if one != "JPEG"])
def test_common_formats(tmp_path, kind):
    image = np.full((9, 12, 3), (0, 200, 40), np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(image).save(tmp_path / "a", kind, **options)
    assert np.array_equal(decoded(tmp_path / "a"), image)
    assert decoded(tmp_path / "a", "RGBA").shape == (9, 12, 4)


def test_the_largest_image():
    assert MOST_PIXELS == 8_192**2


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG"])
def test_a_damaged_image_is_one_kind_of_error(tmp_path, kind):
    """Whatever bytes are changed: an image, or OSError or ValueError."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), np.uint8)
    file = tmp_path / "a"
    Image.fromarray(image).save(file, kind)
    whole = np.frombuffer(file.read_bytes(), np.uint8)
    refused = 0
    for _ in range(40):
        torn = whole.copy()
        torn[rng.integers(8, len(torn), 6)] = rng.integers(0, 256, 6)
        torn[rng.integers(8, 60)] = rng.integers(256)
        file.write_bytes(torn[: rng.integers(len(torn) // 2, len(torn) + 1)].tobytes())
        try:
            assert decoded(file).shape[2] == 3
        except (OSError, ValueError):
            refused += 1
    assert refused

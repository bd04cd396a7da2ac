"""Mutations of files, for ``fuzz_readers.py``: of bytes, of texts, of the trees in JSON and YAML,
and of the members of archives, HDF5 files, images, sounds and databases.

Every function takes a source of random numbers, so that a mutation is the same for the same one; a
strategy of hypothesis may be that source.
"""

from __future__ import annotations

import copy
import io
import json
import math
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import yaml

DEEP: Final = 200_000
_DEEP_YAML: Final = 5_000
_PLACE: Final = "a-deep-value-stands-here"
_HUGE: Final = (2**31, 2**40, 2**62, 2**63 - 1, 10**9, 10**30)
_SCALARS: Final = (
    None, True, False, 0, 1, -1, 3, 0.5, -2.5, "", "x", "0", "..evil:x", "builtins.dict", "no\x00",
    "é\ud800", "true", [], {}, [0], ["x"], {"x": 1}, [[]], [None], {"name": {}}, {"": []},
)  # fmt: skip
_EXTREMES: Final = (
    *_HUGE, *(-one for one in _HUGE), 10**400, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf,
)  # fmt: skip


class Mutation(NamedTuple):
    """A changed file.

    Attributes:
        content: of the file.
        label: the kind of the change, such as "type".
        what: where, and what it was changed to.
    """

    content: bytes
    label: str
    what: str


def mutate(form: str, content: bytes, rng: random.Random) -> Mutation:
    """One random mutation of a file.

    Args:
        form: of the file: a key of :data:`FORMS`.
        content: of a valid one.
        rng: source of random numbers.
    """
    changes = FORMS[form]
    return changes[rng.randrange(len(changes))](content, rng)


def change_tree(tree: Any, rng: random.Random) -> tuple[Any, str, str]:
    """A copy of plain data with one change; its label, and where it is."""
    tree = copy.deepcopy(tree)
    places = [*_places(tree, "")]
    if not places:
        return rng.choice(_SCALARS), "type", ""
    holder, key, path = places[rng.randrange(len(places))]
    label = rng.choice(("type", "type", "range", "missing", "unknown", "nested"))
    if label == "missing":
        del holder[key]
    elif label == "unknown":
        _add(holder, key, rng)
    elif label == "nested":
        holder[key] = _PLACE
    else:
        old = holder[key]
        holder[key] = _other_type(old, rng) if label == "type" else _other_value(old, rng)
        path += f" := {holder[key]!r:.60}"
    return tree, label, path


def _places(tree: Any, path: str) -> Any:
    """All values within a tree: the container, the key and the path of each."""
    pairs: Any = ()
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, list):
        pairs = list(enumerate(tree))[:16]
    for key, value in pairs:
        here = f"{path}.{key}" if path else str(key)
        yield tree, key, here
        yield from _places(value, here)


def _add(holder: Any, key: Any, rng: random.Random) -> None:
    value = rng.choice(_SCALARS)
    if isinstance(holder, list):
        holder.insert(key, value)
    elif rng.random() < 0.5:
        holder[f"{key}s"] = holder.pop(key)  # as a slip of the pen
    else:
        holder[rng.choice(("extra", "", "__class__", "self", "class_path"))] = value


def _other_type(old: Any, rng: random.Random) -> Any:
    kinds = {float: (float, int)}.get(type(old), (type(old),))
    return rng.choice([one for one in _SCALARS if type(one) not in kinds])


def _other_value(old: Any, rng: random.Random) -> Any:
    if isinstance(old, int | float):
        return rng.choice((*_EXTREMES, -old, old + 1, old * 1000))
    if isinstance(old, str):
        return rng.choice((old + "x", old[:-1], old * 3, "x" * 100_000, f"../{old}", ""))
    if isinstance(old, list):
        return rng.choice((old * 2, old[:-1], old[::-1], [old], old * 1000 if len(old) < 9 else []))
    return {} if old else {"x": 0}


def _json_tree(content: bytes, rng: random.Random) -> Mutation:
    tree, label, what = change_tree(json.loads(content), rng)
    text = json.dumps(tree).replace(f'"{_PLACE}"', "[" * DEEP + "]" * DEEP)
    return Mutation(text.encode("utf-8", "surrogatepass"), label, what)


def _yaml_tree(content: bytes, rng: random.Random) -> Mutation:
    tree, label, what = change_tree(yaml.safe_load(content), rng)
    text = yaml.safe_dump(tree, sort_keys=False)
    text = text.replace(_PLACE, "[" * _DEEP_YAML + "]" * _DEEP_YAML)
    return Mutation(text.encode("utf-8", "surrogatepass"), label, what)


def _yaml_text(content: bytes, rng: random.Random) -> Mutation:
    """Anchors, tags, indentation, and other syntax of YAML."""
    laughs = "\n".join(
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}' if k else 'ha'] * 9)}]" for k in range(9)
    )
    first = content.split(b"\n", 1)[0].split(b":")[0]
    what, text = rng.choice((
        ("laughs", laughs.encode() + b"\n" + content),
        ("tag", content + b"\nx: !!python/object/apply:os.system ['true']\n"),
        ("unknown tag", content + b"\nx: !what {}\n"),
        ("loop", content + b"\nx: &x [*x]\n"),
        ("tab", content + b"\n\tx: 1\n"),
        ("date", content + b"\nx: 2020-01-01\n"),
        ("key", content + b"\n? [1, 2]\n: 3\n"),
        ("key of a mapping", content + b"\n? {a: 1}\n: 3\n"),
        ("number as key", content + b"\n1: 2\nnull: 3\n"),
        ("blank", first + b":\n"),
        ("two documents", content + b"\n---\nx: 1\n"),
        ("list", b"- 1\n- 2\n"),
        ("deep", b"x: " + b"{x: " * _DEEP_YAML),
        ("number", b"7\n"), ("nothing", b""), ("comment", b"# nothing\n"),
        ("binary", content + b"\nx: !!binary aGVsbG8=\n"),
        ("set", content + b"\nx: !!set {a, b}\n"),
        ("float", content + b"\nx: .nan\ny: .inf\n"),
    ))  # fmt: skip
    return Mutation(text, "syntax", what)


def _text(content: bytes, rng: random.Random) -> Mutation:
    """Encodings, and whole files that are something else."""
    at = rng.randrange(len(content) + 1)
    digits = [k for k, one in enumerate(content) if chr(one).isdigit()] or [0]
    digit = rng.choice(digits)
    what, text = rng.choice((
        ("not UTF-8", content[:at] + b"\xff" + content[at:]),
        ("lone surrogate", content[:at] + b"\xed\xa0\x80" + content[at:]),
        ("NUL", content[:at] + b"\0" + content[at:]),
        ("UTF-16", content.decode(errors="replace").encode("utf-16")),
        ("byte order mark", b"\xef\xbb\xbf" + content),
        ("cut", content[:at]), ("nothing", b""), ("spaces", b" \n" * 9),
        ("twice", content + content), ("null", b"null"), ("number", b"3"), ("text", b'"x"'),
        ("list", b"[]"), ("mapping", b"{}"), ("deep", b"[" * DEEP),
        ("deep mapping", b'{"x":' * DEEP), ("NaN", b"NaN"), ("1e999", b"1e999"),
        ("long number", content[:digit] + b"9" * 5_000 + content[digit:]),
        ("moved", content[at:] + content[:at]),
        ("line left out", b"\n".join(content.split(b"\n")[1:])),
        ("quote", content[:at] + b'"' + content[at:]),
    ))  # fmt: skip
    return Mutation(text, "text", what)


_CHANGES: Final = (
    "bit", "bits", "cut", "more", "zeros", "ones", "number", "copied", "dropped",
)  # fmt: skip


def _bytes(content: bytes, rng: random.Random) -> Mutation:
    """Flipped bits, cuts, numbers in binary headers."""
    changed, size = bytearray(content), max(len(content), 1)
    # headers are at the beginning or the end of most formats
    limit = rng.choice((64, 512, size))
    at = rng.randrange(min(limit, size))
    at = size - 1 - at if rng.random() < 0.3 else at
    what = rng.choice(
        ("bit", "bits", "cut", "more", "zeros", "ones", "number", "copied", "dropped")
    )
    if what in ("bit", "bits"):
        for _ in range(1 if what == "bit" else 16):
            k = at if what == "bit" else rng.randrange(size)
            changed[k : k + 1] = bytes(one ^ 1 << rng.randrange(8) for one in changed[k : k + 1])
    elif what == "cut":
        del changed[at:]
    elif what == "more":
        changed += bytes(rng.randrange(256) for _ in range(9))
    elif what in ("zeros", "ones"):
        length = min(rng.choice((1, 8, 64)), size - at)
        changed[at : at + length] = (b"\0" if what == "zeros" else b"\xff") * length
    elif what == "number":
        form = rng.choice(("<I", ">I", "<Q", ">Q", "<H"))
        most = 2 ** (8 * struct.calcsize(form)) - 1
        packed = struct.pack(
            form, rng.choice((most, most // 2, most // 2 + 1, 2**15, 1 << 31)) & most
        )
        changed[at : at + len(packed)] = packed
    elif what == "copied":
        changed[at:at] = changed[at : at + 64]
    else:
        del changed[at : at + rng.choice((1, 4, 64))]
    return Mutation(bytes(changed), "bytes", f"{what} at {at}")


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def _zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def _archive(content: bytes, rng: random.Random) -> Mutation:
    """A member of a zip file: as its own format, missing, renamed, or other."""
    members = _members(content)
    name = rng.choice([*members])
    what = rng.choice(("member", "member", "member", "missing", "renamed", "encrypted", "packed"))
    if what == "missing":
        del members[name]
    elif what == "renamed":
        members[f"../{name}"] = members.pop(name)
    elif what == "member":
        form = {"json": "json", "npy": "npy"}.get(name.rpartition(".")[2], "bytes")
        change = mutate(form, members[name], rng)
        members[name] = change.content
        return Mutation(_zipped(members), change.label, f"{name}: {change.what}")
    changed = bytearray(_zipped(members, rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))))
    if what == "encrypted":
        for k in (6, changed.find(b"PK\x01\x02") + 8):
            changed[k] |= 1
    return Mutation(bytes(changed), "archive", f"{what} {name}")


def npy(shape: str, dtype: str, data: bytes = b"") -> bytes:
    """A file of numpy with any header."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def _npy(content: bytes, rng: random.Random) -> Mutation:
    """Other types and shapes of an array, most of which are not in the file."""
    dtype = rng.choice(("'|u1'", "'<f4'", "'<f8'", "'|O'", "'<U9'", "'|V8'", "'<i8'", "'<c16'",
                        "[('a', '<f4')]", "'<M8[s]'", "'|b1'", "'x'", "7"))  # fmt: skip
    shape = rng.choice(("()", "(0,)", "(3,)", "(2, 2, 3)", "(8, 8, 4)", "(1099511627776,)",
                        "(100000, 100000)", "(-1,)", "(0, 1099511627776)", "(2,) * 99", "('x',)",
                        f"({', '.join(['1'] * 70)},)", "(1.5,)", "None"))  # fmt: skip
    return Mutation(npy(shape, dtype, content[128:]), "array", f"{dtype} {shape}")


@cache
def _packed_zeros(megabytes: int) -> bytes:
    """A zip file of one array that unpacks to so many megabytes of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"\0" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    size = megabytes * 2**20
    start = zlib.compressobj(9, zlib.DEFLATED, -15)
    header = npy(f"({size},)", "'|u1'")
    data = start.compress(header) + start.flush(zlib.Z_FULL_FLUSH)
    data += block * megabytes + packer.flush(zlib.Z_FINISH)
    name, whole = b"floor.npy", min(size + len(header), 2**32 - 1)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(data), whole, len(name), 0)
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(data), whole,
                        len(name), 0, 0, 0, 0, 0, 0)  # fmt: skip
    at = len(local) + len(name) + len(data)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry) + len(name), at, 0)
    return local + name + data + entry + name + end


def _bomb(_: bytes, rng: random.Random) -> Mutation:
    megabytes = rng.choice((1_000, 3_900))
    return Mutation(_packed_zeros(megabytes), "bomb", f"unpacks to {megabytes:,} MB")


def _hdf5(content: bytes, rng: random.Random) -> Mutation:
    """Another type, shape or kind of something in an HDF5 file."""
    import h5py
    import numpy as np

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        holder, key = file[name].parent, name.rpartition("/")[2]
        fill: list[tuple[str, Callable[[], Any]]] = [
            ("missing", lambda: None),
            ("text", lambda: holder.create_dataset(key, data="x")),
            ("texts", lambda: holder.create_dataset(key, data=["x", "y"])),
            ("number", lambda: holder.create_dataset(key, data=3)),
            ("float", lambda: holder.create_dataset(key, data=np.full(3, np.nan))),
            ("negative", lambda: holder.create_dataset(key, data=np.full(4, -1))),
            ("complex", lambda: holder.create_dataset(key, data=np.zeros(4, complex))),
            ("structure", lambda: holder.create_dataset(key, data=np.zeros(2, [("a", "i4")]))),
            ("bytes", lambda: holder.create_dataset(key, data=np.zeros((3, 4), np.uint8))),
            ("nothing", lambda: holder.create_dataset(key, data=h5py.Empty("f"))),
            ("no rows", lambda: holder.create_dataset(key, (0, 3), np.uint8)),
            ("group", lambda: holder.create_group(key)),
            ("loop", lambda: holder.__setitem__(key, h5py.SoftLink(f"/{name}"))),
            ("elsewhere", lambda: holder.__setitem__(key, h5py.ExternalLink("/etc/x", "/x"))),
            ("itself", lambda: holder.__setitem__(key, holder)),
            *((f"huge {shape}", lambda shape=shape: holder.create_dataset(
                key, shape, rng.choice((np.uint8, np.int64, np.float64)), chunks=True,
                compression="gzip"))
                for shape in ((2**40,), (2**20, 8, 8, 3), (2, 2**16, 2**16, 3))),
        ]  # fmt: skip
        if rng.random() < 0.2:
            name = rng.choice(["", *names])
            owner = file[name] if name else file
            key = rng.choice([*owner.attrs, "seed"])
            owner.attrs[key] = rng.choice(("x", -1, 2.5, np.zeros(3), "é" * 99, 2**62, "[" * DEEP))
            return _finished(file, buffer, "attribute", f"{name}@{key}")
        what, make = rng.choice(fill)
        del holder[key]
        make()
        return _finished(file, buffer, "dataset", f"{name}: {what}")


def _finished(file: Any, buffer: io.BytesIO, label: str, what: str) -> Mutation:
    file.close()
    return Mutation(buffer.getvalue(), label, what)


def _safetensors(content: bytes, rng: random.Random) -> Mutation:
    """Another header of a safetensors file."""
    size = struct.unpack("<Q", content[:8])[0]
    tree, label, what = change_tree(json.loads(content[8 : 8 + size]), rng)
    header = (
        json.dumps(tree)
        .replace(f'"{_PLACE}"', "[" * DEEP + "]" * DEEP)
        .encode("utf-8", "surrogatepass")
    )
    stated = rng.choice((len(header),) * 6 + (2**63, 2**40, 0))
    return Mutation(struct.pack("<Q", stated) + header + content[8 + size :], label, what)


def _png(content: bytes, rng: random.Random) -> Mutation:
    """Another size, depth or kind of a PNG file, with the right checksum."""
    head = bytearray(content[12:29])
    at, form = rng.choice(((4, ">I"), (8, ">I"), (12, ">B"), (13, ">B"), (16, ">B")))
    value = rng.choice((0, 1, 7, 255, 20_000, 2**31 - 1)) & 2 ** (8 * struct.calcsize(form)) - 1
    struct.pack_into(form, head, at, value)
    changed = content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
    return Mutation(bytes(changed), "header", f"{at}: {value}")


def _other_image(_: bytes, rng: random.Random) -> Mutation:
    what, other = rng.choice((
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("DDS", b"DDS " + struct.pack("<7I", 124, 7, 9, 9, 36, 1, 0) + bytes(96)),
        ("PPM", b"P6\n99999 99999\n255\n"), ("PPM of text", b"P3 x y"),
        ("GIF", b"GIF89a" + b"\xff" * 40), ("BMP", b"BM" + b"\xff" * 60),
        ("TIFF", b"II*\0\x08\0\0\0" + b"\xff" * 40),
        ("WEBP", b"RIFF\x20\0\0\0WEBPVP8 " + b"\xff" * 30),
        ("JPEG", b"\xff\xd8\xff\xe0" + b"\0" * 30),
    ))  # fmt: skip
    return Mutation(other, "format", what)


def _wav(content: bytes, rng: random.Random) -> Mutation:
    """Another header of a WAV file."""
    at, form = rng.choice(((4, "<I"), (16, "<I"), (20, "<H"), (22, "<H"), (24, "<I"), (28, "<I"),
                           (32, "<H"), (34, "<H"), (40, "<I")))  # fmt: skip
    value = (
        rng.choice((0, 1, 2, 3, 8, 24, 65_535, 2**32 - 1)) & 2 ** (8 * struct.calcsize(form)) - 1
    )
    changed = bytearray(content)
    struct.pack_into(form, changed, at, value)
    return Mutation(bytes(changed), "header", f"{at}: {value}")


def _sqlite(content: bytes, rng: random.Random) -> Mutation:
    """Another table, type or value of a database."""
    base = sqlite3.connect(":memory:")
    base.deserialize(content)
    tables = [one for (one,) in base.execute("select name from sqlite_master where type='table'")]
    table = rng.choice(sorted(tables))
    column = rng.choice([row[1] for row in base.execute(f"pragma table_info({table})")])
    what = rng.choice((f"drop table {table}", f"delete from {table}",
                       f"alter table {table} rename to other",
                       f"update {table} set {column} = 'x'", f"update {table} set {column} = NULL",
                       f"update {table} set {column} = -1", f"update {table} set {column} = 1e300",
                       f"update {table} set {column} = x'ff'"))  # fmt: skip
    try:
        base.execute("pragma foreign_keys = off")
        base.execute(what)
        base.commit()
    except sqlite3.Error:  # a value that the table itself refuses
        return _bytes(content, rng)
    return Mutation(base.serialize(), "database", what)


def _lines(content: bytes, rng: random.Random) -> Mutation:
    """Lines of numbers: too few, too many, of another kind."""
    lines = content.split(b"\n")
    k = rng.randrange(len(lines))
    line = lines[k]
    what, lines[k] = rng.choice((
        ("number", line + b" 7"), ("word", line + b" x"), ("NaN", line.replace(b"0.", b"nan", 1)),
        ("infinity", line.replace(b"0.", b"1e999", 1)), ("empty", b""), ("spaces", b"   "),
        ("cut", line[: len(line) // 2]), ("word alone", line.split(b" ")[0]),
        ("long", line + b" 1" * 100_000), ("width", b"400000 1000000000"), ("\\r", b"\r" + line),
        ("huge", line.replace(b"0.", b"9" * 400, 1)),
    ))  # fmt: skip
    return Mutation(b"\n".join(lines), "line", f"{what}, line {k + 1}")


Change = Callable[[bytes, random.Random], Mutation]

FORMS: Final[dict[str, tuple[Change, ...]]] = {
    "json": (_json_tree, _json_tree, _json_tree, _text, _bytes),
    "yaml": (_yaml_tree, _yaml_tree, _yaml_tree, _yaml_text, _text, _bytes),
    "bytes": (_bytes,),
    "npy": (_npy, _bytes),
    "npz": (*(_archive,) * 12, *(_bytes,) * 7, _bomb),
    "episode": (_archive, _archive, _archive, _bytes),
    "hdf5": (_hdf5, _hdf5, _hdf5, _bytes),
    "safetensors": (_safetensors, _safetensors, _bytes),
    "png": (_png, _bytes, _bytes, _other_image),
    "wav": (_wav, _bytes),
    "sqlite": (_sqlite, _bytes),
    "lines": (_lines, _text, _bytes),
}
"""The changes of each form of file."""

"""Declared schemas: what is wrong in a file is one line: file, key, value, what is expected."""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.schema import (
    Count,
    FileError,
    Finite,
    OpenSchema,
    Schema,
    Size,
    check_regular,
    convert,
    parse_json,
    read_content,
    read_json,
    read_yaml,
    well_formed,
)


class Color(StrEnum):
    TEAL = "teal"
    OCHRE = "ochre"


class Part(Schema):
    name: str
    weight: Finite = 0.0


class Whole(Schema):
    kind: Literal["words", "hashing"]
    length: Size
    shapes: dict[str, tuple[Count, ...]] = {}
    part: Part | None = None
    parts: list[Part] = []
    color: Color = Color.TEAL


@dataclass
class Options:
    width: int = 1
    rate: float = 0.5


RIGHT = {"kind": "words", "length": 3}


def test_what_is_right():
    parts = [{"name": "x"}, {"name": "y", "weight": 2}]
    whole = convert({**RIGHT, "shapes": {"a": [1, 2]}, "parts": parts}, Whole, "f")
    assert (whole.length, whole.shapes, whole.parts[1].weight) == (3, {"a": (1, 2)}, 2.0)
    assert convert({"rate": 1}, Options, "f") == Options(rate=1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": "3"}, "length is '3', and must be a whole number"),
        ({"length": True}, "length is True, and must be a whole number"),
        ({"length": 2.5}, "length is 2.5, and must be a whole number"),
        ({"length": None}, "length is None, and must be a whole number"),
        ({"length": 0}, "length is 0, and must be a whole number >= 1"),
        ({"length": 10**9}, "length is 1000000000, and must be a whole number <= 16777216"),
        ({"length": 10**400}, "length is a number of 1329 bits, and must be"),
        ({"kind": "word"}, "kind is 'word', and must be one of 'hashing', 'words'"),
        ({"color": "teel"}, "color is 'teel', and must be one of 'teal', 'ochre'"),
        ({"lenght": 3}, "unknown key 'lenght': did you mean 'length'"),
        ({"part": {"nam": "x"}}, "part: unknown key 'nam': did you mean 'name'"),
        ({"part": {}}, "part: lacks 'name'"),
        ({"parts": [{"name": "x"}, {"name": 3}]}, "parts.1.name is 3, and must be a text"),
        ({"parts": {}}, "parts is {}, and must be a list"),
        ({"part": {"name": "x", "weight": float("nan")}}, "part.weight is nan, and must be"),
        ({"shapes": {"a": [1], "b": [2, "x"]}}, "shapes.b.1 is 'x', and must be a whole number"),
        ({"shapes": {"a": [1], "b": [2, -1]}}, "shapes.b.1 is -1, and must be a whole number >= 0"),
        ({1: 2}, "the file: a key of it must be a text"),
    ],
)
def test_what_is_wrong(changes, words):
    with pytest.raises(FileError) as caught:
        convert({**RIGHT, **changes}, Whole, "runs/a.json")
    assert str(caught.value).startswith(f"runs/a.json: {words}")
    assert "\n" not in str(caught.value)


def test_dataclasses_have_no_unknown_keys_either():
    with pytest.raises(FileError, match="unknown key 'widht': did you mean 'width'"):
        convert({"widht": 3}, Options, "f")
    with pytest.raises(FileError, match="rate is 'x', and must be a number"):
        convert({"rate": "x"}, Options, "f")


def test_an_open_schema_has_keys_of_others():
    class Some(OpenSchema):
        a: int

    assert convert({"a": 1, "b": []}, Some, "f").a == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
)
@example({"\n": None})
def test_any_value_is_right_or_one_line(value):
    for one in (value, {**RIGHT, "shapes": value}, {**RIGHT, "part": {"name": value}}):
        assert _line(one).startswith("f.json: ")
        assert "\n" not in _line(one)


def _line(value):
    """The error of a value, or what it would begin with."""
    try:
        convert(value, Whole, "f.json")
    except FileError as error:
        return str(error)
    return "f.json: right"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged, or no JSON"),
        (b'{"kind": "wo', "is damaged, or no JSON"),
        (b'{"kind": "\xff"}', "is not UTF-8: byte 10 is 0xff"),
        (b"[" * 200_000, "nested deeper than"),
        (b"[" * 300 + b"]" * 300, "nested deeper than"),
        (rb'{"kind": "\ud800"}', "has half of a character"),
        (b"9" * 5_000, "is damaged, or no JSON"),
        (b"null", "the file is None, and must be a mapping"),
    ],
)
def test_json_that_is_none(tmp_path, content, words):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(FileError, match=f"a.json: {words}"):
        read_json(file, Whole)


def test_names_of_files_that_are_not_utf_8():
    assert parse_json(rb'["\udce9"]', "f", file_names=True) == ["\udce9"]
    with pytest.raises(FileError, match="has half of a character"):
        parse_json(rb'["\udce9"]', "f")
    with pytest.raises(FileError, match="has half of a character"):
        parse_json(rb'["\ud800"]', "f", file_names=True)


LAUGHS = "\n".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}' if k else 'x'] * 9)}]" for k in range(9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "is damaged, or no YAML"),
        ("- " * 100_000, "nested deeper than"),  # libyaml's loader would overflow the stack
        ("{a: " * 100_000, "nested deeper than"),
        (LAUGHS, "aliases stand for more than"),
        ("a: &a [*a]", "an alias of what it is in"),
        ("a: !!bool x", "a value that cannot be"),
        ("a: 2020-13-45", "a value that cannot be"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("- 1", "must be a mapping"),
    ],
)
def test_yaml_that_is_none(tmp_path, content, words):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(FileError, match=words) as caught:
        read_yaml(tmp_path / "a.yaml", dict[str, Any])
    assert "\n" not in str(caught.value)


def test_aliases_of_a_few_values(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert read_yaml(tmp_path / "a.yaml", dict[str, Any]) == {"a": [1, 2], "b": [1, 2]}


def test_what_is_no_regular_file(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        read_content(tmp_path / "none")
    for place in (tmp_path, *([] if os.name == "nt" else [_pipe(tmp_path), "/dev/zero"])):
        for read in (read_content, check_regular):
            with pytest.raises(FileError, match="is no regular file"):
                read(place)


def _pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def test_a_file_that_is_too_large(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert read_content(tmp_path / "a", 11) == b"x" * 11
    with pytest.raises(FileError, match="has 11 bytes, and at most 10 are read"):
        read_content(tmp_path / "a", 10)


def test_numbers_that_json_does_not_have():
    assert str(parse_json("[NaN, Infinity]", "f")) == "[nan, inf]"


def test_errors_of_what_a_file_holds():
    with (
        pytest.raises(FileError, match="f: is damaged, or does not fit: KeyError: 'x'"),
        well_formed("f"),
    ):
        _ = {}["x"]
    with pytest.raises(FileError, match="f: no such thing"), well_formed("f"):
        raise UserError("no such thing")
    with pytest.raises(UserError, match="^g: of f$"), well_formed("f"):
        raise UserError("g: of f")

"""What steers a terminal is escaped, and everything else stays."""

import pytest

from mmrl.text_output import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\x00b\x7fc\x9bd", r"a\x00b\x7fc\x9bd"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("user\u202egpj.exe\u2066x\u2069", r"user\u202egpj.exe\u2066x\u2069"),
        ("name\udcff", r"name\udcff"),
        ("go to the red bell, 去红球 → äöü 🙂 é", "go to the red bell, 去红球 → äöü 🙂 é"),
        ("", ""),
    ],
)
def test_escapes(text, shown):
    assert printable(text) == shown
    printable(text).encode()


def test_line_breaks_stay_on_request():
    assert printable("one\n  two\x1b\r\n", breaks=True) == "one\n  two\\x1b\\r\n"

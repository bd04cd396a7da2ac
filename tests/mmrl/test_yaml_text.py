"""YAML texts: what is written is read again, and never becomes an object of a class."""

import pytest
import yaml

from mmrl.yaml_text import read_yaml, to_yaml


def test_there_and_back_with_the_order_of_keys():
    value = {"b": [1, 2.5, None, True], "a": {"text": "– é ö\n", "empty": {}, "list": []}}
    assert read_yaml(to_yaml(value)) == value
    assert list(read_yaml(to_yaml(value))) == ["b", "a"]


@pytest.mark.parametrize("text", ["!!python/object/apply:os.getcwd []", "a: [1", "a: b: c"])
def test_what_is_no_plain_value(text):
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
    with pytest.raises(yaml.YAMLError):
        to_yaml({"a": object()})


@pytest.mark.parametrize("text", ["a: " + "9" * 400, "a: !!int '" + "9" * 400 + "'"])
def test_a_number_that_is_no_float(text):
    with pytest.raises(yaml.YAMLError, match=r"a number of 400 digits: 99999999999999999999…"):
        read_yaml(text)


def test_long_texts_and_numbers_that_are_floats():
    assert read_yaml(f"a: '{'9' * 400}'") == {"a": "9" * 400}
    assert float(read_yaml("9" * 250)) == 1e250
    assert read_yaml("0x" + "f" * 240) == int("f" * 240, 16)

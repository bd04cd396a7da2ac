"""YAML texts and the plain values in them, by libyaml where PyYAML has it: ten times as fast."""

from __future__ import annotations

from typing import Any, Final

import yaml

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def read_yaml(text: str) -> Any:
    """The value of a text: dictionaries, lists and scalars, never an object of a class.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, _LOADER)


def to_yaml(value: Any) -> str:
    """The text of a plain value; keys keep their order.

    Raises:
        yaml.YAMLError: something in it is not plain.
    """
    text: str = yaml.dump(value, Dumper=_DUMPER, sort_keys=False)
    return text

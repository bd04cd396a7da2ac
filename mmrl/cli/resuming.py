"""What the commands that train share: the run that is to go on, and what has changed since."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mmrl.experiment.run import Run, flat


def named_run(arguments: list[str]) -> Run | None:
    """The run that ``--resume`` names: its configuration is read before all other arguments.

    Raises:
        UserError: there is none.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--resume")
    named = first.parse_known_args(arguments)[0].resume
    return None if named is None else Run.open(named)


def changes(run: Run, resolved: Mapping[str, Any]) -> list[str]:
    """What differs between a run's configuration and another, a line each; its folder may."""
    before, now = run.flat_config(), flat(dict(resolved))
    return [
        f"{key}: {before.get(key)} → {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key != "out"
    ]

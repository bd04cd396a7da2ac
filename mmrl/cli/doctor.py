"""``mmrl doctor``: examines the installation."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Final

from mmrl.doctor import examine
from mmrl.doctor.findings import format_findings, is_broken

_DESCRIPTION: Final = """\
Print the versions of what mmrl needs, the devices, the extras that are installed and the line that
brings each other one, and what is wrong with the installation. The exit status is 1 if something
that mmrl needs is broken.
"""


def make_parser() -> argparse.ArgumentParser:
    """The standard library's parser: that of other commands needs packages that may be broken."""
    parser = argparse.ArgumentParser(prog="mmrl doctor", description=_DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print JSON, for a report of a defect")
    return parser


def run(arguments: list[str]) -> int:
    """Examine the installation, and print what was found."""
    options = make_parser().parse_args(arguments)
    findings = examine()
    broken = is_broken(findings)
    if options.json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        print(format_findings(findings))
        print("\nsomething that mmrl needs is broken, see above" if broken else "\nmmrl works here")
    return int(broken)

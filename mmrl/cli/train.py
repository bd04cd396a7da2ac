"""``mmrl train``: trains an agent, writes a run folder, and plays held-out episodes."""

from __future__ import annotations

from mmrl.arguments.request import check, parse
from mmrl.run_training import plan_training, run_training

__all__ = ["check", "parse", "run"]


def run(arguments: list[str]) -> int:
    """Train by the arguments."""
    request = parse(arguments)
    if request.dry_run:
        print(plan_training(request))
    else:
        run_training(request)
    return 0

"""``mmrl train``: trains an agent, writes a run folder, and plays held-out episodes."""

from __future__ import annotations

from mmrl.arguments.request import parse


def run(arguments: list[str]) -> int:
    """Train by the arguments."""
    request = parse(arguments)
    from mmrl.run_training import plan_training, run_training  # here: help needs no torch

    if request.dry_run:
        print(plan_training(request))
    else:
        run_training(request)
    return 0

"""Where the time of a training goes: a trace for TensorBoard, and shares in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from torch.profiler import ProfilerActivity, profile, record_function, schedule

PARTS: Final = ("environment", "policy", "learning", "logging")
FOLDER: Final = "profile"


class Stopwatches:
    """Times of named parts; a part within another one is taken out of it."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._inside: list[tuple[str, float]] = []

    @contextmanager
    def running(self, part: str) -> Iterator[None]:
        """Count the time of a block to a part."""
        now = time.perf_counter()
        if self._inside:
            outer, since = self._inside[-1]
            self.seconds[outer] += now - since
        self._inside.append((part, now))
        with record_function(part):
            yield
        now = time.perf_counter()
        _, since = self._inside.pop()
        self.seconds[part] += now - since
        if self._inside:
            self._inside[-1] = (self._inside[-1][0], now)

    def around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time is counted to a part."""

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.running(part):
                return work(*arguments, **named)

        return timed


class ProfileCallback(BaseCallback):
    """Counts a training's time by parts, and traces an update.

    ``environment``: the step of the batch; ``policy``: the rest of collecting; ``learning``: the
    updates; ``logging``: callbacks, clips, checkpoints and event files.

    Args:
        run: the run folder; the trace goes into its folder ``profile``.
    """

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.watches = Stopwatches()
        self._tracer = profile(
            activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available(),
            schedule=schedule(wait=1, warmup=1, active=1, repeat=1),
            on_trace_ready=torch.profiler.tensorboard_trace_handler(str(run / FOLDER)),
        )
        self._began = 0.0

    def attach(self, algorithm: BaseAlgorithm, callbacks: BaseCallback) -> None:
        """Have the methods of an algorithm and its other callbacks timed from now on."""
        parts: list[tuple[str, Any, tuple[str, ...]]] = [
            ("environment", algorithm.env, ("step",)),
            ("policy", algorithm, ("collect_rollouts",)),
            ("learning", algorithm, ("train",)),
            ("logging", algorithm, ("dump_logs",)),
            ("logging", callbacks, ("on_step", "on_rollout_start", "on_rollout_end")),
        ]
        for part, owner, names in parts:
            for name in names:
                setattr(owner, name, self.watches.around(part, getattr(owner, name)))

    def _on_training_start(self) -> None:
        self._began = time.perf_counter()
        self._tracer.start()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._tracer.step()

    def _on_training_end(self) -> None:
        self._tracer.stop()

    def report(self) -> dict[str, float]:
        """The share of each part in the time since the training began, and print them."""
        whole = max(time.perf_counter() - self._began, 1e-9)
        shares = {part: seconds / whole for part, seconds in self.watches.seconds.items()}
        shares["other"] = max(1 - sum(shares.values()), 0.0)
        table = Table("part", "share", "seconds", title="where the time went")
        for part, share in shares.items():
            table.add_row(part, f"{share:.1%}", f"{share * whole:.1f}")
        Console().print(table)
        return shares

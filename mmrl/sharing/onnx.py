"""Policies as ONNX graphs, for programs without Python or torch.

A graph takes encoded observations, as :class:`mmrl.preprocessing.pipeline.Preprocessing` makes
them, and the state of a memory where there is one. A JSON file beside it says what its inputs and
outputs are, with the tokenizer's words. onnxruntime computes the same as torch on other batches
before either is kept.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.registry import find_agent
from mmrl.text_output import shortened

FOLDER: Final = "onnx"
GRAPH: Final = "policy.onnx"
DESCRIPTION: Final = "policy.json"
TOLERANCE: Final = 1e-5
"""Between an output of onnxruntime and torch's, relative to the largest of a batch, at least 1."""
_BATCHES: Final = (1, 3, 8)
_OPSET: Final = 18
_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class PolicyGraph:
    """A policy as a function of tensors.

    Attributes:
        module: inputs by name → a tuple of outputs, each [B, …].
        examples: B → inputs by their names, each [B, …], of random values.
        outputs: names of the outputs.
        description: what goes in and comes out, as plain data.
    """

    module: nn.Module
    examples: Callable[[int], dict[str, Tensor]]
    outputs: tuple[str, ...]
    description: dict[str, Any]


def write_onnx(run: Run, folder: Path) -> str:
    """Write the policy of a run as ``onnx/policy.onnx``, with its description beside it.

    Args:
        run: of an agent.
        folder: in which the folder ``onnx`` is made.

    Returns:
        One line on how far onnxruntime is from torch.

    Raises:
        UserError: a package is missing, the agent has no such graph, or onnxruntime disagrees.
    """
    _check_packages()
    graph = policy_graph(run)
    place = folder / FOLDER
    place.mkdir()
    save_onnx(graph, place / GRAPH)
    difference = check_parity(graph, place / GRAPH)
    write_json(place / DESCRIPTION, {**graph.description, "largest_difference": difference})
    return f"{FOLDER}/{GRAPH}: onnxruntime is within {difference:.0e} of torch"


def policy_graph(run: Run) -> PolicyGraph:
    """The policy of a run in float32, whatever it was trained in.

    Raises:
        UserError: it holds no agent, or the agent has no such graph.
    """
    if "env" not in run.config:
        raise UserError(f"--onnx: {run.path} holds no policy: 'mmrl fit' made it")
    model = {**(run.config.get("model") or {}), "precision": "fp32", "compile": False}
    agent = run.config.get("agent", "ppo")
    actor = find_agent(agent).load(Run(run.path, {**run.config, "model": model}), "cpu")
    make: Callable[[], PolicyGraph] | None = getattr(actor, "policy_graph", None)
    if make is None:
        raise UserError(f"--onnx: the agent {agent!r} has no policy_graph: leave --onnx out")
    return make()


def save_onnx(graph: PolicyGraph, file: Path) -> None:
    """Write the graph for batches of any size.

    Raises:
        UserError: torch's exporter cannot express the policy.
    """
    examples = graph.examples(2)
    batch = torch.export.Dim("batch")
    with _quiet():
        try:
            program = torch.onnx.export(
                graph.module.eval(),
                kwargs={"inputs": examples},
                input_names=list(examples),
                output_names=list(graph.outputs),
                dynamic_shapes={"inputs": {name: {0: batch} for name in examples}},
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # of any kind, from torch's exporter
            reason = shortened(error.__cause__ or error)
            raise UserError(f"--onnx: this policy cannot be a graph: {reason}") from error
    assert program is not None
    program.save(file)


def check_parity(graph: PolicyGraph, file: Path) -> float:
    """The largest difference between onnxruntime's outputs and torch's, over several batches,
    relative to the largest number of an output, at least 1.

    Raises:
        UserError: it is above :data:`TOLERANCE`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for count in _BATCHES:
        inputs = graph.examples(count)
        with torch.no_grad():
            ours = graph.module(inputs)
        try:
            theirs = session.run(list(graph.outputs), {k: v.numpy() for k, v in inputs.items()})
        except Exception as error:  # of any kind, from onnxruntime
            raise UserError(f"--onnx: onnxruntime cannot run it: {shortened(error)}") from error
        for name, one, other in zip(graph.outputs, ours, theirs, strict=True):
            scale = max(1.0, float(one.abs().max()))
            difference = float(np.abs(one.numpy() - other).max()) / scale
            if not difference <= TOLERANCE:
                raise UserError(f"--onnx: {name} of onnxruntime is {difference:.0e} off: not kept")
            largest = max(largest, difference)
    return largest


def _check_packages() -> None:
    for package in _PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise UserError(
                f"--onnx needs the package {package!r}: pip install 'multimodal-rl[onnx]'"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on what it decomposes."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, before, strict=True):
                one.setLevel(level)

"""Options of every supervised training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FitConfig:
    """Options of every training; a task's own configuration adds to them.

    Attributes:
        out: run folder, which must not exist yet.
        steps: gradient steps.
        seed: of weights and batches.
        batch_size: examples in a gradient step.
        learning_rate: its peak, after a linear warm-up of 5% of the steps; a cosine decays it to 0.
        weight_decay: of AdamW.
        max_grad_norm: at which gradients are clipped.
        label_smoothing: share of each target that is spread over all classes.
        precision: fp32, or bf16 for matrix products in bfloat16.
        device: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1 or mps.
        evaluate_every: steps between evaluations on held-out examples.
        checkpoint_every: steps between checkpoints; 0 for none between the first step and the end.
        checkpoint_minutes: minutes between checkpoints, if sooner; 0 for steps alone.
        keep_checkpoints: how many of the newest are kept.
        logger: where numbers go beside TensorBoard's event files, one name or several: csv, jsonl,
            trackio, mlflow, wandb, or a dotted path to your own.
    """

    out: str
    steps: int = 3_000
    seed: int = 0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    label_smoothing: float = 0.0
    precision: str = "fp32"
    device: str = "auto"
    evaluate_every: int = 500
    checkpoint_every: int = 1_000
    checkpoint_minutes: float = 10.0
    keep_checkpoints: int = 2
    logger: list[str] | str | None = None

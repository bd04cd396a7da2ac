"""``mmrl train``: trains an agent, writes a run folder, and plays held-out episodes."""

from __future__ import annotations

import time
from typing import Any

import yaml
from jsonargparse import ActionConfigFile

from mmrl.adapters import make_env
from mmrl.cli.eval import evaluate, sentence
from mmrl.cli.parser import Parser
from mmrl.errors import UserError, unknown
from mmrl.evaluation.episodes import HELD_OUT
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.preprocessing import CHANNELS, with_speakers
from mmrl.experiment.run import Run
from mmrl.fusion import FUSIONS
from mmrl.plugins import agent_names, find_agent

_DESCRIPTION = """\
Train an agent on an environment with an image and an instruction.

A YAML file gives any of the options below (--config configs/demo.yaml); options that follow it
override it. The run folder holds the resolved configuration, TensorBoard's event files,
checkpoints, and result.json with the success on held-out episodes.
"""


def run(arguments: list[str]) -> int:
    """Train as the arguments say."""
    config, hyper, resolved = parse(arguments)
    check(config)
    config = with_speakers(config)
    resolved["env_args"] = config.env_args
    folder = Run.create(config.out, resolved)
    print(f"training {config.agent} on {config.env} for {config.steps:,} steps → {folder.path}")
    started = time.monotonic()
    agent = find_agent(config.agent)
    try:
        actor = agent.train(config, hyper, folder)
    except UserError:
        folder.discard_unless_trained()
        raise
    except KeyboardInterrupt:
        folder.discard_unless_trained()
        if not folder.path.exists():
            raise
        print(f"\ninterrupted: {folder.newest_checkpoint()} was saved")
        print(f"evaluate it with: mmrl eval {folder.path}")
        raise
    seconds = round(time.monotonic() - started, 1)
    print(f"trained in {seconds:.0f} s")
    if config.eval_episodes:
        report = evaluate(
            actor,
            config.env,
            config.env_args,
            config.eval_episodes,
            agent=config.agent,
            steps=config.steps,
            seed=config.seed,
            training_seconds=seconds,
        )
        folder.save_result(report)
        print(sentence(report))
    print(f"see it: tensorboard --logdir {folder.path.parent}")
    return 0


def parse(arguments: list[str]) -> tuple[TrainConfig, Any, dict[str, Any]]:
    """The configuration, the chosen agent's hyperparameters, and both as plain values."""
    parser = Parser(prog="mmrl train", description=_DESCRIPTION)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these")
    parser.add_class_arguments(TrainConfig)
    for name in agent_names():
        parser.add_class_arguments(find_agent(name).Config, name)
    parsed = parser.parse_args(arguments)
    agent = parsed.agent
    if agent not in agent_names():
        raise unknown("agent", agent, agent_names())
    plain = yaml.safe_load(parser.dump(parsed, skip_none=False))
    plain.pop("config", None)
    others = set(agent_names()) - {agent}
    resolved = {key: value for key, value in plain.items() if key not in others}
    objects = parser.instantiate_classes(parsed)
    sections = {"config", *agent_names()}
    config = TrainConfig(**{k: v for k, v in vars(objects).items() if k not in sections})
    return config, objects[agent], resolved


def check(config: TrainConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UserError: unknown environment or fusion, impossible numbers, no such device.
    """
    import torch

    if config.steps < 1:
        raise UserError(f"steps={config.steps}: must be at least 1")
    for name in ("eval_episodes", "clip_every", "checkpoint_every"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 0")
    if not 0 <= config.seed < HELD_OUT:
        raise UserError(f"seed={config.seed}: must be 0 to {HELD_OUT - 1}; evaluation is above")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda': torch finds no CUDA device; use cpu, or auto")
    if config.device not in ("auto", "cpu") and not config.device.startswith("cuda"):
        raise UserError(f"device {config.device!r}: use auto, cpu or cuda")
    if config.model.fusion not in FUSIONS and "." not in config.model.fusion:
        raise unknown("fusion", config.model.fusion, FUSIONS)
    if config.instruction not in CHANNELS:
        raise unknown("instruction", config.instruction, CHANNELS)
    make_env(config.env, **config.env_args).close()

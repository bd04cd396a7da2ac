"""``mmrl eval``: held-out episodes with a trained agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmrl.agent import Actor
from mmrl.cli.parser import Parser
from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import result
from mmrl.evaluation.wrappers import InstructionSwap, TranslatedInstructions
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.generative.text.models import Translator
from mmrl.registry import find_agent
from mmrl.text_output import printable
from mmrl.training.load import load

DETERMINISTIC: Final = "take the most probable action instead of sampling as in training"
MISLED: Final = (
    "tell the agent another episode's instruction: what success is left is had without listening"
)
MAX_EPISODE_STEPS: Final = (
    "cut longer episodes there, which are not successful then; by default those of 10,000 steps, "
    "unless the environment declares a longer limit"
)
TRANSLATOR: Final = (
    "run folder that 'mmrl fit translation' made: the agent reads its translations, as with "
    "--env_args '{language: zh}'"
)


def run(arguments: list[str]) -> int:
    """Evaluate a run, print the result, and write it to a file if asked to."""
    parser = Parser(
        prog="mmrl eval",
        description="Play held-out episodes, one a seed, with the newest checkpoint of a run.",
    )
    parser.add_argument("run", type=str, help="run folder that 'mmrl train' made")
    parser.add_argument("--episodes", type=int, default=512, help="how many")
    parser.add_argument("--env", type=str | None, default=None, help="another environment")
    parser.add_argument(
        "--env_args", type=dict[str, Any], default={}, help="beside, or instead of, the run's"
    )
    parser.add_argument("--first-seed", type=int, default=EVAL_SEED_START, help="seed of the first")
    parser.add_argument("--deterministic", type=bool, default=False, help=DETERMINISTIC)
    parser.add_argument(
        "--max-episode-steps", type=int | None, default=None, help=MAX_EPISODE_STEPS
    )
    parser.add_argument("--misled", type=bool, default=False, help=MISLED)
    parser.add_argument("--translator", type=str | None, default=None, help=TRANSLATOR)
    parser.add_argument("--json", type=str | None, default=None, help="write the result here")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: must be at least 1")
    if options.first_seed < 0:
        raise UserError(f"--first-seed {options.first_seed}: must be at least 0")
    check_limit(options.max_episode_steps)
    folder = Run.open(options.run)
    if options.json and not Path(options.json).resolve().parent.is_dir():
        raise UserError(f"--json {options.json}: its folder does not exist")
    if options.json and Path(options.json).is_dir():
        raise UserError(f"--json {options.json}: is a folder; name a file")
    agent = find_agent(folder.config.get("agent", "ppo"))
    actor = agent.load(folder, options.device)
    env_id = options.env or folder.config["env"]
    env_args = {} if options.env else folder.config.get("env_args", {})
    env_args = {**env_args, **options.env_args}
    more = {"translator": options.translator} if options.translator else {}
    report = evaluate(
        told(actor, options.misled, options.translator, options.device),
        env_id,
        env_args,
        options.episodes,
        options.first_seed,
        deterministic=options.deterministic,
        max_episode_steps=options.max_episode_steps,
        misled=options.misled,
        **more,
        run=str(folder.path),
        checkpoint=folder.newest_checkpoint().name,
    )
    print(sentence(report))
    if options.json:
        write_json(Path(options.json), report)
        print(f"written to {options.json}")
    return 0


def check_limit(max_episode_steps: int | None) -> None:
    """Refuse a limit below 1.

    Raises:
        UserError: it is.
    """
    if max_episode_steps is not None and max_episode_steps < 1:
        raise UserError(f"--max-episode-steps {max_episode_steps}: must be at least 1")


def told(actor: Actor, misled: bool, translator: str | None, device: str) -> Actor:
    """The actor as it is to be told what to do."""
    if translator is not None:
        actor = TranslatedInstructions(
            actor, cast("Translator", load(translator, "translation", device))
        )
    return InstructionSwap(actor) if misled else actor


def evaluate(
    actor: Actor,
    env_id: str,
    env_args: dict[str, Any],
    episodes: int,
    first_seed: int = EVAL_SEED_START,
    *,
    deterministic: bool = False,
    max_episode_steps: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Play held-out episodes under a progress bar, and report; see
    :func:`mmrl.evaluation.report.result`.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("evaluating"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} episodes"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("evaluating", total=episodes)
        played = play_episodes(
            actor,
            env_id,
            episodes,
            env_args=env_args,
            first_seed=first_seed,
            deterministic=deterministic,
            on_episodes=lambda count: bar.advance(task, count),
            max_episode_steps=max_episode_steps,
        )
    actions = "most probable" if deterministic else "sampled"
    return result(played, env_id, env_args, actions=actions, **more)


def sentence(report: dict[str, Any]) -> str:
    """The result in one line."""
    low, high = report["success_rate_95"]
    cut = report.get("episodes_at_limit")
    return (
        f"success {report['success_rate']:.1%} (95% interval {low:.1%} to {high:.1%}) on "
        f"{report['episodes']} held-out episodes of {printable(report['env'])}, "
        f"{report['mean_length']:.1f} steps on average"
        + (", told another instruction" if report.get("misled") else "")
        + (f", {cut} of them cut at {report['max_episode_steps']:,} steps" if cut else "")
    )

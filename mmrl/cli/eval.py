"""``mmrl eval``: held-out episodes with a trained agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.contract import EVAL_EPISODES, EVAL_SEED_START
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.files import write_json
from mmrl.text_output import printable

_DESCRIPTION: Final = """\
Play held-out episodes, one a seed, with the newest checkpoint of a run, and print the success rate
with its 95% interval. Controls show what the rate means, on the first 256 seeds:

  random policy          uniformly random actions; success has to be well above it
  swapped instructions   the agent gets another episode's instruction, which asks for something
                         else: the success that remains needs no reading
  empty instruction      the agent gets none
  blank image            the agent gets images of zeros: the success that remains needs no seeing
  greedy actions         the agent takes its most probable actions, where it samples them otherwise
  steps, SPL             the expert's steps beside the agent's. SPL, success weighted by path
                         length, is 1 where the agent always succeeds as fast as the expert
  language accuracy      in how many episodes the first act of the kind asked for was the one
                         asked for

What an environment does not allow is left out, and named. Controls take about as long as the
evaluation itself, or longer where the agent fails without its instructions; --controls false leaves
them out.

  mmrl eval runs/first
  mmrl eval runs/first --env mmrl/GoToLocal-v0 --episodes 1000 --json result.json
  mmrl eval runs/first --env "[mmrl/*, -*Strict*]"   many environments: a table, and means
  mmrl eval runs/first --controls false              the success rate alone
  mmrl eval runs/first --swap-instructions           swapped instructions in all episodes
  mmrl eval runs/first --paraphrases                 its instructions in other words, by type
  mmrl eval runs/first --paraphrases verb order      of two types; FILE.yaml brings your own
  mmrl eval runs/first --factor theme=paper,neon     one argument changed at a time, as a table
  mmrl eval runs/first --record 50                   50 of them to look at, by 'mmrl dashboard'
"""
DETERMINISTIC: Final = "take the most probable action instead of sampling as in training"
SWAP_INSTRUCTIONS: Final = (
    "give each episode another episode's instruction: the success that remains does not depend on "
    "the instruction"
)
MAX_EPISODE_STEPS: Final = (
    "cut longer episodes there, which are not successful then; by default those of 10,000 steps, "
    "unless the environment declares a longer limit"
)
ENV_WORKERS: Final = (
    "processes that step the environments, for slow simulators; 0 for this one. Batched engines do "
    "not use them"
)
CONTROLS: Final = "play controls, too; false leaves them out"
RUN: Final = "run folder that 'mmrl train' or 'mmrl export' made, zoo:name, or user/name of the hub"
RECORD: Final = "so many of the episodes are recorded in the run folder, for 'mmrl dashboard'"
SPLIT_HELP: Final = (
    "episodes whose instructions a split holds out, such as sentences, or a name that the "
    "environment's language has; 'none' for all instructions, also of an agent that was trained on "
    "one side of a split"
)
_WHOLE: Final = "none"
FACTOR: Final = (
    "name=value,value: evaluate with this argument of the environment changed, a line of a table "
    "for each value, without controls (repeatable). A name alone stands for the values that the "
    "environment's language declares"
)
PARAPHRASES: Final = (
    "play the episodes with paraphrases of their instructions, too, and report the success by "
    "type: types that the environment's language has, or files of paraphrases (.yaml), which take "
    "the place of its own; without a value, all types"
)
TRANSLATOR: Final = (
    "run folder that 'mmrl fit translation' made: the agent reads its translations, as with "
    "--env-args '{language: zh}'"
)


def run(arguments: list[str]) -> int:
    """Evaluate a run, print the result, and write it to a file if asked to."""
    parser = Parser(
        prog="mmrl eval",
        description=_DESCRIPTION,
        formatter_class=AsWritten,
        earlier={"misled": "swap_instructions"},
    )
    parser.add_argument("run", type=str, help=RUN)
    parser.add_argument("--episodes", type=int, default=EVAL_EPISODES, help="how many")
    parser.add_argument(
        "--env", type=str | None, default=None, help="another environment, or several"
    )
    parser.add_argument(
        "--env-args",
        type=dict[str, Any],
        default={},
        help="its arguments, such as --env-args.room-size 6; beside, or instead of, the run's",
    )
    parser.add_argument("--factor", type=str, action="append", help=FACTOR)
    parser.add_argument("--paraphrases", type=str, nargs="*", default=None, help=PARAPHRASES)
    parser.add_argument("--split", type=str, default="", help=SPLIT_HELP)
    parser.add_argument("--first-seed", type=int, default=EVAL_SEED_START, help="seed of the first")
    parser.add_argument("--deterministic", type=bool, default=False, help=DETERMINISTIC)
    parser.add_argument(
        "--max-episode-steps", type=int | None, default=None, help=MAX_EPISODE_STEPS
    )
    parser.add_argument("--swap-instructions", type=bool, default=False, help=SWAP_INSTRUCTIONS)
    parser.add_argument("--controls", type=bool, default=True, help=CONTROLS)
    parser.add_argument("--translator", type=str | None, default=None, help=TRANSLATOR)
    parser.add_argument("--json", type=str | None, default=None, help="write the result here")
    parser.add_argument("--record", type=int, default=0, help=RECORD)
    parser.add_argument("--env-workers", type=int, default=0, help=ENV_WORKERS)
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: must be at least 1")
    if options.first_seed < 0:
        raise UserError(f"--first-seed {options.first_seed}: must be at least 0")
    if options.record < 0:
        raise UserError(f"--record {options.record}: must be at least 0")
    check_limit(options.max_episode_steps)
    from mmrl.api import evaluate  # here: help needs no torch
    from mmrl.evaluation.factors import read_factors
    from mmrl.evaluation.report import format_report
    from mmrl.sharing.locate import open_run

    folder = open_run(options.run)
    if options.json and not Path(options.json).resolve().parent.is_dir():
        raise UserError(f"--json {options.json}: its folder does not exist")
    if options.json and Path(options.json).is_dir():
        raise UserError(f"--json {options.json}: is a folder; name a file")
    if options.factor and options.paraphrases is not None:
        raise UserError("--paraphrases: give it without --factor, one at a time")
    factors = read_factors(options.factor or [], _declared_factors(options, folder))
    env_args = {**options.env_args, **_split_argument(options.split)}
    how: dict[str, Any] = {
        "episodes": options.episodes,
        "first_seed": options.first_seed,
        "deterministic": options.deterministic,
        "max_episode_steps": options.max_episode_steps,
        "swap_instructions": options.swap_instructions,
        "translator": options.translator,
        "env_workers": options.env_workers,
        "device": options.device,
    }
    if factors:
        return _evaluate_factors(options, folder, factors, env_args, how)
    report = evaluate(
        folder,
        options.env,
        env_args=env_args,
        controls=options.controls,
        paraphrases=False if options.paraphrases is None else options.paraphrases or True,
        record=options.record,
        **how,
    )
    print(format_report(report))
    if options.record:
        print(f"recorded; see them: mmrl dashboard {printable(str(folder.path))}")
    if options.json:
        write_json(Path(options.json), report)
        print(f"written to {options.json}")
    return 0


def _evaluate_factors(
    options: Any,
    run: Any,
    factors: list[tuple[str, Any]],
    env_args: dict[str, Any],
    how: dict[str, Any],
) -> int:
    """Evaluate with one argument of the environment changed at a time, without controls."""
    from mmrl.api import evaluate, load_agent
    from mmrl.evaluation.factors import evaluate_factors, format_factors

    agent = load_agent(run, options.device)
    reports = evaluate_factors(
        factors,
        lambda changed: evaluate(
            agent, options.env, env_args={**env_args, **changed}, controls=False, **how
        ),
    )
    print(format_factors(reports))
    if options.json:
        write_json(Path(options.json), {"factors": reports})
        print(f"written to {options.json}")
    return 0


def _declared_factors(options: Any, run: Any) -> Mapping[str, Sequence[Any]]:
    """The factors that the language of the environment declares."""
    from mmrl.language import find_language

    if not options.factor:
        return {}
    return getattr(find_language(options.env or run.config["env"]), "factors", {})


def _split_argument(name: str) -> dict[str, Any]:
    """The environment's argument for ``--split``."""
    from mmrl.splits import SPLIT, split_argument

    if not name:
        return {}
    return {SPLIT: None} if name == _WHOLE else split_argument(name, held_out=True)


def check_limit(max_episode_steps: int | None) -> None:
    """Refuse a limit below 1.

    Raises:
        UserError: it is.
    """
    if max_episode_steps is not None and max_episode_steps < 1:
        raise UserError(f"--max-episode-steps {max_episode_steps}: must be at least 1")

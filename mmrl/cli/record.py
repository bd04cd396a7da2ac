"""``mmrl record``: episodes of an agent or a dataset as records for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mmrl.api import record
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.eval import DETERMINISTIC, check_limit
from mmrl.contract import EVAL_SEED_START
from mmrl.data.dataset import open_dataset
from mmrl.data.records import dataset_records
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.experiment.run import CONFIG, Run
from mmrl.files import is_file
from mmrl.progress import ProgressBar
from mmrl.records import EPISODES_FOLDER, RecordFolder
from mmrl.sharing.locate import find_run_folder, names_dataset
from mmrl.text_output import printable

_DESCRIPTION: Final = """\
Record episodes step by step, for TensorBoard's tab Rollouts: frames, the whole scene where the
environment renders it, instructions, actions with their probabilities, values, rewards, and
attention where the fusion has it. 'mmrl train' records by itself; this is for runs of before, for
other environments, and for datasets.

  mmrl record runs/first                             20 held-out episodes, by its newest checkpoint
  mmrl record runs/first --env mmrl/GoToLocal-v0 --episodes 100
  mmrl record data/kitchen --out runs/kitchen        the episodes of a Minari dataset
  mmrl dashboard runs                                look at them
"""


def run(arguments: list[str]) -> int:
    """Record episodes, and say how to look at them."""
    parser = Parser(prog="mmrl record", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder, or a Minari dataset")
    parser.add_argument("--episodes", type=int, default=20, help="how many")
    parser.add_argument("--env", type=str | None, default=None, help="another environment")
    parser.add_argument("--env-args", type=dict[str, Any], default={}, help="its arguments")
    parser.add_argument("--first-seed", type=int, default=EVAL_SEED_START, help="seed of the first")
    parser.add_argument("--deterministic", type=bool, default=False, help=DETERMINISTIC)
    parser.add_argument(
        "--max-episode-steps", type=int | None, default=None, help="cut longer episodes there"
    )
    parser.add_argument(
        "--out",
        type=str | None,
        default=None,
        help="folder of the records: the run folder, if left out; needed for a dataset",
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    for name, least in (("episodes", 1), ("first_seed", 0)):
        if options[name] < least:
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} {options[name]}: must be at least {least}")
    check_limit(options.max_episode_steps)
    name = options.run
    found = Path(name) if names_dataset(name) else find_run_folder(name)
    if is_file(found / CONFIG):
        folder = record(
            Run.open(found),
            options.env,
            env_args=options.env_args,
            episodes=options.episodes,
            out=options.out,
            first_seed=options.first_seed,
            deterministic=options.deterministic,
            max_episode_steps=options.max_episode_steps,
            device=options.device,
        )
    else:
        folder = _record_dataset(options.run, options.out, options.episodes)
    print(f"recorded in {folder}; see them: mmrl dashboard {printable(str(folder.parent))}")
    return 0


def _record_dataset(name: str, out: str | None, episodes: int) -> Path:
    dataset = open_dataset(name)
    if out is None:
        raise UserError(f"--out: give a folder for the records of dataset {name!r}")
    folder = RecordFolder(Path(out) / EPISODES_FOLDER, wait=True)
    numbers = range(min(episodes, len(dataset)))
    with ProgressBar("recording", len(numbers), "episodes") as bar:
        for one in dataset_records(dataset, numbers):
            folder.add(one)
            bar.advance()
    return folder.path

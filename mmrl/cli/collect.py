"""``mmrl collect``: records episodes as a Minari dataset, and summarises one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mmrl.api import load_agent
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.common import SUCCESS
from mmrl.cli.eval import ENV_WORKERS, MAX_EPISODE_STEPS, check_limit
from mmrl.contract import EVAL_SEED_START
from mmrl.data.collection import Request, collect
from mmrl.data.dataset import open_dataset
from mmrl.data.location import find_place
from mmrl.data.play import ActorSource, ExpertSource, RandomSource, Source
from mmrl.data.summary import dataset_sheet, summary
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.files import exists, is_folder, write_bytes
from mmrl.progress import ProgressBar
from mmrl.sharing.locate import find_run_folder, open_run
from mmrl.text_output import printable
from mmrl.wrappers.adapt.config import ADAPTER
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.error_context import close

_DESCRIPTION = """\
Record episodes as a Minari dataset: image, instruction, action and reward of every step, the seed
and the success of each episode, and what the environment reports in its infos: the instructions
that a step has achieved (whether they were given or not), and a description of the view.

  mmrl collect mmrl/GoToLocal-v0 --episodes 1000 --by expert --out gotolocal/expert-v0
  mmrl collect mmrl/GoToLocal-v0 --episodes 1000 --by runs/first --out ./first
  mmrl collect show gotolocal/expert-v0 --image sheet.png

--out is a Minari id (name-v0 or group/name-v0), kept under MINARI_DATASETS_PATH or
~/.minari/datasets, or a path (one that begins with . or /, or in a folder that exists). Call the
same command again to resume an interrupted collection.
"""
_SOURCES: Final[dict[str, Callable[[], Source]]] = {"expert": ExpertSource, "random": RandomSource}


def run(arguments: list[str]) -> int:
    """Collect a dataset, or show one."""
    if arguments[:1] == ["show"]:
        return _show(arguments[1:])
    return _collect(arguments)


def _collect(arguments: list[str]) -> int:
    parser = Parser(prog="mmrl collect", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("env", type=str, help="id of the environment, or module:id")
    parser.add_argument("--episodes", type=int, required=True, help="how many")
    parser.add_argument(
        "--by", type=str, required=True, help="expert, random, or a run folder of 'mmrl train'"
    )
    parser.add_argument("--out", type=str, required=True, help="Minari id or path of the dataset")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first episode; the others follow"
    )
    parser.add_argument(
        "--env-args", type=dict[str, Any], default={}, help="arguments of the environment, as YAML"
    )
    parser.add_argument(
        "--env-adapter",
        type=dict[str, Any],
        default={},
        help="of the adapter, as of 'mmrl train'; by default that of the run",
    )
    parser.add_argument("--num-envs", type=int, default=64, help="episodes played at once")
    parser.add_argument(
        "--max-episode-steps", type=int | None, default=None, help=MAX_EPISODE_STEPS
    )
    parser.add_argument("--env-workers", type=int, default=0, help=ENV_WORKERS)
    parser.add_argument("--device", type=str, default=AUTO, help=f"of a run: {DEVICES}")
    options = parser.parse_args(arguments)
    _check(options)
    by, make_source = find_source(options.by, options.device)
    place = find_place(options.out)
    adapter = options.env_adapter or _adapter_of(options.by)
    env_args = {**({ADAPTER: adapter} if adapter else {}), **options.env_args}
    close(make_env(options.env, **env_args))
    request = Request(
        env=options.env,
        episodes=options.episodes,
        by=by,
        seed=options.seed,
        env_args=env_args,
        num_envs=options.num_envs,
        max_episode_steps=options.max_episode_steps,
    )
    with ProgressBar("collecting", options.episodes, "episodes") as bar:
        try:
            collection = collect(
                request,
                make_source,
                place,
                on_kept=bar.set,
                on_episodes=bar.advance,
                env_workers=options.env_workers,
            )
        except KeyboardInterrupt:
            bar.close()
            print("\ncall the same command again to resume")
            raise
    before = f", {collection.kept:,} of them from before" if collection.kept else ""
    played = f"{options.episodes:,} episodes of {options.env} by {by}{before}"
    print(f"{printable(played)} → {place.path}")
    print(f"show it: mmrl collect show {options.out}")
    return 0


def _check(options: Any) -> None:
    for name in ("episodes", "num_envs"):
        if getattr(options, name) < 1:
            raise UserError(
                f"--{name.replace('_', '-')} {getattr(options, name)}: must be at least 1"
            )
    check_limit(options.max_episode_steps)
    last = options.seed + options.episodes - 1
    if options.seed < 0 or last >= EVAL_SEED_START:
        raise UserError(
            f"--seed {options.seed}: seeds {options.seed} to {last} are used, and must be 0 to "
            f"{EVAL_SEED_START - 1}; evaluation is above"
        )


def _adapter_of(by: str) -> dict[str, Any]:
    """The configuration of the adapter with which a run was trained; empty for another source."""
    env_args = None if by in _SOURCES else open_run(by).config.get("env_args")
    return dict((env_args or {}).get(ADAPTER) or {})


def find_source(by: str, device: str) -> tuple[str, Callable[[], Source]]:
    """The source of actions: its name, and a function that makes it.

    Raises:
        UserError: it is neither expert nor random, nor a run folder.
    """
    if by in _SOURCES:
        return by, _SOURCES[by]
    if not is_folder(find_run_folder(by)):
        raise UserError(f"--by {by}: expert, random, or a run folder, and there is no such folder")
    folder = open_run(by)
    checkpoint = folder.newest_checkpoint()

    def load() -> Source:
        return ActorSource(load_agent(folder, device))

    shown = folder.path if exists(by) else by  # zoo:name, user/name
    return f"{shown}, {checkpoint.name}", load


def _show(arguments: list[str]) -> int:
    parser = Parser(
        prog="mmrl collect show",
        earlier={"picture": "image"},
        description="Summarise a dataset: its size, success, and kinds of instructions.",
    )
    parser.add_argument("name", type=str, help="Minari id or path of the dataset")
    parser.add_argument("--success", type=str | dict[str, Any] | None, default=None, help=SUCCESS)
    parser.add_argument(
        "--image", type=str | None, default=None, help="write first and last images as this PNG"
    )
    options = parser.parse_args(arguments)
    target = Path(options.image) if options.image else None
    if target and not target.resolve().parent.is_dir():
        raise UserError(f"--image {target}: its folder does not exist")
    if target and target.is_dir():
        raise UserError(f"--image {target}: is a folder; name a file such as sheet.png")
    rollouts = open_dataset(options.name, options.success)
    print(summary(rollouts))
    if target:
        write_bytes(target, dataset_sheet(rollouts))
        print(f"written to {target}")
    return 0

"""``mmrl imagine``: a world model beside real episodes, or an imagined episode to play."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

from mmrl.action_labels import action_names
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.collect import find_source
from mmrl.contract import EVAL_SEED_START
from mmrl.data import Request, collect, find_place, open_dataset
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.experiment.run import CONFIG, Run
from mmrl.files import write_bytes
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.records import RecordFolder
from mmrl.sharing.locate import find_run_folder
from mmrl.text_output import printable
from mmrl.training.load import load
from mmrl.viz.clips import clips_gif
from mmrl.viz.imagined import imagine_episode, imagined_clip, imagined_record
from mmrl.viz.window.imagination import ImaginedSession
from mmrl.viz.window.player import Player, play
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.window import Window
from mmrl.wrappers.adapters import make_env

_DESCRIPTION: Final = """\
Roll out a world model that 'mmrl fit world-model' made. It observes the first --context steps of
held-out episodes and then predicts from the actions alone; an animated GIF shows the real frames
beside the imagined ones.

  mmrl imagine runs/world --out imagined.gif
  mmrl imagine runs/world --by runs/agent --context 8 --episodes 5
  mmrl imagine runs/world --play                        act in an imagined episode, in a window
  mmrl imagine runs/world --play --instruction "go to the green key"
"""
_FPS: Final = 30.0


def run(arguments: list[str]) -> int:
    """Write imagined episodes, or play in one."""
    parser = Parser(prog="mmrl imagine", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit world-model' made")
    parser.add_argument("--env", type=str | None, default=None, help="another environment")
    parser.add_argument(
        "--env-args", type=dict[str, Any], default={}, help="its arguments, with --env"
    )
    parser.add_argument(
        "--by", type=str, default="expert", help="who acts: expert, random, or a run of an agent"
    )
    parser.add_argument("--episodes", type=int, default=3, help="how many")
    parser.add_argument("--seed", type=int, default=EVAL_SEED_START, help="of the first episode")
    parser.add_argument("--context", type=int, default=0, help="real steps that are observed first")
    parser.add_argument("--steps", type=int, default=30, help="imagined steps at most")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        help="of sampling; 0 takes the likeliest tokens",
    )
    parser.add_argument("--instruction", type=str | None, default=None, help="another one")
    parser.add_argument("--out", type=str, default="imagined.gif", help="file to write")
    parser.add_argument(
        "--play", type=bool, default=False, help="play an imagined episode, in a window"
    )
    parser.add_argument("--record", type=str | None, default=None, help="with --play, write a GIF")
    parser.add_argument(
        "--records",
        type=bool,
        default=False,
        help="also record the episodes in the run folder, for 'mmrl dashboard'",
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    check(options)
    world, env_id, env_args = find_world(options)
    if options.play:
        return _play(world, env_id, env_args, options)
    _, make_source = find_source(options.by, options.device)
    request = Request(
        env_id,
        options.episodes,
        options.by,
        seed=options.seed,
        env_args=env_args,
        num_envs=options.episodes,
    )
    names = _names(env_id, env_args)
    with tempfile.TemporaryDirectory() as folder:
        place = find_place(f"{folder}/real")
        collect(request, make_source, place)
        imagined = [
            imagine_episode(
                world,
                real,
                context=options.context,
                steps=options.steps,
                temperature=options.temperature,
                instruction=options.instruction,
            )
            for real in open_dataset(place.name)
        ]
    for one in imagined:
        print(
            f"{printable(one.instruction)}: {one.observed} steps observed, "
            f"{one.end - one.observed} imagined, {one.accuracy:.1%} of the tokens correct"
        )
    clips = [imagined_clip(one, names) for one in imagined]
    write_bytes(Path(options.out), clips_gif(clips))
    print(f"written to {options.out}")
    if options.records:
        run_folder = find_run_folder(options.run)
        records = RecordFolder(Run.open(run_folder).records, wait=True)
        for one in imagined:
            records.add(imagined_record(one, env_id, env_args, names))
        print(f"recorded in {records.path}; see them: mmrl dashboard {printable(str(run_folder))}")
    return 0


def check(options: Any) -> None:
    """Refuse what cannot be before anything is loaded.

    Raises:
        UserError: it is named.
    """
    for name, least in (("episodes", 1), ("steps", 1), ("context", 0), ("seed", 0)):
        if options[name] < least:
            raise UserError(f"--{name} {options[name]}: must be at least {least}")
    if options.temperature < 0:
        raise UserError(f"--temperature {options.temperature}: must be at least 0")
    target = Path(options.out)
    if not target.resolve().parent.is_dir():
        raise UserError(f"--out {target}: its folder does not exist")


def find_world(options: Any) -> tuple[WorldSimulator, str, dict[str, Any]]:
    """The world model, and the environment where its episodes begin.

    Raises:
        UserError: it is not trained yet, or its environment is not recorded.
    """
    folder = find_run_folder(options.run)
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"there is no world model in {options.run}. First:\n"
            "  mmrl collect ENV --episodes 1000 --by random --out ./data\n"
            "  mmrl fit tokenizer --data ./data --out runs/tokenizer\n"
            f"  mmrl fit world-model --data ./data --tokenizer runs/tokenizer --out {options.run}"
        )
    world = cast("WorldSimulator", load(folder, "world-model", options.device))
    recipe = Run.open(folder).read_checkpoint().state["recipe"]
    env_id = options.env or recipe["env"]
    if not env_id:
        raise UserError(f"{options.run} does not name its environment: give --env")
    return world, env_id, dict(options.env_args if options.env else recipe["env_args"])


def _names(env_id: str, env_args: dict[str, Any]) -> dict[int, str]:
    with closing(make_env(env_id, **env_args)) as env:
        return action_names(env)


def _play(world: WorldSimulator, env_id: str, env_args: dict[str, Any], options: Any) -> int:
    """Play in imagined episodes until the window is closed."""
    recording = Recording(options.record)
    session = ImaginedSession(
        world, env_id, env_args, options.seed, options.temperature, options.instruction
    )
    with (
        closing(session),
        closing(Window(f"mmrl imagine {options.run}", _FPS)) as window,
        recording,
    ):
        play(Player(session), window, recording)
    return 0

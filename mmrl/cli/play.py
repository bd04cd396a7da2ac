"""``mmrl play``: an environment played by hand."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from mmrl.arguments.parser import Parser
from mmrl.data import find_place
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.env_sets import names_several
from mmrl.errors import UserError
from mmrl.text_output import printable
from mmrl.viz.window.demonstrator import Demonstrator
from mmrl.viz.window.player import Player, play
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.window import Window


def run(arguments: list[str]) -> int:
    """Play by hand until the window is closed."""
    parser = Parser(
        prog="mmrl play",
        description="Play an environment by hand, seeing what an agent sees. Arrow keys move, p "
        "picks up, d drops, space toggles, enter is 'done'; other actions are on the number keys. "
        "Tab shows the whole scene, r begins again, n is the next episode, escape ends. With "
        "--record NAME the episodes become a Minari dataset, from which 'mmrl train --agent bc' "
        "learns: backspace takes a step back, m marks the episode as a success and ends it, x "
        "discards it; an episode that has not ended is not kept.",
    )
    parser.add_argument("env", type=str, help="a Gymnasium id such as mmrl/BossLevel-v0")
    parser.add_argument(
        "--env-args", type=dict[str, Any], default={}, help="such as --env-args.room-size 6"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first episode")
    parser.add_argument("--map", type=bool, default=False, help="begin with the whole scene")
    parser.add_argument(
        "--record",
        type=str | None,
        default=None,
        help="what is shown as a GIF (a path that ends with .gif), or the episodes as a Minari "
        "dataset (an id such as human/first-v0, or a path)",
    )
    parser.add_argument("--fps", type=float, default=30.0, help="frames a second")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: must be at least 0")
    if options.fps <= 0:
        raise UserError(f"--fps {options.fps}: must be above 0")
    is_film = options.record is None or options.record.lower().endswith(".gif")
    recording = Recording(options.record if is_film else None)
    place = None if is_film else find_place(options.record)
    if place is not None and names_several(options.env):
        raise UserError(f"--record {options.record}: a dataset is of one environment; name one")
    with closing(Session(options.env, options.env_args, options.seed)) as session:
        writer = None
        if place is not None:
            writer = EpisodeWriter(place, options.env, options.env_args, session.spaces)
        demonstrator = None if writer is None else Demonstrator(session, writer)
        player = Player(session, shows_map=options.map, demonstrator=demonstrator)
        with closing(Window(f"mmrl play {options.env}", options.fps)) as window, recording:
            play(player, window, recording)
        if writer is not None:
            writer.finish()
            print(f"{writer.episodes:,} episodes → {printable(str(writer.path))}")
    return 0

"""``mmrl watch``: a trained agent in a window, with its action probabilities."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from mmrl.api import load_agent
from mmrl.arguments.parser import Parser
from mmrl.cli.eval import DETERMINISTIC, RUN
from mmrl.contract import EVAL_SEED_START
from mmrl.data import find_place
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.errors import UserError
from mmrl.records import RecordFolder
from mmrl.registry import find_environments
from mmrl.sharing.locate import open_run
from mmrl.text_output import printable
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.takeover import CORRECTED, Takeover
from mmrl.viz.window.watcher import Watcher, watch
from mmrl.viz.window.window import Window


def run(arguments: list[str]) -> int:
    """Show an agent until the window is closed or its episodes are over."""
    parser = Parser(
        prog="mmrl watch",
        description="Watch the newest checkpoint of a run act on held-out episodes; bars show the "
        "probability of each action. Space pauses, the right arrow takes one step, + and - change "
        "the speed, tab switches between the whole scene and what the agent sees, n is the next "
        "episode, escape ends. With --takeover NAME you take the keys in the middle of an episode: "
        "the keys of 'mmrl play' take an action, and the agent waits until t gives them back; t "
        "also takes them. The episodes become a Minari dataset with who took each step, from which "
        "'mmrl train --agent dagger --dagger.by [NAME]' learns; m marks an episode as a success "
        "and ends it, x discards it; an episode that has not ended is not kept.",
    )
    parser.add_argument("run", type=str, help=RUN)
    parser.add_argument("--env", type=str | None, default=None, help="another environment")
    parser.add_argument("--episodes", type=int, default=0, help="how many; 0 for no end")
    parser.add_argument(
        "--seed",
        type=int | None,
        default=None,
        help=f"of the first episode; by default {EVAL_SEED_START}, with --takeover 0, so that what "
        "is learned from is not evaluated on",
    )
    parser.add_argument(
        "--takeover",
        type=str | None,
        default=None,
        help="record episodes that you correct as a Minari dataset, an id such as human/fixes-v0, "
        "or a path",
    )
    parser.add_argument("--deterministic", type=bool, default=False, help=DETERMINISTIC)
    parser.add_argument("--record", type=str | None, default=None, help="write a GIF at the end")
    parser.add_argument(
        "--records",
        type=bool,
        default=False,
        help="record the episodes in the run folder, for 'mmrl dashboard'",
    )
    parser.add_argument("--fps", type=float, default=4.0, help="steps a second")
    options = parser.parse_args(arguments)
    for name in ("episodes", "seed"):
        if (options[name] or 0) < 0:
            raise UserError(f"--{name} {options[name]}: must be at least 0")
    if options.fps <= 0:
        raise UserError(f"--fps {options.fps}: must be above 0")
    recording = Recording(options.record)
    folder = open_run(options.run)
    agent = load_agent(folder)
    env_id = find_environments(options.env or folder.config["env"])
    env_args = {} if options.env else folder.config.get("env_args", {})
    place = None if options.takeover is None else find_place(options.takeover)
    first = EVAL_SEED_START if place is None else 0
    how: dict[str, Any] = {
        "episodes": options.episodes,
        "deterministic": options.deterministic,
        "checkpoint": folder.newest_steps(),
    }
    with (
        closing(
            Session(env_id, env_args, first if options.seed is None else options.seed)
        ) as session,
        closing(Window(f"mmrl watch {options.run}", options.fps)) as window,
        recording,
        RecordFolder(folder.records) as records,
    ):
        how["on_episode"] = records.add if options.records else None
        if place is None:
            watch(Watcher(session, agent, **how), window, recording, options.fps)
            return 0
        writer = EpisodeWriter(place, env_id, env_args, session.spaces, CORRECTED)
        watcher = Takeover(session, agent, writer, **how)
        watch(watcher, window, recording, options.fps)
        watcher.finish()
    print(f"{writer.episodes:,} episodes → {printable(str(writer.path))}")
    return 0

"""``mmrl watch``: a trained agent in a window, with its action probabilities."""

from __future__ import annotations

from contextlib import closing

from mmrl.api import load_agent
from mmrl.arguments.parser import Parser
from mmrl.cli.eval import DETERMINISTIC, RUN
from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.records import RecordFolder
from mmrl.registry import find_environments
from mmrl.sharing.locate import open_run
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.watcher import Watcher, watch
from mmrl.viz.window.window import Window


def run(arguments: list[str]) -> int:
    """Show an agent until the window is closed or its episodes are over."""
    parser = Parser(
        prog="mmrl watch",
        description="Watch the newest checkpoint of a run act on held-out episodes; bars show the "
        "probability of each action. Space pauses, the right arrow takes one step, + and - change "
        "the speed, tab switches between the whole scene and what the agent sees, n is the next "
        "episode, escape ends.",
    )
    parser.add_argument("run", type=str, help=RUN)
    parser.add_argument("--env", type=str | None, default=None, help="another environment")
    parser.add_argument("--episodes", type=int, default=0, help="how many; 0 for no end")
    parser.add_argument("--seed", type=int, default=EVAL_SEED_START, help="of the first episode")
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
        if options[name] < 0:
            raise UserError(f"--{name} {options[name]}: must be at least 0")
    if options.fps <= 0:
        raise UserError(f"--fps {options.fps}: must be above 0")
    recording = Recording(options.record)
    folder = open_run(options.run)
    agent = load_agent(folder)
    env_id = find_environments(options.env or folder.config["env"])
    env_args = {} if options.env else folder.config.get("env_args", {})
    with (
        closing(Session(env_id, env_args, options.seed)) as session,
        closing(Window(f"mmrl watch {options.run}", options.fps)) as window,
        recording,
        RecordFolder(folder.records) as records,
    ):
        watcher = Watcher(
            session,
            agent,
            episodes=options.episodes,
            deterministic=options.deterministic,
            on_episode=records.add if options.records else None,
            checkpoint=folder.newest_steps(),
        )
        watch(watcher, window, recording, options.fps)
    return 0

"""``mmrl clip``: episodes of a trained agent as an animated GIF."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmrl.api import load_agent
from mmrl.arguments.parser import Parser
from mmrl.cli.eval import DETERMINISTIC, RUN, check_limit
from mmrl.contract import EVAL_SEED_START
from mmrl.env_sets import names_several
from mmrl.errors import UserError
from mmrl.evaluation.player import EpisodePlayer
from mmrl.files import write_bytes
from mmrl.sharing.locate import open_run
from mmrl.text_output import printable
from mmrl.viz.clip_frame import outcome
from mmrl.viz.clips import clips_gif, draw_clip, stacked

_MAX_EPISODE_STEPS: Final = (
    "cut longer episodes there; by default those of 1,000 steps, or of as many as the environment "
    "declares"
)
_ALTERNATIVES: Final = (
    "also play each scene with so many other instructions that it could have: does the agent do "
    "what it is asked for?"
)


def run(arguments: list[str]) -> int:
    """Record episodes, one after the other, into one GIF."""
    parser = Parser(
        prog="mmrl clip",
        description="Play held-out episodes with the newest checkpoint of a run and write them "
        "as one animated GIF: the scene, what the agent sees of it, the instruction, the actions.",
    )
    parser.add_argument("run", type=str, help=RUN)
    parser.add_argument("--out", type=str, default="clip.gif", help="file to write")
    parser.add_argument("--episodes", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=EVAL_SEED_START, help="seed of the first")
    parser.add_argument("--deterministic", type=bool, default=False, help=DETERMINISTIC)
    parser.add_argument(
        "--max-episode-steps", type=int | None, default=None, help=_MAX_EPISODE_STEPS
    )
    parser.add_argument("--alternatives", type=int, default=0, help=_ALTERNATIVES)
    options = parser.parse_args(arguments)
    if options.alternatives < 0:
        raise UserError(f"--alternatives {options.alternatives}: must be at least 0")
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: must be at least 1")
    if options.first_seed < 0:
        raise UserError(f"--first-seed {options.first_seed}: must be at least 0")
    check_limit(options.max_episode_steps)
    target = Path(options.out)
    if not target.resolve().parent.is_dir():
        raise UserError(f"--out {target}: its folder does not exist")
    folder = open_run(options.run)
    agent = load_agent(folder)
    env = folder.config["env"]
    seeds = range(options.first_seed, options.first_seed + options.episodes)
    how = {"deterministic": options.deterministic}
    shown = []
    with EpisodePlayer(
        env, folder.config.get("env_args", {}), max_episode_steps=options.max_episode_steps
    ) as player:
        for seed in seeds:
            records = (
                player.play_alternatives(agent, seed=seed, count=options.alternatives, **how)
                if options.alternatives
                else [player.play(agent, seed=seed, **how)]
            )
            if not records:
                raise UserError(
                    f"--alternatives: {env} names no other instruction for the scene of seed {seed}"
                )
            clips = list(map(draw_clip, records))
            for record, clip in zip(records, clips, strict=True):
                level = f"{record.env}: " if names_several(env) else ""
                print(f"{outcome(clip.success):<9}{printable(level + clip.instruction)}")
            shown.append(stacked(clips) if len(clips) > 1 else clips[0])
    write_bytes(target, clips_gif(shown))
    print(f"written to {target}")
    return 0

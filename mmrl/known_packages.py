"""Well-known packages of Gymnasium environments: how their ids begin, and how they are had.

Ids of these packages are registered when their module is imported, which the user has to name.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KnownPackage(NamedTuple):
    """A package of environments.

    Attributes:
        prefix: with which its ids begin.
        module: that registers them when it is imported.
        pip: what ``pip install`` takes.
    """

    prefix: str
    module: str
    pip: str


KNOWN: Final = (
    KnownPackage("ALE/", "ale_py", "ale-py"),
    KnownPackage("Adroit", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("AntMaze", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("Crafter", "crafter", "crafter"),
    KnownPackage("Endless-", "memory_gym", "memory-gym"),
    KnownPackage("Fetch", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("FlappyBird", "flappy_bird_gymnasium", "flappy-bird-gymnasium"),
    KnownPackage("FrankaKitchen", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("HandManipulate", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("HandReach", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("Meta-World/", "metaworld", "metaworld"),
    KnownPackage("MinAtar/", "minatar", "minatar"),
    KnownPackage("MiniHack-", "minihack", "minihack"),
    KnownPackage("MiniWorld-", "miniworld", "miniworld"),
    KnownPackage("MortarMayhem", "memory_gym", "memory-gym"),
    KnownPackage("MysteryPath", "memory_gym", "memory-gym"),
    KnownPackage("NetHack", "nle", "nle"),
    KnownPackage("Panda", "panda_gym", "panda-gym"),
    KnownPackage("PointMaze", "gymnasium_robotics", "gymnasium-robotics"),
    KnownPackage("PyFlyt/", "PyFlyt.gym_envs", "pyflyt"),
    KnownPackage("SearingSpotlights", "memory_gym", "memory-gym"),
    KnownPackage("Sokoban-", "gym_sokoban", "gym-sokoban"),
    KnownPackage("SuperMarioBros", "gym_super_mario_bros", "gym-super-mario-bros"),
    KnownPackage("Vizdoom", "vizdoom.gymnasium_wrapper", "vizdoom"),
    KnownPackage("bsuite/", "shimmy", "'shimmy[bsuite]'"),
    KnownPackage("dm_control/", "shimmy", "'shimmy[dm-control]'"),
    KnownPackage("exit-", "highway_env", "highway-env"),
    KnownPackage("gym_aloha/", "gym_aloha", "gym-aloha"),
    KnownPackage("gym_pusht/", "gym_pusht", "gym-pusht"),
    KnownPackage("gym_xarm/", "gym_xarm", "gym-xarm"),
    KnownPackage("highway-", "highway_env", "highway-env"),
    KnownPackage("intersection-", "highway_env", "highway-env"),
    KnownPackage("lane-keeping-", "highway_env", "highway-env"),
    KnownPackage("merge-", "highway_env", "highway-env"),
    KnownPackage("parking-", "highway_env", "highway-env"),
    KnownPackage("popgym-", "popgym", "popgym"),
    KnownPackage("procgen-", "procgen", "procgen"),
    KnownPackage("racetrack-", "highway_env", "highway-env"),
    KnownPackage("roundabout-", "highway_env", "highway-env"),
    KnownPackage("two-way-", "highway_env", "highway-env"),
    KnownPackage("u-turn-", "highway_env", "highway-env"),
)


_OLD_ATARI: Final = "NoFrameskip-v"
"""In ids of Atari games without a namespace, such as PongNoFrameskip-v4."""


def known_package(env_id: str) -> KnownPackage | None:
    """The package that an environment's id is of, by how it begins; None where it is not known."""
    if _OLD_ATARI in env_id:
        env_id = f"ALE/{env_id}"
    return next((one for one in KNOWN if env_id.startswith(one.prefix)), None)


def known_module(module: str) -> KnownPackage | None:
    """The package whose module this is, or is in; None where it is not known."""
    top = module.partition(".")[0]
    return next((one for one in KNOWN if one.module.partition(".")[0] == top), None)

"""``mmrl new-env``: writes a package with an environment to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

from mmrl.arguments.parser import Parser
from mmrl.scaffold import write_package
from mmrl.text_output import printable

_DESCRIPTION = (
    "Write a small Python package to start from: an environment with an image and an instruction, "
    "an expert, tests, and an entry point by which mmrl finds it. It trains as it is."
)


def run(arguments: list[str]) -> int:
    """Write the package, and print what to do next."""
    parser = Parser(prog="mmrl new-env", description=_DESCRIPTION)
    parser.add_argument("name", type=str, help="of the package, such as my_env")
    parser.add_argument(
        "--out", type=str | None, default=None, help="new folder for it; by default ./NAME"
    )
    options = parser.parse_args(arguments)
    name = options.name
    folder = Path(options.out or name)
    files = write_package(name, folder)
    print(f"{printable(str(folder))}: {', '.join(map(str, files))}\n\nnext:\n")
    env = f"{name}:{name}/Reach-v0"
    print(f"  cd {printable(shlex.quote(str(folder)))}")
    print(f"  mmrl check-env {env}")
    print(f"  mmrl train --env {env} --steps 20000 --out runs/first --ppo.num-envs 16")
    return 0

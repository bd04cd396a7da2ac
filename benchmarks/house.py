"""The structure of the code, of two commits side by side.

    python benchmarks/house.py fbdf6c2        # beside what is here now: prints, writes house.json
    make house                                # what is here now

A room is a package or a module right under ``mmrl``, ``mmrl_envs.grid`` or ``mmrl_agents``. An
arrow leads from a room to one that it imports. A circle is a set of rooms that import each other;
an upward arrow is one of the fewest that would have to go so that no circle is left.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULT: Final = Path(__file__).parent / "results" / "house.json"
PACKAGES: Final = {
    "mmrl": ("mmrl", 1),
    "mmrl_envs.grid": ("envs/mmrl_envs/grid", 2),
    "mmrl_agents": ("agents/mmrl_agents", 1),
}
SMALL: Final = 60
ROWS: Final = {
    "files": "files",
    "lines": "lines",
    "packages": "packages",
    "small_files": f"files under {SMALL} lines",
    "shared_names": "names used by two files or more",
    "rooms": "rooms",
    "arrows": "import arrows between rooms",
    "upward": "upward arrows",
    "circles": "circles of rooms",
    "module_circles": "circles of modules",
}


def main() -> None:
    """Measure, print, and write where there is a commit to compare with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("before", nargs="?", help="a commit; without one, only what is here now")
    parser.add_argument("--folder", type=Path, default=ROOT, help="the tree that is measured")
    parser.add_argument("--json", action="store_true", help="print the numbers alone")
    arguments = parser.parse_args()
    after = measure(arguments.folder)
    if arguments.json:
        print(json.dumps(after))
    elif arguments.before is None:
        show({"now": after})
    else:
        before = at(arguments.before)
        show({arguments.before: before, "now": after})
        result = {"command": " ".join(["python", *sys.argv]), "before": before, "after": after}
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


def at(commit: str) -> dict[str, dict[str, Any]]:
    """The numbers of a commit, measured in a process of its own."""
    archive = subprocess.run(
        ["git", "archive", commit, "mmrl", "envs", "agents"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(folder, filter="data")
        command = [sys.executable, __file__, "--json", "--folder", folder]
        numbers: dict[str, dict[str, Any]] = json.loads(
            subprocess.run(command, check=True, capture_output=True).stdout
        )
    return numbers


def measure(folder: Path) -> dict[str, dict[str, Any]]:
    """The numbers of a tree, by package."""
    import grimp

    sys.path[:0] = [str(folder), str(folder / "envs"), str(folder / "agents")]
    graph = grimp.build_graph("mmrl", "mmrl_envs", "mmrl_agents", cache_dir=None)
    numbers = {}
    for package, (path, depth) in PACKAGES.items():
        files = sorted((folder / path).rglob("*.py"))
        lines = [len(file.read_text().splitlines()) for file in files]
        names = Counter(file.name for file in files if file.name != "__init__.py")
        modules = {name for name in graph.modules if name.startswith(f"{package}.")}
        arrows = {
            (one, other)
            for one in modules
            for other in graph.find_modules_directly_imported_by(one) & modules
        }
        rooms = {(room(one, depth), room(other, depth)) for one, other in arrows}
        rooms = {(one, other) for one, other in rooms if one != other}
        circles = strongly_connected(rooms)
        numbers[package] = {
            "files": len(files),
            "lines": sum(lines),
            "packages": sum(file.name == "__init__.py" for file in files),
            "small_files": sum(
                count < SMALL and file.name != "__init__.py"
                for file, count in zip(files, lines, strict=True)
            ),
            "shared_names": sum(count > 1 for count in names.values()),
            "rooms": len({room(one, depth) for one in modules}),
            "arrows": len(rooms),
            "upward": sum(upward(rooms, circle) for circle in circles),
            "circles": len(circles),
            "module_circles": len(strongly_connected(arrows)),
        }
    return numbers


def room(module: str, depth: int) -> str:
    """The room that a module stands in."""
    return ".".join(module.split(".")[: depth + 1])


def strongly_connected(arrows: set[tuple[str, str]]) -> list[set[str]]:
    """Sets of two or more that reach each other."""
    reach: dict[str, set[str]] = defaultdict(set)
    for one, other in arrows:
        reach[one].add(other)
    for start in list(reach):
        todo, reached = list(reach[start]), set(reach[start])
        while todo:
            for other in reach.get(todo.pop(), set()) - reached:
                reached.add(other)
                todo.append(other)
        reach[start] = reached
    circles: list[set[str]] = []
    for one in sorted(reach):
        if one in reach[one] and not any(one in circle for circle in circles):
            circles.append({other for other in reach[one] if one in reach.get(other, set())})
    return circles


def upward(arrows: set[tuple[str, str]], circle: set[str]) -> int:
    """The fewest arrows within a circle without which there is none; of large ones an estimate."""
    inner = {(one, other) for one, other in arrows if one in circle and other in circle}

    def against(order: tuple[str, ...]) -> int:
        place = {name: k for k, name in enumerate(order)}
        return sum(place[one] > place[other] for one, other in inner)

    if len(circle) <= 7:
        return min(map(against, permutations(sorted(circle))))
    order = sorted(circle, key=lambda name: sum(other == name for _, other in inner))
    best = against(tuple(order))
    improved = True
    while improved:  # move one at a time to where it is best
        improved = False
        for name in sorted(circle):
            rest = [other for other in order if other != name]
            for k in range(len(order)):
                tried = [*rest[:k], name, *rest[k:]]
                if against(tuple(tried)) < best:
                    order, best, improved = tried, against(tuple(tried)), True
                    rest = [other for other in order if other != name]
    return best


def show(columns: dict[str, dict[str, dict[str, Any]]]) -> None:
    """A table for people."""
    width = max(map(len, ROWS.values()))
    for package in PACKAGES:
        print(f"\n{package:{width}}" + "".join(f"{name[:10]:>12}" for name in columns))
        for key, label in ROWS.items():
            print(
                f"{label:{width}}"
                + "".join(f"{one[package][key]:>12,}" for one in columns.values())
            )


if __name__ == "__main__":
    main()

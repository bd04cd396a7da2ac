"""Mutated files of every kind that mmrl reads: each is accepted, or refused in one line.

    python benchmarks/fuzz_readers.py --mutations 200000
    python benchmarks/fuzz_readers.py --mutations 5000 --only checkpoint

Valid examples of all kinds are made with tiny models in a temporary folder. Each mutation changes
one file of a copy: bits, cuts, types, keys, numbers, nesting, encodings, shapes that no machine
holds, and things that are no files. The reader runs in a forked process with a limit on time and
memory, which needs POSIX. A row counts what was accepted, what was refused in one line that names
the file, what was refused otherwise, and what was not caught: another exception, a crash, a
timeout, memory. ``wrong type`` counts accepted files of which one declared value has another JSON
type; free keys, such as an environment's own arguments, are left out.

``benchmarks/results/fuzz_readers.json`` has the rows and examples; with ``--before`` they are kept
beside the present ones, as those of the readers before the schemas.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tiny_hub

from fuzz_examples import EXAMPLES
from fuzz_kinds import KINDS, Kind
from fuzz_mutations import Mutation, mutate
from seeds import add_folder, work_folder

from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json
from mmrl.progress import ProgressBar

RESULT: Final = Path(__file__).parent / "results" / "fuzz_readers.json"
SECONDS: Final = 5.0
"""Of a processor, for one reading; twenty seconds in all, on a machine that is busy."""
_WALL_SECONDS: Final = 20.0
_AT_ONCE: Final = 100  # mutations that one process reads
MEGABYTES: Final = 1_024
_GRACE: Final = 5.0  # seconds after which a process that does not answer is killed
_LONGEST: Final = 600  # characters of a refusal
_STRANGE: Final = ("missing", "folder", "/dev/zero", "FIFO", "loop")
_EXAMPLES: Final = 5  # of each outcome that are kept
OUTCOMES: Final = ("accepted", "refused", "unclear", "uncaught", "crash", "timeout", "memory")


class Timeout(BaseException):
    """A reader takes too long."""


def place(file: Path, change: Mutation) -> None:
    """Put a changed file where the valid one was."""
    file.unlink()
    if change.label != "file":
        file.write_bytes(change.content)
    elif change.what == "folder":
        file.mkdir()
    elif change.what == "FIFO":
        os.mkfifo(file)
    elif change.what != "missing":
        file.symlink_to(file if change.what == "loop" else change.what)


def put_back(file: Path, content: bytes) -> None:
    """Undo :func:`place`."""
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    file.write_bytes(content)


def changed(kind: Kind, content: bytes, seed: str) -> Mutation:
    """The mutation of a kind that belongs to a seed."""
    rng = random.Random(seed)
    if rng.random() < 0.02:
        return Mutation(b"", "file", rng.choice(_STRANGE))
    return mutate(kind.form, content, rng)


def outcome(kind: Kind, folder: Path, change: Mutation) -> dict[str, Any]:
    """What a reader does with a changed file, and why."""
    try:
        kind.read(folder)
    except UserError as error:
        return _refusal(kind, folder, str(error))
    except ValueError as error:
        if kind.example == "theme" and type(error) is ValueError:  # as the environments raise them
            return _refusal(kind, folder, str(error))
        return _uncaught(error)
    except Timeout:
        return {"outcome": "timeout"}
    except BaseException as error:  # of any kind: that is what is counted
        return _uncaught(error)
    wrong = change.label == "type" and not kind.tolerant and not kind.is_free(change.what)
    return {"outcome": "accepted", "wrong_type": wrong}


def _refusal(kind: Kind, folder: Path, message: str) -> dict[str, Any]:
    names = Path(kind.file).name in message or str(folder) in message
    names = names or kind.example == "recipes"  # the command has just named it
    lines = 1 if "nothing was changed:" in message else len(message.strip().splitlines())
    clear = names and lines == 1 and len(message) <= _LONGEST
    return {
        "outcome": "refused" if clear else "unclear",
        "why": message.replace(str(folder), "FOLDER").replace(str(Path.home()), "~")[:300],
    }


def _uncaught(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "/mmrl" in one.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    name = "memory" if isinstance(error, MemoryError) else "uncaught"
    return {"outcome": name, "why": f"{where} {error!r}"[:300]}


def work(kind: Kind, example: Path, folder: Path, numbers: range, seed: int, pipe: int) -> None:
    """Read mutations in this process, and write what comes of each into a pipe."""
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGPROF, _stop)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEGABYTES * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    content = (example / kind.file).read_bytes()
    for number in numbers:
        os.write(pipe, f"{number}\n".encode())
        if kind.writes or not folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(example, folder)
        file = folder / kind.file
        put_back(file, content)
        change = changed(kind, content, f"{seed} {kind.name} {number}")
        place(file, change)
        if change.label != "file" and kind.after is not None:
            kind.after(folder)
        _set_timers(_WALL_SECONDS, SECONDS)
        try:
            found = outcome(kind, folder, change)
        except Timeout:  # between the reader's end and here
            found = {"outcome": "timeout"}
        finally:
            _set_timers(0, 0)
        found |= {"label": change.label, "what": change.what[:200]}
        os.write(pipe, (json.dumps(found) + "\n").encode())


def _set_timers(wall: float, processor: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, wall)
    signal.setitimer(signal.ITIMER_PROF, processor)


def _stop(*_: Any) -> None:
    raise Timeout


def warm_up(kind: Kind, example: Path, folder: Path) -> None:
    """Read the valid example, so that all that is imported is there in the forked processes.

    Raises:
        Exception: it cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(example, folder)
    nowhere = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        kind.read(folder)


def outcomes(
    kind: Kind, example: Path, folder: Path, count: int, seed: int
) -> Iterator[dict[str, Any]]:
    """What comes of each mutation; a process that dies is replaced."""
    warm_up(kind, example, folder)
    begin = 0
    while begin < count:
        reader, writer = os.pipe()
        shutil.rmtree(folder, ignore_errors=True)
        pid = os.fork()
        if not pid:
            try:
                work(
                    kind, example, folder, range(begin, min(begin + _AT_ONCE, count)), seed, writer
                )
            finally:
                os._exit(0)
        os.close(writer)
        for number, found in _answers(reader, pid):
            begin = number + 1
            yield found
        os.close(reader)
        os.waitpid(pid, 0)


def _answers(reader: int, pid: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The answers of a process, until it has ended or is killed."""
    rest, number = b"", None
    while True:
        ready, _, _ = select.select([reader], [], [], _WALL_SECONDS + _GRACE)
        data = os.read(reader, 1 << 16) if ready else b""
        if not data:
            if not ready:
                os.kill(pid, signal.SIGKILL)
            if number is not None:
                yield number, {"outcome": "crash" if ready else "timeout", "label": "", "what": ""}
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line[:1] == b"{":
                assert number is not None
                yield number, json.loads(line)
                number = None
            else:
                number = int(line)


def measure(kind: Kind, example: Path, folder: Path, count: int, options: Any, bar: Any) -> Any:
    """The row of a kind."""
    started = time.monotonic()
    counts: Counter[str] = Counter()
    wrong, examples = 0, {}
    labels: Counter[str] = Counter()
    for number, found in enumerate(outcomes(kind, example, folder, count, options.seed)):
        counts[found["outcome"]] += 1
        wrong += found.get("wrong_type", False)
        name = "wrong type" if found.get("wrong_type") else found["outcome"]
        if name not in ("accepted", "refused"):
            labels[f"{name}: {found['label']}"] += 1
            kept = examples.setdefault(name, {})
            why = found.get("why", found["what"])
            if len(kept) < options.examples:
                kept.setdefault(why.split("(")[0] if name == "uncaught" else why, {
                    "mutation": number, "change": f"{found['label']}: {found['what']}", "why": why,
                })  # fmt: skip
        bar.advance()
    return {
        "kind": kind.name, "file": kind.file, "mutations": count,
        **{name: counts[name] for name in OUTCOMES}, "wrong_type": wrong,
        "seconds": round(time.monotonic() - started, 1),
        "examples": {name: list(kept.values()) for name, kept in examples.items()},
    }  # fmt: skip


def table(rows: list[Any], before: list[Any]) -> str:
    """The rows in Markdown, with those of before."""
    earlier = {row["kind"]: row for row in before}
    header = ("file", "mutations", "accepted", "of them wrong type", "refused in one line",
              "refused otherwise", "not caught", "not caught, before")  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    for row in [*rows, _total(rows)]:
        old = earlier.get(row["kind"]) or (_total(before) if before else None)
        was = "" if old is None else f"{_failed(old):,} of {old['mutations']:,}"
        lines.append(
            f"| {row['kind']} | {row['mutations']:,} | {row['accepted']:,} | {row['wrong_type']:,} "
            f"| {row['refused']:,} | {row['unclear']:,} | {_failed(row):,} | {was} |"
        )
    return "\n".join(lines) + "\n"


def _total(rows: list[Any]) -> dict[str, Any]:
    keys = ("mutations", "wrong_type", *OUTCOMES)
    return {"kind": "all", **{key: sum(row[key] for row in rows) for key in keys}}


def _failed(row: dict[str, Any]) -> int:
    return sum(row[name] for name in OUTCOMES[3:])


def save(rows: list[Any], options: argparse.Namespace, started: float) -> None:
    """Write what there is so far, and the table beside it."""
    old = json.loads(options.out.read_text()) if options.out.is_file() else {}
    before = rows if options.before else old.get("before", [])
    write_json(options.out, {
        "seed": options.seed, "seconds_limit": SECONDS, "megabytes_limit": MEGABYTES,
        "total": _total(rows), "rows": rows, "before": before, **provenance(started),
    })  # fmt: skip
    write_atomically(options.out.with_suffix(".md"), table(rows, before))


def main() -> None:
    """Mutate, read, print a table, write the result; exits with 1 where something is not caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=20_000, help="of all kinds together")
    parser.add_argument("--only", help="kinds whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=_EXAMPLES, help="of each outcome")
    parser.add_argument("--before", action="store_true", help="keep the rows as those of before")
    parser.add_argument("--out", type=Path, default=RESULT, help="file for the result")
    add_folder(parser)
    options = parser.parse_args()
    kinds: list[Kind] = [one for one in KINDS if not options.only or options.only in one.name]
    shares = sum(one.share for one in kinds)
    started = time.monotonic()
    with work_folder(options) as folder, ProgressBar("mutations", options.mutations) as bar:
        rows = []
        for kind in kinds:
            example = folder / kind.example
            if not example.is_dir():
                example.mkdir()
                EXAMPLES[kind.example](example)
            count = max(round(options.mutations * kind.share / shares), 1)
            rows.append(measure(kind, example, folder / "work", count, options, bar))
            bar.console.print(table(rows[-1:], []).splitlines()[2], highlight=False)
            if not options.only or options.out != RESULT:
                save(rows, options, started)
    print(table(rows, []))
    if failed := _failed(_total(rows)):
        raise SystemExit(f"{failed:,} mutations were not caught")


if __name__ == "__main__":
    main()

"""Coverage-guided fuzzing of every reader, by atheris (libFuzzer for Python).

    pip install atheris
    python benchmarks/fuzz_coverage.py --seconds 20
    python benchmarks/fuzz_coverage.py --seconds 600 --only tokenizer

The kinds of files are those of ``fuzz_readers.py``. There each mutation begins with a valid file;
here a changed file that reaches new code of mmrl is kept and changed further, by libFuzzer's own
mutations and by those of ``fuzz_readers.py``. Each kind is read in a process of its own, with a
limit on the time of one reading and on memory. It ends at the first file that is neither accepted
nor refused by a line that names it. Readers that change other files are left out.

``benchmarks/results/fuzz_coverage.json`` has for each kind how many files were read, the code
that they reached (libFuzzer's counters), and what was not caught. Kinds that are not read this time
keep their rows.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Final

import atheris

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tiny_hub

if "--one" in sys.argv:
    with atheris.instrument_imports(include=["mmrl", "mmrl_agents"]):
        from fuzz_examples import EXAMPLES
        from fuzz_kinds import KINDS, Kind
else:
    from fuzz_examples import EXAMPLES
    from fuzz_kinds import KINDS, Kind

from fuzz_mutations import Mutation, mutate
from fuzz_readers import outcome, put_back, warm_up
from seeds import add_folder, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json
from mmrl.progress import ProgressBar

RESULT: Final = Path(__file__).parent / "results" / "fuzz_coverage.json"
SECONDS_EACH: Final = 20
MEGABYTES: Final = 4_096
LONGEST: Final = 1 << 20  # bytes of a file
_OWN_MUTATIONS: Final = 0.5  # the share of changes that are those of fuzz_readers.py
_DONE: Final = re.compile(r"#(\d+)\s+(?:DONE|\w+)\s+cov: (\d+) ft: (\d+)")


class NotCaughtError(Exception):
    """A file was neither accepted nor refused in one line that names it."""


def fuzz(kind: Kind, example: Path, folder: Path, seconds: int, seed: int) -> None:
    """Read changed files of a kind in this process until the time is over; never returns.

    Args:
        kind: of the file.
        example: folder with a valid one.
        folder: to work in: ``corpus`` and ``work`` are made.
        seconds: for all of it.
        seed: of libFuzzer.
    """
    work, corpus = folder / "work", folder / "corpus"
    warm_up(kind, example, work)
    corpus.mkdir()
    (corpus / "valid").write_bytes((work / kind.file).read_bytes())

    def read(data: bytes) -> None:
        put_back(work / kind.file, data)
        if kind.after is not None:
            kind.after(work)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = outcome(kind, work, Mutation(data, "", ""))
        if found["outcome"] not in ("accepted", "refused"):
            raise NotCaughtError(json.dumps(found))

    def change(data: bytes, size: int, number: int) -> bytes:
        rng = random.Random(number)
        has_aliases = kind.form == "yaml" and b"&" in data  # written out, they may fill the memory
        if rng.random() < _OWN_MUTATIONS and not has_aliases:
            try:
                return mutate(kind.form, data, rng).content[:size]
            except Exception:  # of a file that is damaged already
                pass
        return bytes(atheris.Mutate(data, size))

    options = [
        f"-max_total_time={seconds}", f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST}", f"-seed={seed + 1}", f"-artifact_prefix={folder}/", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], read, custom_mutator=change)
    atheris.Fuzz()


def measure(kind: Kind, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The row of a kind, fuzzed in a process of its own."""
    started = time.monotonic()
    command = [
        sys.executable, __file__, "--one", kind.name, "--folder", str(folder.parent),
        "--seconds", str(options.seconds), "--seed", str(options.seed),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    seen = _DONE.findall(done.stderr)
    read, reached, features = map(int, seen[-1]) if seen else (0, 0, 0)
    row = {
        "kind": kind.name, "read": read, "reached": reached, "features": features,
        "kept": len([*(folder / "corpus").glob("*")]), "not_caught": None,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    if done.returncode:
        row["not_caught"] = _why(done.stdout + done.stderr, folder)
    return row


def _why(output: str, folder: Path) -> str:
    """The line that says what happened, out of all that libFuzzer prints."""
    lines = [
        one for one in output.splitlines() if "NotCaughtError:" in one or "ERROR: libFuzzer" in one
    ]
    return (lines or output.splitlines()[-1:] or ["no output"])[0].replace(str(folder), "FOLDER")


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = ["| file | read | code reached | kept | not caught |", "|---|--:|--:|--:|---|"]
    lines += [
        f"| {row['kind']} | {row['read']:,} | {row['reached']:,} | {row['kept']:,} "
        f"| {row['not_caught'] or '–'} |"
        for row in rows
    ]
    total, failed = sum(row["read"] for row in rows), sum(bool(row["not_caught"]) for row in rows)
    return "\n".join([*lines, f"| all | {total:,} | | | {failed} |"]) + "\n"


def main() -> None:
    """Fuzz, print a table, write the result; exits with 1 where something was not caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20, help="for each kind")
    parser.add_argument("--only", help="kinds whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    add_folder(parser)
    options = parser.parse_args()
    kinds = [one for one in KINDS if not one.writes]
    if options.one:
        number, kind = next((n, one) for n, one in enumerate(kinds) if one.name == options.one)
        example = options.folder / kind.example
        fuzz(kind, example, options.folder / str(number), options.seconds, options.seed)
    chosen = [one for one in kinds if not options.only or options.only in one.name]
    started, rows = time.monotonic(), []
    old = json.loads(RESULT.read_text())["rows"] if RESULT.is_file() else []
    found = {row["kind"]: row for row in old}
    with work_folder(options) as folder, ProgressBar("kinds of files", len(chosen)) as bar:
        for kind in chosen:
            example, here = folder / kind.example, folder / str(kinds.index(kind))
            if not example.is_dir():
                example.mkdir()
                EXAMPLES[kind.example](example)
            here.mkdir()
            rows.append(measure(kind, here, options))
            bar.advance()
            bar.console.print(table(rows[-1:]).splitlines()[2], highlight=False)
            found[kind.name] = rows[-1]
            kept = [found[one.name] for one in kinds if one.name in found]
            write_json(RESULT, {"seed": options.seed, "rows": kept, **provenance(started)})
            write_atomically(RESULT.with_suffix(".md"), table(kept))
    print(table(rows), end="")
    if failed := sum(bool(row["not_caught"]) for row in rows):
        raise SystemExit(f"{failed} kinds of files were not caught")


if __name__ == "__main__":
    main()

"""``mmrl benchmark``: trains and evaluates what a suite lists, and writes results and tables."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any, Final

from mmrl.arguments.checks import check
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.arguments.request import parse
from mmrl.cli.common import claim
from mmrl.cli.processes import EVALUATION, PlannedTraining, finish_all, named_code
from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.experiment.benchmark import (
    Entry,
    Suite,
    entry_result,
    evaluation_env,
    read_suite,
    read_table,
    with_table,
)
from mmrl.experiment.run import RESULT, Run
from mmrl.files import write_atomically, write_json
from mmrl.recipes import SUITES, all_recipes
from mmrl.schema import read_json, read_text, read_yaml
from mmrl.text_output import format_table, printable
from mmrl.trust import check as check_trust

_DESCRIPTION: Final = """\
Train and evaluate what a suite lists, and write the results and a table:

  mmrl benchmark --list                     the suites of installed packages
  mmrl benchmark smoke --out runs/smoke     two minutes: does this installation train?
  mmrl benchmark mine.yaml --out runs/mine --jobs 2

A suite is a YAML file. Each entry names a recipe or a configuration, overrides, and seeds:

  seeds: [0, 1, 2]
  entries:
    - config: demo
    - {config: demo, name: by concatenation, overrides: {model.fusion: concat}}
  evaluation: {episodes: 256}

Call the command again to resume: finished trainings are kept, interrupted ones continue from their
last checkpoint. The folder gets results.json and results.md. With --markdown a document gets the
table, between the lines <!-- benchmark:NAME --> and <!-- /benchmark -->; --check trains nothing,
and fails where the document has another table than the results:

  mmrl benchmark smoke --out runs/smoke --json smoke.json --markdown docs/smoke.md
  mmrl benchmark smoke --json smoke.json --markdown docs/smoke.md --check
"""
_SUITE_FILE: Final = "suite.yaml"


def run(arguments: list[str]) -> int:
    """Train what is missing, then write results and tables; or list suites, or check a table."""
    started = time.monotonic()
    options = _parse(arguments)
    if options.list:
        print(_suites())
        return 0
    _check_options(options)
    folder, suite = Path(options.out), read_suite(options.suite)
    file = Path(options.json or folder / "results.json")
    if options.check:
        return _check(suite, file, Path(options.markdown))
    planned = plan(suite, folder)
    if options.markdown:  # found now, not after hours
        with_table(read_text(Path(options.markdown)), suite.name, "")
    claim(folder, _SUITE_FILE, _settings(suite), "a benchmark")
    missing = [one for one in planned if not one.is_done]
    finish_all(missing, options.jobs or suite.content.jobs, _done)
    command = f"mmrl benchmark {shlex.join(arguments)}"
    results = {**_results(suite, folder), **provenance(started), "command": command}
    return _write(suite, results, file, options.markdown)


def _parse(arguments: list[str]) -> Any:
    parser = Parser(prog="mmrl benchmark", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("suite", nargs="?", type=str, default="", help="name, or YAML file")
    parser.add_argument("--list", type=bool, default=False, help="list the suites")
    parser.add_argument("--out", type=str, default="", help="folder of all runs and the results")
    parser.add_argument(
        "--jobs", type=int, default=0, help="trainings side by side; 0 as the suite has it"
    )
    parser.add_argument(
        "--json", type=str, default="", help="file of the results; OUT/results.json"
    )
    parser.add_argument("--markdown", type=str, default="", help="document that gets the table")
    parser.add_argument(
        "--check", type=bool, default=False, help="only compare the document with the results"
    )
    return parser.parse_args(arguments)


def _check_options(options: Any) -> None:
    """Refuse options that cannot be.

    Raises:
        UserError: one cannot.
    """
    if not options.suite:
        raise UserError("name a suite: 'mmrl benchmark --list' lists them")
    if not options.out and not (options.check and options.json):
        raise UserError("--out is missing: name a folder for the runs")
    if options.jobs < 0:
        raise UserError(f"--jobs {options.jobs}: must be at least 0")
    if options.check and not options.markdown:
        raise UserError("--check compares a document: give --markdown")
    if options.json and not Path(options.json).resolve().parent.is_dir():
        raise UserError(f"--json {options.json}: its folder does not exist")


def _settings(suite: Suite) -> dict[str, Any]:
    """What a folder's trainings depend on: the suite, and the configurations that it names."""
    files = {one.name: suite.config_file(one) for one in suite.content.entries}
    configs = {name: read_text(Path(file)) for name, file in files.items() if file is not None}
    return {"suite": read_yaml(suite.path, dict[str, Any]), "configs": configs}


def _suites() -> str:
    rows = []
    for one in all_recipes(SUITES):
        content = read_suite(str(one.file)).content
        count = sum(len(entry.seeds or content.seeds) for entry in content.entries)
        rows.append([one.name, f"{count} trainings", one.summary])
    return format_table(("suite", "size", "what"), rows) if rows else "there are none"


def plan(suite: Suite, folder: Path) -> list[PlannedTraining]:
    """All trainings of a suite, each entry once before any twice.

    Raises:
        UserError: an entry that cannot be trained, or that names code that is not trusted.
    """
    arguments = {entry.name: _arguments(suite, entry) for entry in suite.content.entries}
    most = max(len(suite.seeds(entry)) for entry in suite.content.entries)
    return [
        PlannedTraining(
            f"{entry.name}, seed {seed}",
            suite.out(folder, entry, seed),
            [*arguments[entry.name], f"--seed={seed}"],
            _evaluation(suite, entry),
        )
        for k in range(most)
        for entry in suite.content.entries
        for seed in suite.seeds(entry)[k : k + 1]
    ]


def _arguments(suite: Suite, entry: Entry) -> list[str]:
    """The arguments of ``mmrl train``, which are tried."""
    file = suite.config_file(entry)
    overrides = [f"--{key}={_text(value)}" for key, value in suite.overrides(entry).items()]
    arguments = [*([] if file is None else [f"--config={file}"]), *overrides]
    try:
        request = parse([*arguments, "--out=unused"])
        check_trust(request.resolved, suite.path.absolute())
        check(request.config)
    except UserError as error:
        if str(suite.path) in str(error):
            raise
        raise UserError(f"{suite.path}: {entry.name}: {error}") from error
    if not request.config.eval_episodes:
        raise UserError(f"{suite.path}: {entry.name}: eval_episodes=0: nothing would be compared")
    return [*arguments, *named_code(request.config)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _evaluation(suite: Suite, entry: Entry) -> list[str]:
    """The options of ``mmrl eval`` for an evaluation elsewhere."""
    options = suite.evaluation(entry)
    if not options.env:
        return []
    more = [] if options.episodes is None else [f"--episodes={options.episodes}"]
    more += [] if options.controls is None else [f"--controls={str(options.controls).lower()}"]
    return [f"--env={evaluation_env(options)}", *more]


def _done(one: PlannedTraining) -> str:
    """The line for a training that has finished."""
    result = _result_of(one.out)
    if result["success_rate"] is None:
        return f"{one.name}: return {result['mean_return']:.2f}"
    return f"{one.name}: success {result['success_rate']:.1%}"


def _result_of(out: Path) -> dict[str, Any]:
    """The result of a run: of the evaluation elsewhere, where there is one."""
    own = read_json(out / RESULT, dict[str, Any])
    other = out / EVALUATION
    return {**own, **read_json(other, dict[str, Any])} if other.is_file() else own


def _results(suite: Suite, folder: Path) -> dict[str, Any]:
    entries = []
    for entry in suite.content.entries:
        outs = {seed: suite.out(folder, entry, seed) for seed in suite.seeds(entry)}
        runs = [{"seed": seed, **_result_of(out)} for seed, out in outs.items()]
        entries.append(entry_result(entry, Run.open(next(iter(outs.values()))).config, runs))
    return {"suite": suite.name, "entries": entries}


def _write(suite: Suite, results: dict[str, Any], file: Path, markdown: str) -> int:
    write_json(file, results)
    _, table = read_table(file)
    write_atomically(file.with_suffix(".md"), table)
    print(printable(table, breaks=True), end="")
    written = [file, file.with_suffix(".md")]
    if markdown:
        document = Path(markdown)
        write_atomically(document, with_table(read_text(document), suite.name, table))
        written.append(document)
    print(f"written: {printable(', '.join(map(str, written)))}")
    return 0


def _check(suite: Suite, file: Path, document: Path) -> int:
    """Whether a document has the table of the results: the exit status."""
    name, table = read_table(file)
    if name != suite.name:
        raise UserError(f"{file} has the results of suite {name!r}, not of {suite.name!r}")
    text = read_text(document)
    if with_table(text, name, table) == text:
        print(f"{document}: agrees with {file}")
        return 0
    print(f"{document}: has another table than {file}; leave out --check to write it")
    return 1

"""Benchmark suites: trainings that a YAML file lists, their results, and tables in documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from mmrl.env_sets import env_text, file_name, short_name
from mmrl.errors import UserError
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.config import flat
from mmrl.recipes import SUITES, find_config_file
from mmrl.schema import Count, FileError, Finite, OpenSchema, Schema, Size, read_json, read_yaml

_BLOCK: Final = re.compile(
    r"(?P<begin><!-- benchmark:(?P<name>[\w.-]+) -->\n)(?P<table>.*?)(?P<end><!-- /benchmark -->)",
    re.DOTALL,
)
_KEPT: Final = (
    "success_rate", "success_rate_95", "mean_return", "mean_return_95", "mean_length", "episodes",
    "seeds", "training_seconds", "controls", "environments",
)  # fmt: skip
"""What is kept of a result."""


class EvaluationOptions(Schema):
    """How the agents of a suite are evaluated.

    Attributes:
        episodes: held-out ones; None as each configuration has it.
        controls: whether controls are played; None as each configuration has it.
        env: where, beside the evaluation in the environment of the training: an id, or several as
            in :mod:`mmrl.env_sets`; nowhere else, if empty.
    """

    episodes: Size | None = None
    controls: bool | None = None
    env: str | list[str] | dict[str, Any] = ""


class Entry(Schema):
    """A configuration that is trained with some seeds.

    Attributes:
        config: a recipe, or a YAML file beside the suite; none, if empty.
        name: in tables; that of the configuration, if empty.
        overrides: keys of the configuration, with dots for sections, and their values.
        seeds: those of the suite, if empty.
        evaluation: in place of the suite's.
    """

    config: str = ""
    name: str = ""
    overrides: dict[str, Any] = {}
    seeds: list[Count] = []
    evaluation: EvaluationOptions | None = None


class SuiteFile(Schema):
    """What the file of a suite has to hold.

    Attributes:
        entries: at least one.
        seeds: of the trainings.
        jobs: how many trainings run side by side.
        evaluation: of all agents.
    """

    entries: list[Entry]
    seeds: list[Count] = msgspec.field(default_factory=lambda: [0])
    jobs: Size = 1
    evaluation: EvaluationOptions = msgspec.field(default_factory=EvaluationOptions)


@dataclass(frozen=True)
class Suite:
    """A suite of trainings.

    Attributes:
        name: of its file, without the suffix.
        path: of the file.
        content: of the file, with the name of each entry.
    """

    name: str
    path: Path
    content: SuiteFile

    def out(self, folder: Path, entry: Entry, seed: int) -> Path:
        """The run folder of a training."""
        return folder / file_name(entry.name) / f"seed-{seed}"

    def seeds(self, entry: Entry) -> list[int]:
        """Of an entry."""
        return entry.seeds or self.content.seeds

    def evaluation(self, entry: Entry) -> EvaluationOptions:
        """Of an entry."""
        return entry.evaluation or self.content.evaluation

    def overrides(self, entry: Entry) -> dict[str, Any]:
        """The keys that an entry sets, and the evaluation's."""
        options = self.evaluation(entry)
        keys = {"eval_episodes": options.episodes, "controls": options.controls}
        given = {key: value for key, value in keys.items() if value is not None and not options.env}
        return {**given, **entry.overrides}

    def config_file(self, entry: Entry) -> str | None:
        """The file of an entry's configuration; None where it names none.

        Raises:
            UserError: there is none.
        """
        beside = self.path.parent / entry.config
        if not entry.config or beside.is_file():
            return str(beside) if entry.config else None
        return find_config_file(entry.config)


def read_suite(name: str) -> Suite:
    """The suite of a name, or in a file.

    Args:
        name: of a suite that an installed package brings, or the path of a YAML file.

    Raises:
        UserError: there is none, or it is not what a suite has to be.
    """
    path = Path(find_config_file(name, SUITES))
    content = read_yaml(path, SuiteFile)
    if not content.entries:
        raise FileError(f"{path}: entries is empty; list at least one")
    if not content.seeds:
        raise FileError(f"{path}: seeds is empty; list at least one")
    for entry in content.entries:
        entry.name = entry.name or Path(entry.config).stem
        if not entry.name:
            raise FileError(f"{path}: an entry has neither a config nor a name")
    names = [file_name(entry.name) for entry in content.entries]
    for one in names:
        if names.count(one) > 1:
            raise FileError(f"{path}: two entries are called {one!r}; give each a name of its own")
    return Suite(path.stem, path, content)


def entry_result(
    entry: Entry, config: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the file of results has of an entry.

    Args:
        entry: it.
        config: the resolved configuration of its first run.
        runs: of its seeds: ``seed``, and what ``result.json`` has.
    """
    return {
        "name": entry.name,
        "config": entry.config,
        "overrides": entry.overrides,
        **{key: flat(dict(config)).get(key) for key in ("env", "agent", "steps")},
        "runs": [
            {"seed": one["seed"], **{key: one[key] for key in _KEPT if key in one}} for one in runs
        ],
    }


class _Control(OpenSchema):
    """What a table needs of a control."""

    success_rate: Finite | None = None
    mean_return: Finite | None = None


class _Controls(OpenSchema):
    """What a table needs of the controls."""

    random_policy: _Control | None = None


class _Run(OpenSchema):
    """What a table needs of a run."""

    seed: int
    training_seconds: Finite
    mean_return: Finite
    success_rate: Finite | None = None
    controls: _Controls | None = None


class _Result(OpenSchema):
    """What a table needs of an entry."""

    name: str
    env: str
    agent: str
    steps: int
    runs: list[_Run]


class _Results(OpenSchema):
    """What a table needs of a file of results."""

    suite: str
    entries: list[_Result]


def read_table(path: Path) -> tuple[str, str]:
    """The name of the suite whose results a file has, and their table in Markdown.

    Raises:
        FileError: there is no such file, or it holds something else.
    """
    results = read_json(path, _Results)
    lines = [
        "| what | environment | agent | steps | success, by seed | mean | random policy "
        "| training |",
        "|---|---|---|--:|---|---|--:|--:|",
    ]
    lines += [_line(one) for one in results.entries if one.runs]
    return results.suite, "\n".join(lines) + "\n"


def _line(entry: _Result) -> str:
    known = all(one.success_rate is not None for one in entry.runs)
    values = [one.success_rate or 0.0 if known else one.mean_return for one in entry.runs]
    low, high = mean_interval(values, *((0, 1) if known else ()))

    def shown(value: float) -> str:
        return f"{value:.1%}" if known else f"{value:.2f}"

    mean = shown(sum(values) / len(values))
    if len(values) > 1:
        mean += f" ({shown(low)} to {shown(high)})"
    control = (entry.runs[0].controls or _Controls()).random_policy or _Control()
    random = control.success_rate if known else control.mean_return
    seconds = sum(one.training_seconds for one in entry.runs) / len(entry.runs)
    cells = [
        entry.name,
        short_name(entry.env),
        entry.agent,
        f"{entry.steps:,}",
        ("" if known else "return ") + ", ".join(map(shown, values)),
        mean,
        "–" if random is None else shown(random),
        f"{seconds:.0f} s",
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def table_names(document: str) -> list[str]:
    """The suites whose tables a document has between ``<!-- benchmark:NAME -->`` and
    ``<!-- /benchmark -->``.
    """
    return [found["name"] for found in _BLOCK.finditer(document)]


def with_table(document: str, name: str, table: str) -> str:
    """A document with the table of a suite as it has to be.

    Raises:
        UserError: it has no place for it.
    """
    if name not in table_names(document):
        raise UserError(
            f"there is no place for the table: add the lines <!-- benchmark:{name} --> and "
            "<!-- /benchmark -->"
        )

    def replaced(found: re.Match[str]) -> str:
        own = f"\n{table}\n" if found["name"] == name else found["table"]
        return f"{found['begin']}{own}{found['end']}"

    return _BLOCK.sub(replaced, document)


def without_tables(document: str) -> str:
    """A document without the tables of suites."""
    return _BLOCK.sub("", document)


def evaluation_env(options: EvaluationOptions) -> str:
    """Where agents are evaluated beside their own environments; "" for nowhere."""
    return env_text(options.env) if options.env else ""

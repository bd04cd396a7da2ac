"""Queries: any arguments are understood or refused, and answers are what a plain search finds."""

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from mmrl.records import Summary
from mmrl.tensorboard.index import Entry
from mmrl.tensorboard.query import MOST, SORTS, BadQueryError, Query, facets, heatmap

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
NAMES = [
    "run", "source", "env", "kind", "success", "q", "seed", "sort", "order", "offset", "limit",
    *(f"{name}_{end}" for name in ("step", "length", "return") for end in ("min", "max")),
]  # fmt: skip
NUMBERS = ["", "0", "-1", "1.5", "7", "1e400", "-inf", "nan", "9" * 400, "0x1", "٣", "1_0", " 2 "]
VALUES = st.one_of(st.text(max_size=8), st.sampled_from([*NUMBERS, *SORTS, "true", "asc"]))


def entry(number, run, kind, text, *, seed, checkpoint, success, steps, total, time):
    summary = Summary(
        "training", "Kitchen-v0", {}, seed, checkpoint, text, kind, success, steps, total
    )
    return Entry(f"{run}/{number}", run, "nowhere", time, "1", summary)


def made(seed, most=30):
    """Some records, drawn by a seed: quick, where each number drawn by hypothesis is slow."""
    draw = random.Random(seed)
    return [
        entry(
            number,
            draw.choice(["a", "b", "c"]),
            draw.choice(["", "pour", "fetch", "sweep"]),
            draw.choice(["", "Pour the tea", "fetch the CUP", "STRASSE", "straße"]),
            seed=draw.choice([None, 0, 1, 2]),
            checkpoint=draw.choice([None, draw.randrange(5000)]),
            success=draw.choice([True, False, None]),
            steps=draw.randrange(5),
            total=draw.choice([None, 0.0, 1.0, draw.uniform(-2, 2)]),
            time=draw.randrange(5) / 2,
        )
        for number in range(draw.randint(0, most))
    ]


ENTRIES = st.integers(0, 10**6).map(made)


@PROPERTY
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6))
@example([("limit", "1e15")])
@example([("offset", "1" * 5000)])
def test_any_arguments_are_a_query_or_refused(arguments):
    refused = ""
    try:
        query = Query.of(MultiDict(arguments))
    except BadQueryError as error:
        query, refused = Query(), str(error)
    assert not refused or any(refused.startswith(f"{name}=") for name in NAMES)
    assert len(refused) < 200
    assert query.sort in SORTS
    assert query.offset >= 0
    assert 1 <= query.limit <= MOST
    assert query.seed is None or query.seed >= 0
    assert not any(math.isnan(end) for _, *ends in query.between for end in ends)
    query.page([])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"success": "yes"}, "success='yes': must be one of true, false, unknown"),
        ({"sort": "colour"}, "sort='colour': must be one of step, return"),
        ({"order": "up"}, "order='up'"),
        ({"seed": "-1"}, "seed=-1: must be a whole number from 0"),
        ({"seed": "1.5"}, "seed=1.5"),
        ({"limit": "0"}, "limit=0: must be a whole number from 1 to 200"),
        ({"limit": "201"}, "limit=201"),
        ({"offset": "nan"}, "offset='nan': must be a number"),
        ({"step_min": "inf"}, "step_min='inf'"),
        ({"return_max": "much"}, "return_max='much'"),
    ],
)
def test_what_is_refused(arguments, words):
    with pytest.raises(BadQueryError, match=words):
        Query.of(MultiDict(arguments))


def test_empty_arguments_are_none():
    names = [name for name in NAMES if name not in ("run", "source", "env", "kind", "success")]
    assert Query.of(MultiDict(dict.fromkeys(names, ""))) == Query()


def plainly(entries, asked):
    """The same search, written as simply as can be."""
    found = []
    for one in entries:
        about = one.summary
        numbers = {
            "step": about.checkpoint or 0, "length": about.steps, "return": about.total_reward or 0
        }  # fmt: skip
        names = {True: "true", False: "false", None: "unknown"}
        wanted = [
            not asked["run"] or one.run in asked["run"],
            not asked["kind"] or about.instruction_kind in asked["kind"],
            not asked["success"] or names[about.success] in asked["success"],
            asked["q"].casefold() in about.instruction.casefold(),
            asked["seed"] is None or about.seed == asked["seed"],
        ]
        for name, value in numbers.items():
            low, high = asked[f"{name}_min"], asked[f"{name}_max"]
            wanted += [low is None or value >= low, high is None or value <= high]
        if all(wanted):
            found.append(one)
    return found


KEYS = {
    "step": lambda one: one.summary.checkpoint or 0,
    "return": lambda one: one.summary.total_reward or 0,
    "length": lambda one: one.summary.steps,
    "time": lambda one: one.time,
    "success": lambda one: [False, None, True].index(one.summary.success),
    "instruction": lambda one: one.summary.instruction,
    "run": lambda one: one.run,
}


@PROPERTY
@given(
    ENTRIES,
    st.fixed_dictionaries(
        {
            "run": st.lists(st.sampled_from(["a", "b", "d"]), max_size=2),
            "kind": st.lists(st.sampled_from(["", "pour", "fetch"]), max_size=2),
            "success": st.lists(st.sampled_from(["true", "false", "unknown"]), max_size=2),
            "q": st.sampled_from(["", "", "the", "THE c", "strasse", "x"]),
            "seed": st.none() | st.integers(0, 2),
            "step_min": st.none() | st.integers(0, 3000),
            "step_max": st.none() | st.integers(0, 6000),
            "length_min": st.none() | st.integers(0, 4),
            "length_max": st.none() | st.integers(0, 4),
            "return_min": st.none() | st.floats(-2, 2),
            "return_max": st.none() | st.floats(-2, 2),
        }
    ),
    st.sampled_from(sorted(KEYS)),
    st.sampled_from(["asc", "desc"]),
    st.integers(1, 7),
)
def test_pages_are_what_a_plain_search_finds(entries, asked, sort, order, limit):
    arguments = MultiDict([(name, str(one)) for name, one in asked.items() if one is not None])
    for name in ("run", "kind", "success"):
        arguments.setlist(name, asked[name])
    pages = []
    for offset in range(0, len(entries) + 1, limit):
        turned = {"sort": sort, "order": order, "offset": str(offset), "limit": str(limit)}
        page, total = Query.of(MultiDict([*arguments.items(multi=True), *turned.items()])).page(
            entries
        )
        assert len(page) <= limit
        pages += page
    wanted = plainly(entries, asked)
    assert total == len(wanted)
    assert sorted(one.id for one in pages) == sorted(one.id for one in wanted)  # each once
    keys = [KEYS[sort](one) for one in pages]
    assert keys == sorted(keys, reverse=order == "desc")


@PROPERTY
@given(ENTRIES)
def test_facets_count_every_record(entries):
    counts = facets(entries)
    for name in ("runs", "sources", "envs", "kinds"):
        assert sum(counts[name].values()) == len(entries)
    for run, count in counts["runs"].items():
        assert Query(runs=frozenset([run])).page(entries)[1] == count


@PROPERTY
@given(ENTRIES)
def test_the_heat_map_counts_every_record_once(entries):
    found = heatmap(entries)
    bins, rows = found["bins"], found["rows"]
    assert sum(sum(row["episodes"]) for row in rows) == len(entries)
    assert len(bins) <= 25
    assert [low for low, _ in bins[1:]] == [high + 1 for _, high in bins[:-1]]
    counts = [sum(row["episodes"]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    for row in rows:
        for (low, high), *numbers in zip(
            bins, row["episodes"], row["known"], row["success"], strict=True
        ):
            query = Query(
                kinds=frozenset([row["kind"]]), between=(("step", low, high),), limit=MOST
            )
            page, total = query.page(entries)
            outcomes = [one.summary.success for one in page]
            assert numbers == [total, total - outcomes.count(None), outcomes.count(True)]


def test_the_heat_map_of_a_long_training_has_few_columns():
    some = [
        entry(k, "a", "pour", "", seed=0, checkpoint=1000 * k, success=True, steps=1, total=0,
              time=0)
        for k in range(1000)
    ]  # fmt: skip
    found = heatmap(some)
    assert len(found["bins"]) == 24
    assert found["bins"][0][0] == 0
    assert found["bins"][-1][1] == 999_000
    assert sum(found["rows"][0]["success"]) == 1000


def test_the_heat_map_of_very_many_kinds_has_the_most_frequent():
    some = [
        entry(f"{k}-{j}", "a", f"kind {k}", "", seed=0, checkpoint=j, success=False, steps=1,
              total=0, time=0)
        for k in range(50)
        for j in range(1 + (k == 49))
    ]  # fmt: skip
    rows = heatmap(some)["rows"]
    assert len(rows) == 40
    assert rows[0]["kind"] == "kind 49"

"""Mutated files of the quick kinds: each is accepted, or refused in one line that names it.

All kinds, with limits of time and memory, in great numbers: ``benchmarks/fuzz_readers.py``.
"""

import os
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("resource", reason="limits of a process are POSIX's")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import fuzz_readers
from fuzz_examples import EXAMPLES
from fuzz_kinds import KINDS, Kind
from fuzz_mutations import FORMS, Mutation, mutate

from mmrl.errors import UserError

QUICK = [one for one in KINDS if one.example in ("texts", "media", "index", "recipes")]
SLOWER = ("event file", "graph.faiss", "recipe of mmrl train", "recipe of mmrl fit")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A folder with a valid example of each quick kind."""
    folder = tmp_path_factory.mktemp("examples")
    for name in dict.fromkeys(one.example for one in QUICK):
        EXAMPLES[name](folder)
    return folder


@pytest.mark.parametrize("kind", QUICK, ids=lambda one: one.name)
def test_a_mutated_file_is_refused_in_one_line(example, kind):
    file = example / kind.file
    content = file.read_bytes()
    kind.read(example)

    @settings(
        max_examples=2 if kind.name in SLOWER else 12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def check(rng):
        change = mutate(kind.form, content, rng)
        file.write_bytes(change.content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fuzz_readers.outcome(kind, example, change)
        assert found["outcome"] in ("accepted", "refused"), (change.label, change.what, found)
        assert not found.get("wrong_type"), (change.label, change.what)

    try:
        check()
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("form", FORMS)
def test_a_mutation_is_the_same_for_the_same_seed(form, example):
    of_form = next((one for one in QUICK if one.form == form), None)
    if of_form is None:
        pytest.skip("no quick example")
    content = (example / of_form.file).read_bytes()
    made = [[mutate(form, content, random.Random(k)).content for k in range(8)] for _ in "ab"]
    assert made[0] == made[1]
    assert any(one != content for one in made[0])


def reads(read, **more):
    """A kind of file with a reader that does something wrong."""
    return Kind("a.json", "none", "a.json", "json", read, **more)


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda folder: 1, "accepted"),
        (lambda folder: _raise(UserError("a.json: x is 1, and must be 2")), "refused"),
        (lambda folder: _raise(UserError("it is wrong")), "unclear"),
        (lambda folder: _raise(UserError("a.json:\nit is wrong")), "unclear"),
        (lambda folder: _raise(KeyError("x")), "uncaught"),
        (lambda folder: _in_a_child(folder) and os.abort(), "crash"),
        (lambda folder: _in_a_child(folder) and np.ones(2**33, np.uint8), "memory"),
        (lambda folder: _in_a_child(folder) and _forever(), "timeout"),
    ],
)
def test_what_a_reader_does_is_counted(tmp_path, monkeypatch, read, outcome):
    monkeypatch.setattr(fuzz_readers, "SECONDS", 0.1)
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "a.json").write_text("{}")
    monkeypatch.setenv("FUZZ_PARENT", str(os.getpid()))
    monkeypatch.setattr(fuzz_readers, "warm_up", lambda *_: None)
    found = list(fuzz_readers.outcomes(reads(read), tmp_path / "example", tmp_path / "work", 2, 0))
    assert [one["outcome"] for one in found] == [outcome] * 2


def test_a_wrong_type_that_is_accepted_is_counted(tmp_path):
    wrong = Mutation(b"", "type", "length := 'x'")
    assert fuzz_readers.outcome(reads(lambda folder: 1), tmp_path, wrong)["wrong_type"]
    free = reads(lambda folder: 1, free="length")
    assert not fuzz_readers.outcome(free, tmp_path, wrong)["wrong_type"]


def _raise(error):
    raise error


def _in_a_child(folder):
    assert os.environ["FUZZ_PARENT"] != str(os.getpid())
    return True


def _forever():
    while True:
        pass

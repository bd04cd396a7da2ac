"""Languages: what the neutral one answers, how an environment's is found, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from worlds import shapes

from mmrl.data import RandomSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.language import (
    NEUTRAL,
    InstructionLanguage,
    NeutralLanguage,
    find_language,
    is_among,
    language_path,
    load_language,
    shared_language,
)

SENTENCE = "open the top drawer"
PATH = "worlds.shapes:ShapeLanguage"


def test_neutral() -> None:
    generator = np.random.default_rng(0)
    assert NEUTRAL.kind(SENTENCE) == NEUTRAL.canonical(SENTENCE) == SENTENCE
    assert NEUTRAL.prompt(SENTENCE, generator, places=1.0) == SENTENCE
    assert NEUTRAL.goal_prompt(SENTENCE) == SENTENCE
    assert NEUTRAL.satisfied(SENTENCE, SENTENCE) == (True,)
    assert NEUTRAL.satisfied(SENTENCE, "a drawer") == (False,)
    assert NEUTRAL.satisfied("", SENTENCE) == NEUTRAL.constraints("") == ()
    assert NEUTRAL.possible_constraints(["b", "a", "", "b"]) == ["a", "b"]
    assert NEUTRAL.phrases(SENTENCE) == NEUTRAL.layout(SENTENCE) == (SENTENCE,)
    assert NEUTRAL.generalized(SENTENCE) == NEUTRAL.query(SENTENCE, [SENTENCE]) == SENTENCE
    assert not NEUTRAL.is_held_out(SENTENCE)
    assert NEUTRAL.held_out_pairs == ()
    assert is_among(NEUTRAL, SENTENCE, ["a", SENTENCE])
    assert not is_among(NEUTRAL, "open a top drawer", [SENTENCE])


def test_found_by_environment_metadata_and_id() -> None:
    env = gym.make("shapes/Touch-v0")
    batch = gym.make_vec("shapes/Touch-v0", 2)
    found = [find_language(one) for one in (env, batch, env.metadata, "shapes/Touch-v0")]
    assert all(one is found[0] for one in found)
    language: InstructionLanguage = found[0]
    assert isinstance(language, InstructionLanguage)
    assert is_among(language, "tap the small teal star", ["touch the small teal star"])
    env.close()
    batch.close()
    assert find_language("shapes/Plain-v0") is find_language({}) is NEUTRAL
    assert find_language("worlds.shapes:shapes/Touch-v0") is language


def test_paths_lead_back() -> None:
    assert load_language(language_path(load_language(PATH))) is load_language(PATH)
    assert language_path(load_language(PATH)) == PATH
    assert language_path(NEUTRAL) == ""


def test_one_of_several() -> None:
    named = load_language(PATH)
    assert shared_language([]) is shared_language([NEUTRAL]) is NEUTRAL
    assert shared_language([NEUTRAL, named, named]) is named

    class Other(NeutralLanguage):
        pass

    with pytest.raises(UserError, match="different languages: .*Other.*ShapeLanguage"):
        shared_language([Other(), named])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (3, "must be module:Class"),
        (["worlds.shapes:ShapeLanguage"], "must be module:Class"),
        ("worlds.shapes.ShapeLanguage", "must be module:Class"),
        ("worlds.nowhere:Language", "cannot be imported: ModuleNotFoundError"),
        ("worlds.shapes:Language", "cannot be imported: AttributeError"),
        ("worlds.shapes:SIZES", "cannot be imported: TypeError"),
        ("builtins:object", "lacks .*canonical.*subclass of mmrl.language.NeutralLanguage"),
    ],
)
def test_what_is_no_language(path: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_language({"language": path})


def test_unknown_environments() -> None:
    with pytest.raises(UserError, match="shapes/Touch-v0"):
        find_language("shapes/Tuch-v0")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    env = "worlds.shapes:shapes/Touch-v0"
    collect(Request(env, 2, "random", num_envs=2), RandomSource, find_place(str(tmp_path / "a")))
    return tmp_path / "a"


def test_datasets_find_the_language_of_their_environment(dataset: Path) -> None:
    assert isinstance(open_dataset(str(dataset)).language, shapes.ShapeLanguage)
    file = dataset / "data" / "metadata.json"
    file.write_text(file.read_text().replace("shapes/Touch-v0", "elsewhere/Unknown-v3"))
    assert open_dataset(str(dataset)).language is NEUTRAL


def test_the_code_of_somebody_elses_dataset_is_not_run(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(dataset, tmp_path / "b"))
    (tmp_path / "planted_language.py").write_text("raise SystemExit('it was run')")
    file = other / "data" / "metadata.json"
    file.write_text(file.read_text().replace("worlds.shapes:", "planted_language:"))
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="planted_language:.* whose code is not trusted"):
        assert open_dataset(str(other)).language is NEUTRAL

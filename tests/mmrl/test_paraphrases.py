"""Files of paraphrases: how a sentence is changed, which one is chosen, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmrl.errors import UserError
from mmrl.language import NEUTRAL, NeutralLanguage
from mmrl.paraphrases import ParaphraseSet, find_paraphrases
from mmrl.schema import FileError

FILE = """
slots:
  place: [top shelf, shelf]
  thing: ["{color} cup", "cup"]
  color: [amber, teal]
spelling: {"a amber": an amber, "a urn": an urn}
types:
  politeness:
    sentences:
      "{what}": ["please {what}", "would you {what}?"]
      take the cup: [kindly take the cup]
  verb:
    phrases:
      take: [grab, fetch]
      take the {thing}: ["get hold of the {thing}"]
  noun:
    phrases:
      cup: [urn, mug]
  same:
    sentences: {"{what}": ["{what}"]}
"""


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str = FILE) -> ParaphraseSet:
        (tmp_path / "own.yaml").write_text(text)
        return ParaphraseSet.read(tmp_path / "own.yaml")

    return read


def every(found: ParaphraseSet, sentence: str, kind: str) -> set[str | None]:
    return {found.paraphrase(sentence, kind, seed) for seed in range(60)}


def test_sentences_of_all_patterns_that_fit(read) -> None:
    found = read()
    assert found.types == ("politeness", "verb", "noun", "same")
    polite = {"please take the cup", "would you take the cup?", "kindly take the cup"}
    assert every(found, "take the cup", "politeness") == polite
    assert found.templates("politeness") == (
        "please {what}", "would you {what}?", "kindly take the cup",
    )  # fmt: skip


def test_phrases_are_the_longest_and_whole_words(read) -> None:
    found = read()
    longest = {"get hold of the amber cup"}
    assert every(found, "take the amber cup", "verb") == longest
    both = {f"{one} a lid, then {two} it" for one in ("grab", "fetch") for two in ("grab", "fetch")}
    assert every(found, "take a lid, then take it", "verb") == both
    assert found.paraphrase("mistake the lid", "verb") is None
    assert every(found, "take a cup", "noun") == {"take an urn", "take a mug"}


def test_the_same_seed_gives_the_same(read) -> None:
    found = read()
    chosen = [found.paraphrase("take the cup", "politeness", seed) for seed in range(8)]
    assert chosen == [read().paraphrase("take the cup", "politeness", seed) for seed in range(8)]
    assert len(set(chosen)) > 1
    assert found.paraphrase("take the cup", "same") is None  # it is the sentence itself


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("types: {}", "types"),
        ("kinds: {}", "kinds"),
        ("types: {a: {sentences: {x: []}}}", "sentences"),
        ("types: {a: {sentences: {x: y}}}", "sentences"),
        ("types: {a: {sentences: {'go {x}': ['{y}']}}}", "slot {y}, which its pattern"),
        ("types: {a: {phrases: {'go {x': ['x']}}}", "braces hold the name of a slot"),
        ("types: {a: {phrases: {'{x y}': ['x']}}}", "braces hold the name of a slot"),
        ("types: {a: {phrases: {'{x} {x}': ['x']}}}", "each slot once"),
        ("types: {a: {phrases: {'{x}': ['x']}}}\nslots: {x: ['{y}'], y: ['{x}']}", "itself"),
        (
            "types: {a: {phrases: {'{s9}': ['x']}}}\nslots:\n  s0: [aaaaaaaa]\n"
            + "\n".join(f"  s{k}: ['{{s{k - 1}}}{{s{k - 1}}}{{s{k - 1}}}']" for k in range(1, 10)),
            "too many alternatives",
        ),
        ("types: [", "no YAML"),
    ],
)
def test_what_is_refused(read, text: str, message: str) -> None:
    with pytest.raises(FileError, match=r"own\.yaml") as refused:
        read(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_many_long_patterns_are_refused_together(read) -> None:
    slots = {"long": ["x" * 999] * 15}
    few, many = (
        yaml.safe_dump({"slots": slots, "types": {"a": {"phrases": {
            f"{number} {{long}}": ["y"] for number in range(count)
        }}}})
        for count in (2, 20)
    )  # fmt: skip
    read(few)
    with pytest.raises(FileError, match="its slots have too many alternatives"):
        read(many)


def test_what_a_user_names(read, tmp_path: Path) -> None:
    read()
    file = str(tmp_path / "own.yaml")

    class Own(NeutralLanguage):
        paraphrase_files = (tmp_path / "own.yaml",)

    assert find_paraphrases([], Own()).types == ("politeness", "verb", "noun", "same")
    assert find_paraphrases(["noun", "verb"], Own()).types == ("noun", "verb")
    found = find_paraphrases([file, "noun"], NEUTRAL)
    assert found.types == ("noun",)
    assert found.paraphrase("a cup", "noun") in ("an urn", "a mug")
    assert found.paraphrase("a lid", "noun") is None
    with pytest.raises(UserError, match="language has none; give a file"):
        find_paraphrases([], NEUTRAL)
    with pytest.raises(UserError, match="unknown type of paraphrases 'verbs': did you mean 'verb'"):
        find_paraphrases(["verbs"], Own())
    with pytest.raises(UserError, match="no such file"):
        find_paraphrases(["none.yaml"], Own())

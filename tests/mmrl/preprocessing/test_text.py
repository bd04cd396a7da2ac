"""Sentences become ids of fixed length, and come back."""

import json
import pickle
import re
import unicodedata
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.preprocessing import text
from mmrl.preprocessing.text import (
    FILE,
    PADDING,
    START,
    UNKNOWN,
    HashingTokenizer,
    PretrainedTokenizer,
    WordTokenizer,
    load_tokenizer,
    split_words,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=30)
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


def test_words_and_punctuation():
    assert split_words("Go to the RED bell, then don't stop.") == (
        ["go", "to", "the", "red", "bell", ",", "then", "don't", "stop", "."]
    )
    assert split_words("") == []
    assert split_words("gehe zur größten Tür") == ["gehe", "zur", "größten", "tür"]


def test_chinese_characters_are_words():
    words = split_words("先去往Red球，然后don't举起2个钥匙。")
    assert " ".join(words) == "先 去 往 red 球 ， 然 后 don't 举 起 2 个 钥 匙 。"


HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)
NOT_HAN = st.text(st.characters(max_codepoint=0x2FFF) | st.sampled_from("'，。äß"), max_size=20)


@PROPERTY
@given(NOT_HAN)
def test_other_text_is_split_as_ever(sentence):
    sentence = "".join(one for one in sentence if not unicodedata.category(one).startswith("M"))
    sentence = unicodedata.normalize("NFC", sentence.lower())
    expected = re.findall(r"[\w']+|[^\w\s]", sentence.lower())
    assert split_words(sentence) == expected


@PROPERTY
@given(st.lists(st.tuples(NOT_HAN, HAN), max_size=6))
def test_a_chinese_character_parts_what_is_around_it(pieces):
    expected = [word for text, char in pieces for word in (*split_words(text), char)]
    assert split_words("".join(text + char for text, char in pieces)) == expected


@PROPERTY
@given(st.lists(words, min_size=1, max_size=12), st.integers(13, 20))
def test_round_trip(sentence, length):
    tokenizer = WordTokenizer(sentence, length)
    ids = tokenizer.encode(" ".join(sentence))
    assert ids.dtype == np.int32
    assert ids.shape == (length,)
    assert tokenizer.decode(ids) == " ".join(sentence)
    assert (ids[len(sentence) + 1 :] == PADDING).all()
    assert (ids[: len(sentence) + 1] > UNKNOWN).all()
    assert ids.max() < tokenizer.size


@PROPERTY
@pytest.mark.filterwarnings("ignore:an instruction of")
@given(st.text(max_size=60).filter(str.strip), st.lists(words, max_size=5), st.integers(1, 12))
def test_any_sentence_fits(sentence, vocabulary, length):
    tokenizer = WordTokenizer(vocabulary, length)
    ids = tokenizer.encode(sentence)
    count = min(1 + len(split_words(sentence)), length)
    assert ids.shape == (length,)
    assert (ids[:count] != PADDING).all()
    assert (ids[count:] == PADDING).all()
    assert ids.max() < tokenizer.size


def test_unknown_words():
    tokenizer = WordTokenizer(["go", "to"], 6)
    ids = tokenizer.encode("go to Rome")
    assert ids[3] == UNKNOWN
    assert (ids == UNKNOWN).sum() == 1
    assert tokenizer.decode(ids) == "go to [UNK]"


def test_case_does_not_matter():
    tokenizer = WordTokenizer(["Go", "TO"], 4)
    assert UNKNOWN not in tokenizer.encode("go to")
    assert np.array_equal(tokenizer.encode("Go To"), tokenizer.encode("go to"))


def test_long_sentences_are_cut():
    tokenizer = WordTokenizer(["a", "b"], 4)
    with pytest.warns(UserWarning, match=r"7 tokens is cut at 4.*model.instruction_length"):
        assert tokenizer.decode(tokenizer.encode("a b a b a b")) == "a b a"
    tokenizer.encode("b b b b")  # warned of once, then counted
    tokenizer.encode("b b b b")
    tokenizer.encode("a b")
    assert (tokenizer.counts.truncated, tokenizer.counts.sentences) == (2, 3)


@pytest.mark.parametrize("sentence", ["", "  "])
def test_an_empty_instruction_is_marks_alone(sentence, minilm, offline):
    """Of which there is at least one, so that no row is without a token."""
    words, hashing = WordTokenizer(["a"], 4), HashingTokenizer(length=4)
    assert words.encode(sentence).tolist() == hashing.encode(sentence).tolist() == [START, 0, 0, 0]
    pretrained = PretrainedTokenizer(minilm, 8)
    assert (pretrained.encode(sentence) > 0).tolist() == [True] * 2 + [False] * 6
    assert pretrained.decode(pretrained.encode(sentence)) == ""


def test_vocabulary_from_a_corpus():
    corpus = ["go to the drum", "go to the Bowl", "open the drum"]
    assert WordTokenizer.from_corpus(corpus).words == ("bowl", "drum", "go", "open", "the", "to")
    assert WordTokenizer.from_corpus(corpus, min_count=2).words == ("drum", "go", "the", "to")


def test_unknown_words_are_counted():
    tokenizer = WordTokenizer(["go", "to"], 6)
    tokenizer.encode("go to Rome")
    tokenizer.encode("to Rome, Rome")
    assert tokenizer.counts.unknown == {"rome": 3, ",": 1}


def test_spaces_of_different_tokenizers_differ(minilm, offline):
    one, same = WordTokenizer(["go", "to"], 6).space, WordTokenizer(["to", "go"], 6).space
    assert one == same
    assert one.words == ("[PAD]", "[UNK]", "[CLS]", "go", "to")
    assert one != WordTokenizer(["go", "of"], 6).space
    pieces = PretrainedTokenizer(minilm, 8)
    assert pieces.space == PretrainedTokenizer(minilm, 8).space
    assert pieces.space != PretrainedTokenizer(minilm, 9).space
    assert pieces.decode(pieces.encode("go to Rome")) == "go to rome"


def test_order_of_the_words_given_does_not_matter():
    one, two = WordTokenizer(["b", "a", "b"], 4), WordTokenizer(["a", "b"], 4)
    assert one.size == two.size == 5
    assert np.array_equal(one.encode("a b"), two.encode("a b"))


def test_encoded_sentences_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        WordTokenizer(["a"], 4).encode("a")[0] = 9


@pytest.mark.parametrize("kind", ["words", "pretrained"])
@pytest.mark.parametrize("copied", [deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_share_nothing(kind, copied, minilm, offline):
    tokenizer = (
        WordTokenizer(["go", "to"], 6) if kind == "words" else PretrainedTokenizer(minilm, 6)
    )
    ids = tokenizer.encode("go to")
    again = copied(tokenizer)
    assert again.counts == tokenizer.counts
    assert np.array_equal(again.encode("go to"), ids)
    assert again.encode("go to") is not ids  # from a cache of its own
    again.encode("to go")
    assert again.counts.sentences == tokenizer.counts.sentences + 2
    assert tokenizer.encode("go to") is ids
    assert tokenizer.counts.sentences == 1
    assert again.space == tokenizer.space


def test_the_oldest_sentence_leaves_a_full_cache(monkeypatch):
    monkeypatch.setattr(text, "_CACHED", 2)
    tokenizer = WordTokenizer(["a", "b", "c"], 4)
    first = tokenizer.encode("a")
    tokenizer.encode("b")
    assert tokenizer.encode("a") is first
    tokenizer.encode("c")
    assert tokenizer.encode("a") is not first


def test_words_save_and_load(tmp_path):
    tokenizer = WordTokenizer(["go", "to", "größe", ","], 7)
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.size, again.length) == (tokenizer.size, 7)
    assert np.array_equal(again.encode("go to größe, x"), tokenizer.encode("go to größe, x"))


def test_pretrained_save_and_load(tmp_path, minilm, offline):
    tokenizer = PretrainedTokenizer(minilm, 9)
    ids = tokenizer.encode("go to the red bell")
    assert ids.shape == (9,)
    assert ids.dtype == np.int32
    assert (ids != PADDING).sum() == 7  # with BERT's marks at both ends
    with pytest.warns(UserWarning, match="52 tokens is cut at 9"):
        assert (tokenizer.encode("a " * 50) != PADDING).all()
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.size, again.length) == (tokenizer.size, 9)
    assert np.array_equal(again.encode("go to the red bell"), ids)


def test_missing_pretrained_tokenizer(offline):
    with pytest.raises(UserError, match=r"'nobody/nothing'.*small_bert"):
        PretrainedTokenizer("nobody/nothing")


def test_padding_other_than_that_of_the_model_is_refused(tmp_path, minilm, offline):
    from transformers import AutoTokenizer, BertConfig

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    tokenizer.pad_token = tokenizer.cls_token
    tokenizer.save_pretrained(tmp_path)
    alone = PretrainedTokenizer(str(tmp_path), 8)  # for whom all ids are larger by one
    own = PretrainedTokenizer(minilm, 8)
    assert alone.encode("go")[:3].tolist() == [1 + i for i in own.encode("go")[:3].tolist()]
    assert alone.decode(alone.encode("go left")) == own.decode(own.encode("go left")) == "go left"
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="pads with 101, and its model with 0"):
        PretrainedTokenizer(str(tmp_path), 8)


def test_a_tokenizer_without_words_is_refused(tmp_path, offline):
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has no tokenizer, or one without words: put its"):
        PretrainedTokenizer(str(tmp_path), 8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b"\xff\xfe\x00",
        json.dumps({"kind": "words", "length": 4}).encode(),
        json.dumps({"kind": "words", "length": 4, "words": 3}).encode(),
        json.dumps({"kind": "other", "length": 4}).encode(),
    ],
)
def test_corrupt_files(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=f"{FILE}: .*(is damaged|lacks|must be|not UTF-8)"):
        load_tokenizer(tmp_path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=f"{FILE}: there is no such file"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("sentence", ["लाल गेंद", "öffne die tür", "बायाँ दरवाज़ा", "أفتح الباب"])
def test_combining_marks_are_parts_of_words(sentence):
    sentence = unicodedata.normalize("NFC", sentence)
    assert split_words(sentence) == sentence.split()
    assert split_words(unicodedata.normalize("NFD", sentence)) == sentence.split()

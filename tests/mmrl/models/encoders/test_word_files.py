"""Word vectors from files, as GloVe and word2vec write them."""

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.encoders.words import read_word_vectors
from mmrl.preprocessing.text import WordTokenizer

GLOVE = "the 0.1 0.2 0.3\nbell 1 0 0\nred 0 1 -1\nParis 5 5 5\n"


@pytest.mark.parametrize("header", ["", "4 3\n"])
def test_glove_and_word2vec(tmp_path, header):
    file = tmp_path / "vectors.txt"
    file.write_text(header + GLOVE)
    found = read_word_vectors(file, ["bell", "red", "drum"])
    assert {word: vector.tolist() for word, vector in found.items()} == {
        "bell": [1, 0, 0],
        "red": [0, 1, -1],
    }


@pytest.mark.parametrize("name", ["word_vectors", "word_gru", "word_cnn"])
def test_encoders_begin_with_them(tmp_path, name):
    file = tmp_path / "vectors.txt"
    file.write_text(GLOVE)
    tokenizer = WordTokenizer(["bell", "red", "drum"])
    encoder = build_text_encoder(name, tokenizer.space.words, 8, vectors=str(file))
    weights = encoder.vectors.weight.detach().numpy()
    ids = tokenizer.encode("red bell drum")[1:4]
    assert np.allclose(weights[ids[0]], [0, 1, -1])
    assert np.allclose(weights[ids[1]], [1, 0, 0])
    assert weights[ids[2]].any()  # begins at random
    assert not weights[0].any()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("bell 1 0 0\nred 0 1\n", "line 2: 2 numbers where the first word has 3"),
        ("bell a b c\n", "cannot be read"),
        ("Paris 1 2 3\n", "none of the 2 words"),
        (None, "there is no such file"),
    ],
)
def test_what_is_no_such_file(tmp_path, content, words):
    file = tmp_path / "vectors.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=words):
        read_word_vectors(file, ["bell", "red"])


def test_a_file_needs_words(tmp_path):
    with pytest.raises(UserError, match="needs the words"):
        build_text_encoder("word_vectors", 9, 8, vectors=str(tmp_path / "vectors.txt"))


@pytest.mark.parametrize(
    "content",
    [
        "bell 1 2\nred 3 4\n. . . 5 6\n",
        "bell 1 2\nred 3 4\n\n",
        "bell\t1\t2\nred\t3\t4\n",
        "\ufeffbell 1 2\nred 3 4\n",
        "2 2\nbell 1 2\nred 3 4\n",
    ],
    ids=["spaces in a word", "blank end", "tabs", "byte order mark", "word2vec"],
)
def test_files_that_others_write(tmp_path, content):
    file = tmp_path / "vectors.txt"
    file.write_text(content, encoding="utf-8")
    found = read_word_vectors(file, ["bell", "red", ". . ."])
    assert {word: vector.tolist() for word, vector in found.items() if word != ". . ."} == {
        "bell": [1, 2],
        "red": [3, 4],
    }


def test_numbers_that_are_not_finite(tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text("bell 1 2\nred inf 4\n")
    with pytest.raises(
        UserError, match=r"line 2: numbers below 1e\+30 are needed, not \['inf', '4'\]"
    ):
        read_word_vectors(file, ["bell", "red"])

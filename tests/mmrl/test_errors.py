"""Errors of users are read by people, whatever the users gave."""

from mmrl.errors import UserError, unknown


def test_long_words_are_shortened():
    error = UserError(f"device {'x' * 5_000!r}: give cpu")
    assert str(error).startswith("device 'xxx")
    assert str(error).endswith("xxx': give cpu")
    assert len(str(error)) < 200
    assert "…" in str(error)


def test_paths_and_sentences_stay_whole():
    for text in ("/".join(["folder"] * 200), " ".join(["word"] * 200), "x" * 255, ""):
        assert str(UserError(text)) == text


def test_nearest_names():
    error = unknown("fusion", "flim", ["film", "concat"])
    assert str(error) == "unknown fusion 'flim': did you mean 'film'?"
    assert len(str(unknown("fusion", "x" * 5_000, ["film"]))) < 200

"""From a dataset to a contact sheet by the commands alone, and what they refuse."""

import json
from contextlib import redirect_stdout
from io import StringIO

import pytest
from PIL import Image

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.retrieval.index import ImageIndex

TINY = [
    "--steps", "5", "--batch_size", "16", "--image_args.width", "8", "--text_args.width", "8",
    "--width", "16", "--hidden", "16", "--scenes", "50", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(described, tmp_path_factory):
    """The run folder of a tiny model."""
    out = tmp_path_factory.mktemp("runs") / "retrieval"
    assert main(["fit", "retrieval", "--data", described, "--out", str(out), *TINY]) == 0
    return out


@pytest.fixture(scope="module")
def index(fitted, described, tmp_path_factory):
    """An index of the images that it learnt from, which no test changes."""
    target = tmp_path_factory.mktemp("found") / "index"
    with redirect_stdout(StringIO()) as out:
        assert main(["index", described, "--model", str(fitted), "--out", str(target)]) == 0
    assert "images of" in out.getvalue()
    return target


def test_a_fitted_model_says_how_good_it_is(fitted):
    result = json.loads((fitted / "result.json").read_text())
    assert result["task"] == "retrieval"
    assert 0 <= result["find_image_r_at_1"] <= result["find_image_r_at_5"] <= 1
    assert result["find_sentence_mean_rank"] >= 1


def test_a_sheet_of_what_was_found(index, call, tmp_path):
    sheet = tmp_path / "found.png"
    status, out, _ = call("search", index, "a small violet arch", "--top", "5", "--out", sheet)
    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 6
    assert [line.split()[0] for line in lines[:5]] == list("12345")
    cosines = [float(line.split()[1]) for line in lines[:5]]
    assert cosines == sorted(cosines, reverse=True)
    assert "episode" in lines[0]
    assert " left of " in lines[0]
    assert str(sheet) in lines[5]
    with Image.open(sheet) as image:
        assert image.width > 4 * 96


def test_what_is_found_is_nearest(index, fitted, call, tmp_path, described):
    """The images themselves, searched by the embedding of the sentence, one by one."""
    from mmrl.training.load import load

    module, query = load(fitted, "retrieval", "cpu"), "a small violet arch"
    found = ImageIndex.load(index).search(module.of_sentences([query])[0], 3)
    rollouts = open_dataset(described)
    for one in found:
        images = rollouts[one.entry["episode"]].images
        image = module.of_images(images[one.entry["step"]][None])[0]
        assert one.cosine == pytest.approx(float(image @ module.of_sentences([query])[0]), abs=1e-4)


def test_a_folder_of_images(fitted, described, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    folder.mkdir()
    images = open_dataset(described)[0].images
    for k, image in enumerate(images[:4]):
        Image.fromarray(image).save(folder / f"{k}.png")
    Image.fromarray(images[-1].repeat(3, 0).repeat(3, 1)).save(folder / "large.png")
    (folder / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match="large.png has 216 × 288 pixels"):
        status, out, _ = call("index", folder, "--model", fitted)
    assert status == 0
    assert "1 skipped: no images" in out
    assert "1 resized" in out
    assert "5 images" in out
    (folder / "2.png").unlink()
    status, out, _ = call("search", "album.index", "a small teal star")
    assert status == 0
    assert {line.split()[-1] for line in out.splitlines()[:5]} >= {"large.png", "0.png", "2.png"}
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("a small purpel unicorn", "'purpel', 'unicorn'"),
        (" ", "the query is empty"),
    ],
)
def test_words_that_it_does_not_know(index, call, query, hint):
    status, out, err = call("search", index, query)
    assert (status, out) == (2, "")
    assert hint in err


def test_another_model_is_refused(index, described, call, tmp_path):
    other = tmp_path / "other"
    assert (
        call("fit", "retrieval", "--data", described, "--out", other, "--seed", "1", *TINY)[0] == 0
    )
    status, _, err = call("search", index, "a small violet arch", "--model", other)
    assert status == 2
    assert "other weights" in err
    assert "mmrl index" in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["index", "{empty}", "--model", "{fitted}"], "there are no images"),
        (["index", "{empty}/nowhere", "--model", "{fitted}"], "nowhere"),
        (["index", "{empty}", "--model", "{empty}"], "is no run folder"),
        (["index", "{empty}", "--model", "{agent}"], "'mmrl fit retrieval' makes"),
        (["index", "{described}", "--model", "{fitted}", "--out", "{empty}"], "is no index"),
        (["search", "{empty}", "an arch"], "'mmrl index' makes one"),
        (["search", "{empty}", "an arch", "--top", "0"], "--top 0"),
        (["search", "{empty}", "an arch", "--out", "{empty}/no/sheet.png"], "does not exist"),
        (["search", "{empty}", "an arch", "--out", "{empty}"], "is a folder"),
        (["fit", "retrieval", "--out", "{empty}/run"], "data is empty"),
    ],
)
def test_what_is_refused(call, fitted, described, tmp_path, arguments, hint):
    empty, agent = tmp_path / "empty", tmp_path / "agent"
    empty.mkdir()
    agent.mkdir()
    (agent / "config.yaml").write_text("env: shapes/Touch-v0\n")
    places = {"empty": empty, "fitted": fitted, "agent": agent, "described": described}
    status, _, err = call(*(argument.format(**places) for argument in arguments))
    assert status == 2
    assert hint in err
    assert not list(empty.iterdir())


def test_only_files_that_are_no_images(call, fitted, tmp_path):
    (tmp_path / "a.txt").write_text("no image")
    status, _, err = call("index", tmp_path, "--model", fitted)
    assert status == 2
    assert "1 files are no images" in err

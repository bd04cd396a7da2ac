"""Images are found in folders and datasets, whatever else lies there."""

import numpy as np
import pytest
from PIL import Image

from mmrl.errors import UserError
from mmrl.retrieval.images import (
    ImageFolder,
    Resizer,
    RolloutImages,
    open_images,
    read_image,
)


def image(seed=0, size=(16, 16)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "images"
    (place / "deep" / "er").mkdir(parents=True)
    (place / ".hidden").mkdir()
    for name, seed in (("b.png", 1), ("deep/a.png", 2), ("deep/er/c.bmp", 3)):
        Image.fromarray(image(seed)).save(place / name)
    Image.fromarray(image(4)).save(place / ".hidden" / "d.png")
    frames = [Image.fromarray(np.full((16, 16, 3), shade, np.uint8)) for shade in (10, 200)]
    frames[0].save(place / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(image(5, (4, 16))).save(place / "thin.png")
    (place / "notes.txt").write_text("no image")
    cut = (place / "b.png").read_bytes()
    (place / "cut.png").write_bytes(cut[: len(cut) // 2])
    return place


def test_the_images_of_a_folder(folder):
    images = open_images(str(folder))
    assert isinstance(images, ImageFolder)
    read = list(images)
    assert len(read) == len(images) == 7
    found = {entry["file"]: one for entry, one in filter(None, read)}
    assert list(found) == ["b.png", "deep/a.png", "deep/er/c.bmp", "moving.gif"]
    assert images.skipped == 3
    assert np.array_equal(found["deep/a.png"], image(2))
    assert (found["moving.gif"] == 10).all()
    assert np.array_equal(images.image({"file": "b.png"}), image(1))
    assert images.image({"file": "gone.png"}) is None


def test_no_image_outside_the_folder(folder, tmp_path):
    secret = tmp_path / "secret.png"
    Image.fromarray(image(9)).save(secret)
    (folder / "a.png").symlink_to(secret)
    (folder / "out").symlink_to(tmp_path)
    (folder / "within.png").symlink_to(folder / "b.png")
    (folder / "round.png").symlink_to("round.png")
    images = open_images(str(folder))
    found = [entry["file"] for entry, _ in filter(None, images)]
    assert "within.png" in found
    assert "a.png" not in found
    assert read_image(secret) is not None
    for file in ("a.png", "out/secret.png", "../secret.png", str(secret), "round.png"):
        assert images.image({"file": file}) is None
    assert images.image({"episode": 0, "step": 0, "description": ""}) is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_every_kind_of_image(tmp_path, mode):
    if mode == "I;16":
        Image.fromarray(np.full((9, 9), 700, np.uint16)).save(tmp_path / "a.png")
    else:
        Image.fromarray(image()).convert(mode).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read.shape[2] == 3


def test_a_dataset_gives_each_image_once(rollouts):
    images = RolloutImages(rollouts)
    read = list(images)
    assert len(read) == len(images)
    found = [one for one in read if one is not None]
    assert images.skipped == len(read) - len(found) > 0
    assert len({one.tobytes() for _, one in found}) == len(found)
    for entry, one in found[::5]:
        episode = rollouts[entry["episode"]]
        assert np.array_equal(episode.images[entry["step"]], one)
        assert episode.descriptions[entry["step"]] == entry["description"]
        assert np.array_equal(images.image(entry), one)
    assert images.image({"episode": 999, "step": 0}) is None
    assert images.image({"episode": 0, "step": 999}) is None


def test_datasets_are_opened_by_their_names(rollouts):
    opened = open_images(str(rollouts.place.path))
    assert isinstance(opened, RolloutImages)
    assert len(open_images(opened.name)) == len(opened)


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "no such thing", "what-v0"])
def test_neither_a_folder_nor_a_dataset(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=name):
        open_images(name)


def test_one_warning_for_all_that_are_resized():
    resize, small = Resizer((16, 16)), image(size=(8, 8))
    same = image()
    assert resize(same, "same.png") is same
    with pytest.warns(UserWarning, match=r"small.png has 8 × 8 pixels.*16 × 16"):
        large = resize(small, "small.png")
    other = resize(image(size=(64, 32)), "other.png")  # a warning would be an error
    assert np.array_equal(large, small.repeat(2, 0).repeat(2, 1))
    assert other.shape == (16, 16, 3)
    assert resize.resized == 2


def test_enlarged_images_come_back_as_they_were():
    resize, original = Resizer((16, 16)), image()
    with pytest.warns(UserWarning, match="resized"):
        again = resize(original.repeat(4, 0).repeat(4, 1), "large.png")
    assert np.array_equal(again, original)

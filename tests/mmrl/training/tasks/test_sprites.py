"""``mmrl fit sprites`` and ``mmrl paint --sprite``: sets of sprites, and a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.generative.image.sprites import SpritePainter
from mmrl.training.load import load
from mmrl.training.tasks.sprites import SpritesConfig, SpritesTask, read_images

COLORS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
FAST = ["--steps", "250", "--batch_size", "32", "--learning_rate", "5e-3", "--hidden", "64"]


def sprite_set(hollow: bool) -> dict[str, NDArray[np.uint8]]:
    """Squares and bars of 8 pixels a side, filled or hollow."""
    found = {"floor": np.full((8, 8, 4), (90, 90, 90, 255), np.uint8)}
    for color, rgb in COLORS.items():
        for name, rows in (("bowl", slice(1, 7)), ("bar", slice(3, 6))):
            image = np.zeros((8, 8, 4), np.uint8)
            image[rows, 1:7] = (*rgb, 255)
            if hollow:
                image[4, 2:6] = 0
            found[f"{color} {name}"] = image
    return found


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sets")
    np.savez(folder / "one.npz", **sprite_set(False))  # type: ignore[arg-type]
    (folder / "two").mkdir()
    for name, image in sprite_set(True).items():
        Image.fromarray(image).save(folder / "two" / f"{name}.png")
    return [str(folder / "one.npz"), str(folder / "two")]


@pytest.fixture(scope="module")
def run(sets: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "sprites")
    data = f"[{', '.join(sets)}]"
    assert main(["fit", "sprites", "--data", data, "--out", out, "--device", "cpu", *FAST]) == 0
    return out


def test_folders_and_archives_are_read_alike(sets: list[str]) -> None:
    one, two = (read_images(Path(name)) for name in sets)
    assert one.keys() == two.keys() == sprite_set(True).keys()
    assert all(np.array_equal(one[name], sprite_set(False)[name]) for name in one)
    assert all(np.array_equal(two[name], sprite_set(True)[name]) for name in two)


def test_batches_are_drawn_by_the_generator_alone(sets: list[str]) -> None:
    task = SpritesTask.prepare(SpritesConfig("unused", data=sets, batch_size=64))
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)
    assert (one["images"].shape, one["images"].dtype.itemsize) == ((64, 8, 8, 4), 1)


def test_what_is_painted_is_what_its_name_says(run: str) -> None:
    painter = cast("SpritePainter", load(run, "sprites", "cpu"))
    names = ["a red bowl", "a blue bowl", "a red bar", "a blue bar"]
    made = painter.paint(names * 5, painter.styles(20, 3)).reshape(5, 4, 8, 8, 4).astype(int)
    opaque = made[..., 3] > 128
    redder = (made[..., 0] > made[..., 2]) & opaque
    assert (redder.sum((2, 3))[:, [0, 2]] > 0.9 * opaque.sum((2, 3))[:, [0, 2]]).all()
    assert (redder.sum((2, 3))[:, [1, 3]] < 0.1 * opaque.sum((2, 3))[:, [1, 3]]).all()
    assert (opaque.sum((2, 3))[:, :2] > opaque.sum((2, 3))[:, 2:]).all()


def test_the_seed_decides_the_style(run: str, tmp_path: Path) -> None:
    files = [str(tmp_path / f"{k}.png") for k in range(3)]
    for file, seed in zip(files, ("1", "1", "2"), strict=True):
        assert main(["paint", run, "--sprite", "a red bowl", "--out", file, "--seed", seed]) == 0
    read = [np.asarray(Image.open(file)) for file in files]
    assert read[0].shape == (8, 8, 4)
    assert np.array_equal(read[0], read[1])
    assert not np.array_equal(read[0], read[2])


def test_a_whole_theme_and_a_sheet(run: str, tmp_path: Path) -> None:
    target = tmp_path / "mine.npz"
    assert main(["paint", run, "--theme", str(target), "--seed", "4"]) == 0
    made = read_images(target)
    assert made.keys() == sprite_set(True).keys()
    assert {one.shape for one in made.values()} == {(8, 8, 4)}
    sheet = str(tmp_path / "sheet.png")
    assert main(["paint", run, "--sprite", "blue bar", "--count", "5", "--out", sheet]) == 0
    with Image.open(sheet) as image:
        assert image.mode == "RGB"


def test_what_is_not_known_is_named(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paint", run, "--sprite", "a green hat"]) == 2
    assert "does not know 'green', 'hat'; it paints: blue bar" in capsys.readouterr().err
    assert main(["paint", run, "--sprite", "red"]) == 2
    assert "does not know 'red' as a name" in capsys.readouterr().err
    assert main(["paint", run]) == 2
    assert "give one prompt" in capsys.readouterr().err
    assert main(["paint", run, "--theme", "mine.png"]) == 2
    assert "ends in .npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "data is empty"),
        ({"data": "./nowhere.npz"}, "is no set of sprites"),
        ({"shade": 1}, "shade=1"),
        ({"style": 0}, "style=0"),
    ],
)
def test_what_cannot_be(sets: list[str], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SpritesTask.prepare(SpritesConfig(**{"out": "unused", "data": sets, **changes}))

"""Datasets with a card: exported, pushed and pulled, and read again."""

import shutil

import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

import mmrl
from mmrl.cli import main
from mmrl.data import RandomSource, Request, collect, find_place, open_dataset
from mmrl.env_apis.registration import env_id_of
from mmrl.errors import UserError
from tests.fake_hub import fake_hub
from tests.worlds.lamps import Lamps


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "lamps"
    request = Request(env=env_id_of(Lamps), episodes=12, by="random", seed=0, num_envs=4)
    collect(request, RandomSource, find_place(str(path)))
    return path


def test_card_and_content(collected, tmp_path, capsys):
    assert main(["export", str(collected), str(tmp_path / "out"), "--licence", "cc-by-4.0"]) == 0
    folder = tmp_path / "out"
    assert {one.name for one in folder.iterdir()} == {"README.md", "data", "sheet.png"}
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width > 300
    card = DatasetCard.load(folder / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["task_categories"] == ["reinforcement-learning"]
    assert data["size_categories"] == ["n<1K"]
    assert {"multimodal", "gymnasium", "minari"} <= set(data["tags"])
    ours, theirs = open_dataset(str(collected)), open_dataset(str(folder))
    columns = ours.columns(images=False)
    share = columns.success.mean()
    for shown in ("| episodes | 12 |", "| collected by | random |", f"| success | {share:.1%} (",
                  "| press left |", "| `image` | Box(24, 24, 3) of uint8"):  # fmt: skip
        assert shown in card.content
    assert len(theirs) == 12
    np.testing.assert_array_equal(theirs[3].images, ours[3].images)
    for arguments, message in (
        ([str(folder)], "out exists already"),
        ([str(collected), "--force"], "is the dataset itself"),
        ([str(tmp_path / "new"), "--half"], "is a dataset: half, onnx and result are for runs"),
    ):
        assert main(["export", str(collected), *arguments]) == 2
        assert message in capsys.readouterr().err


def test_round_trip(collected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        mmrl.push(str(collected), "ann/lamps-random")
        assert set(hub.files("ann/lamps-random", "datasets")) == {
            "README.md", "data/metadata.json", "data/main_data.hdf5", "sheet.png",
        }  # fmt: skip
        assert main(["pull", "--dataset", "ann/lamps-random"]) == 0
        assert "try: mmrl collect show lamps-random" in capsys.readouterr().out
        with pytest.raises(UserError, match="no model ann/lamps-random on the hub that you may"):
            mmrl.pull("ann/lamps-random", "model")
    pulled = open_dataset(str(tmp_path / "lamps-random"))
    ours = open_dataset(str(collected)).columns()
    np.testing.assert_array_equal(pulled.columns().images, ours.images)


def test_a_minari_id_is_not_looked_for_on_the_hub(collected, tmp_path, monkeypatch):
    """It looks like a name of the hub; what is here comes first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    shutil.copytree(collected, tmp_path / "minari" / "lamps" / "random-v0")
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        mmrl.export("lamps/random-v0", "out")
        assert main(["record", "lamps/random-v0", "--episodes", "2", "--out", "runs"]) == 0
        assert hub.requests == []
        mmrl.push("lamps/random-v0", "ann/lamps-random")
        assert not any("lamps/random-v0" in path for _, path in hub.requests)

"""A bound on memory: sizes that no machine holds are refused before memory is taken."""

import json

import pytest
import torch
from torch import nn

from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.models.memory import bounded_memory, machine_memory
from mmrl.schema import FileError


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(10**9, 10**9),
        lambda: torch.zeros(2**40),
        lambda: torch.arange(2**40),
        lambda: torch.full((2**20, 2**20), 1.0),
        lambda: nn.Embedding(10**9, 10**5),
    ],
)
def test_what_no_machine_holds(make):
    words = "a.json: its sizes would take more than 1,000 bytes"
    with pytest.raises(FileError, match=words), bounded_memory(1_000, "a.json"):
        make()


def test_what_fits():
    with bounded_memory(1_000, "a.json"):
        assert nn.Linear(3, 3)(torch.ones(1, 3)).shape == (1, 3)
    with bounded_memory(1_000, "a.json"), torch.device("meta"):
        nn.Linear(10**6, 10**6)  # takes none
    assert machine_memory() > 2**20


def test_a_configuration_of_a_width_of_a_billion(tmp_path):
    with pytest.raises(UserError, match="would take more than"):
        build_model(
            ModelConfig(text="bag_of_words", text_args={"width": 10**9}, features=8),
            ModelInputs.standard((16, 16), 9),
        )
    config = ModelConfig(text="bag_of_words", text_args={"width": 4}, image_args={"width": 4})
    save_model(build_model(config, ModelInputs.standard((16, 16), 9)), tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    about = json.loads(file.read_text())
    about["config"]["text_args"]["width"] = 10**9
    file.write_text(json.dumps(about))
    with pytest.raises(UserError, match="model.json: .* its sizes would take more than"):
        load_model(tmp_path / "model")

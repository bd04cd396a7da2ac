"""What the commands that train share."""

import pytest
import yaml

from mmrl.arguments.resuming import check_value
from mmrl.cli.common import claim
from mmrl.errors import UserError

SETTINGS = {"config": "env: a", "steps": 3}


def test_a_folder_belongs_to_the_same_trainings(tmp_path):
    folder = tmp_path / "out"
    for _ in range(2):
        claim(folder, "search.yaml", SETTINGS, "a search")
    assert yaml.safe_load((folder / "search.yaml").read_text()) == SETTINGS
    with pytest.raises(UserError, match="holds a search of another configuration"):
        claim(folder, "search.yaml", {**SETTINGS, "steps": 4}, "a search")
    with pytest.raises(UserError, match="is not empty, and not an ablation"):
        claim(folder, "ablation.yaml", SETTINGS, "an ablation")


@pytest.mark.parametrize("content", ["!!python/object/apply:os.getcwd []", "{", "\x00"])
def test_a_file_of_somebody_else_is_an_error(tmp_path, content):
    (tmp_path / "search.yaml").write_text(content)
    with pytest.raises(UserError, match=r"search.yaml: is damaged, or no YAML"):
        claim(tmp_path, "search.yaml", SETTINGS, "a search")


def test_values_are_plain_data():
    check_value("a", {"b": [1, 2.5, "c", None, True, {"d": []}]})
    for value in ({1, 2}, b"x", {"b": object()}):
        with pytest.raises(UserError, match="a"):
            check_value("a", value)

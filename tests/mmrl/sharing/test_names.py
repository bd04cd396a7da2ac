"""Names of the hub are told from folders, and what is no name never reaches the network."""

import pytest

from mmrl.errors import UserError
from mmrl.sharing.locate import find_run_folder
from mmrl.sharing.names import HubName, is_hub_name, parse_hub_name


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("ann/lamps", HubName("ann/lamps")),
        ("a/b", HubName("a/b")),
        ("ann-1/lamps.v2_x@v1", HubName("ann-1/lamps.v2_x", "v1")),
        ("ann/lamps@refs/pr/3", HubName("ann/lamps", "refs/pr/3")),
    ],
)
def test_names(name, parsed):
    assert parse_hub_name(name) == parsed
    assert str(parsed) == name
    assert is_hub_name(name)


@pytest.mark.parametrize(
    "name",
    ["lamps", "", "a/b/c", "../lamps", "ann/..", "ann/la..mps", "ann/la--mps", "ann/lamps@",
     "ann/lamps@../x", "ann/lamps\n", "http://x/y", "ann/ lamps", "-ann/lamps", "ann/" + "x" * 97,
     "/ann/lamps", "./ann/lamps"],
)  # fmt: skip
def test_what_is_no_name(name):
    assert not is_hub_name(name)
    with pytest.raises(UserError, match="is no name on the hub: give user/name"):
        parse_hub_name(name)


def test_a_folder_wins(tmp_path, monkeypatch):
    """What is here, or would be in a folder that is here, is a path: it is not sent anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmrl.sharing.locate.download", lambda name: tmp_path / "downloaded")
    (tmp_path / "ann" / "lamps").mkdir(parents=True)
    for name in ("ann/lamps", "ann/mistyped", "nowhere", "a/b/c"):
        assert str(find_run_folder(name)) == name
    assert find_run_folder("bob/lamps") == tmp_path / "downloaded"

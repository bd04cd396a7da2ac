"""What is read lies in the file itself; what cannot be written ends in an error."""

import errno
import os

import h5py
import numpy as np
import pytest

from mmrl.data import ExpertSource, Request, collect, find_place, hdf5, open_dataset
from mmrl.data.hdf5 import check_members, hdf5_bytes, hdf5_writer, member
from mmrl.errors import UserError

SECRET = b"a secret that another file holds"


@pytest.fixture
def secret(tmp_path):
    """Another file, as HDF5 and as plain bytes."""
    with h5py.File(tmp_path / "secret.hdf5", "w") as file:
        file["text"] = np.array([SECRET] * 9)
        file["group/text"] = np.array([SECRET] * 9)
    (tmp_path / "secret.txt").write_bytes(SECRET * 9)
    return tmp_path


def external_link(group, name, secret):
    group[name] = h5py.ExternalLink(secret / "secret.hdf5", "text")


def soft_link(group, name, secret):
    group.file["elsewhere"] = h5py.ExternalLink(secret / "secret.hdf5", "group")
    group[name] = h5py.SoftLink("/elsewhere/text")


def external_storage(group, name, secret):
    kind = f"S{len(SECRET)}"
    group.create_dataset(name, (9,), kind, external=[(secret / "secret.txt", 0, 9 * len(SECRET))])


def virtual(group, name, secret):
    layout = h5py.VirtualLayout((9,), f"S{len(SECRET)}")
    layout[:] = h5py.VirtualSource(secret / "secret.hdf5", "text", (9,))
    group.create_virtual_dataset(name, layout)


FOREIGN = pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (external_link, "is a link to the file '.*secret.hdf5'"),
        (soft_link, "elsewhere is a link to the file '.*secret.hdf5'"),
        (external_storage, "is kept in the file '.*secret.txt'"),
        (virtual, "is a virtual dataset"),
    ],
)


@FOREIGN
@pytest.mark.parametrize("field", ["observations/instruction", "infos/description"])
def test_a_dataset_reads_no_other_file(collected, secret, plant, reason, field):
    place = collected("evil-v0", 4)
    with h5py.File(place.main, "a") as file:
        group, name = file["episode_2"][field.split("/")[0]], field.split("/")[1]
        del group[name]
        plant(group, name, secret)
    with h5py.File(place.main) as file:
        assert file["episode_2"][field][0] == SECRET
    rollouts = open_dataset("evil-v0")
    assert rollouts[1].seed == 1
    with pytest.raises(UserError, match=f"{reason}, which is refused"):
        rollouts[2]
    with pytest.raises(UserError, match=f"{reason}, which is refused"):
        rollouts.columns(images=False)


@FOREIGN
def test_spaces_read_no_other_file(collected, secret, plant, reason):
    place = collected("evil-v0", 4)
    place.metadata.write_text('{"total_episodes": 4, "total_steps": 9, "data_format": "hdf5"}')
    with h5py.File(place.main, "a") as file:
        plant(file["episode_0/observations"], "hint", secret)
    with pytest.raises(UserError, match=f"{reason}, which is refused"):
        open_dataset("evil-v0")


def test_an_episode_that_lies_in_another_file(collected):
    place, other = collected("evil-v0", 4), collected("other-v0", 4)
    with h5py.File(place.main, "a") as file:
        del file["episode_0"]
        file["episode_0"] = h5py.ExternalLink(other.main, "episode_0")
    with pytest.raises(UserError, match="/episode_0 is a link to the file .* which is refused"):
        open_dataset("evil-v0")


def test_links_within_the_file_are_followed(collected):
    place = collected("linked-v0", 4)
    before = open_dataset("linked-v0")[1].actions.tolist()
    with h5py.File(place.main, "a") as file:
        file.move("episode_1/actions", "episode_1/elsewhere")
        file["episode_1/actions"] = h5py.SoftLink("/episode_1/./elsewhere")
        del file["episode_2/actions"]
        file["episode_2/actions"] = h5py.SoftLink("actions")
    rollouts = open_dataset("linked-v0")
    assert rollouts[1].actions.tolist() == before
    with pytest.raises(UserError, match="the soft links of actions never end"):
        rollouts[2]


@FOREIGN
def test_a_part_of_a_collection_reads_no_other_file(minari_home, secret, plant, reason):
    place = find_place("parts-v0")
    request = Request("mmrl/GoToObjS4-v0", 8, "expert", num_envs=4)

    def interrupted(count):
        raise KeyboardInterrupt

    def one_part():
        class Once(ExpertSource):
            def begin(self, env, seeds):
                if seeds[0]:
                    raise KeyboardInterrupt
                super().begin(env, seeds)

        return Once()

    with pytest.raises(KeyboardInterrupt):
        collect(request, one_part, place)
    (part,) = place.collecting.glob("part_*")
    with h5py.File(part, "a") as file:
        plant(file["episode_0/infos"], "more", secret)
    with pytest.raises(UserError, match=f"{reason}, which is refused"):
        collect(request, ExpertSource, place)
    assert not place.main.exists()


def test_more_is_declared_than_is_there(collected):
    place = collected("empty-v0", 4)
    with h5py.File(place.main, "a") as file:
        del file["episode_1/rewards"]
        file["episode_1"].create_dataset("rewards", (1 << 40,), np.float64, chunks=(1 << 10,))
    with pytest.raises(UserError, match="declares 8,796,093,022,208 bytes, of which only 0"):
        open_dataset("empty-v0")[1]


def test_groups_that_hold_themselves(tmp_path, secret):
    with h5py.File(tmp_path / "round.hdf5", "w") as file:
        file["group/within"] = file.create_group("other")
        file["other/back"] = file["group"]
        assert member(file, "group/within/back") == file["group"]
        check_members(file)
        external_link(file["other"], "out", secret)
        with pytest.raises(UserError, match="is a link to the file"):
            check_members(file["group"])


def test_many_soft_links_are_followed_at_once(tmp_path):
    """As many as a stranger writes down: in no more than an instant."""
    with h5py.File(tmp_path / "links.hdf5", "w") as file:
        for k in range(15):
            file[f"link_{k}"] = h5py.SoftLink("/".join([f"link_{k + 1}"] * 20))
        file["link_15"] = h5py.SoftLink("/")
        with pytest.raises(UserError, match="the soft links of link_0 never end"):
            member(file, "link_0")
        assert member(file, "link_15/./link_15") == file["/"]


class FullDisk:
    """A file on a disk that takes only so many bytes."""

    def __init__(self, disk, room):
        self.disk, self.room = disk, room
        self.seek, self.read, self.truncate = disk.seek, disk.read, disk.truncate

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.disk.write(content)


def fill(file, check=lambda: None):
    for k in range(30):
        file[f"group_{k}/numbers"] = np.full(5000, k)
        check()


def test_written_as_it_is_in_memory(tmp_path):
    with hdf5_writer(tmp_path / "a.hdf5") as (file, check):
        fill(file, check)
    (tmp_path / "b.hdf5").write_bytes(hdf5_bytes(fill))
    for name in ("a.hdf5", "b.hdf5"):
        with h5py.File(tmp_path / name) as file:
            assert [int(file[f"group_{k}/numbers"][-1]) for k in range(30)] == [*range(30)]


@pytest.mark.parametrize("room", [0, 100, 4096, 100_000, 1_000_000])
@pytest.mark.parametrize("looks", [True, False])
def test_a_full_disk_is_an_error(tmp_path, monkeypatch, room, looks):
    sink = hdf5._Sink
    monkeypatch.setattr(hdf5, "_Sink", lambda disk: sink(FullDisk(disk, room)))
    with (
        pytest.raises(OSError, match="No space left"),
        hdf5_writer(tmp_path / "a.hdf5") as (file, check),
    ):
        fill(file, check if looks else lambda: None)

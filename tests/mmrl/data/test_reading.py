"""What is read, lazily and whole; strangers' datasets; and what is said of broken ones."""

import json
import pickle
import shutil
import sys

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.cli import main
from mmrl.data import find_place, open_dataset, summary
from mmrl.data.summary import dataset_sheet
from mmrl.errors import UserError

LENGTHS = (3, 5)


def strangers(name, texts=("mission",), images=("camera",), infos=None, **more):
    """A dataset that somebody else made with Minari's own functions; ``infos`` gives those of an
    episode by its steps.
    """
    space = spaces.Dict(
        {
            **{key: spaces.Box(0, 255, (40, 40, 3), np.uint8) for key in images},
            **{key: spaces.Text(30) for key in texts},
            "direction": spaces.Discrete(4),
        }
    )
    rng = np.random.default_rng(0)
    episodes = [
        minari.data_collector.EpisodeBuffer(
            id=None,
            observations={
                **{key: [*smooth(rng, steps + 1)] for key in images},
                **{key: [f"find {steps} things"] * (steps + 1) for key in texts},
                "direction": [0] * (steps + 1),
            },
            actions=[*rng.integers(0, 5, steps)],
            rewards=[0.0] * (steps - 1) + [float(steps == 3)],
            terminations=[False] * (steps - 1) + [True],
            truncations=[False] * steps,
            infos={} if infos is None else infos(steps),
        )
        for steps in LENGTHS
    ]
    minari.create_dataset_from_buffers(
        name,
        episodes,
        observation_space=space,
        action_space=spaces.Discrete(5),
        **{"jpeg_encoding": False, **more},
    )
    return episodes


def smooth(rng, count):
    """Images that JPEG keeps nearly as they are."""
    return np.broadcast_to(rng.integers(40, 200, (count, 1, 1, 1)), (count, 40, 40, 3)).astype(
        np.uint8
    )


@pytest.fixture(autouse=True)
def _quiet(recwarn):
    """Minari warns of authors and permalinks."""


def test_random_access_and_slices(collected):
    collected("some-v0", 7)
    rollouts = open_dataset("some-v0")
    every = list(rollouts)
    assert [one.seed for one in every] == list(range(7))
    assert [rollouts[k].seed for k in (6, 0, -1, 3)] == [6, 0, 6, 3]
    assert [one.seed for one in rollouts[2:6:2]] == [2, 4]
    for k in (7, -8):
        with pytest.raises(IndexError, match=f"episode {k}: there are 7"):
            rollouts[k]
    copied = pickle.loads(pickle.dumps(rollouts))  # as for a worker of a data loader
    assert np.array_equal(copied[4].images, every[4].images)
    assert rollouts.by == "expert"


def test_columns_are_the_episodes_end_to_end(collected):
    collected("some-v0", 6)
    rollouts = open_dataset("some-v0")
    told, plain = rollouts.columns(), rollouts.columns(images=False)
    assert plain.images is None
    assert told.lengths.tolist() == [len(one) for one in rollouts]
    for k, one in enumerate(rollouts):
        start, end = told.starts[k], told.starts[k + 1]
        assert np.array_equal(told.images[start + k : end + k + 1], one.images)
        assert told.descriptions[start + k : end + k + 1] == one.descriptions
        for columns in (told, plain):
            assert columns.instructions[k] == one.instruction
            assert columns.actions[start:end].tolist() == one.actions.tolist()
            assert columns.rewards[start:end].tolist() == one.rewards.tolist()
            assert columns.achieved[start:end] == one.achieved
            assert (columns.success[k], columns.seeds[k]) == (one.success, one.seed)
    assert told.starts[-1] == len(told.actions) == len(told.achieved)
    assert len(told.images) == len(told.actions) + 6 == len(told.descriptions)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("jpeg", [False, True])
def test_a_strangers_dataset(minari_home, jpeg):
    episodes = strangers("away/strange-v3", jpeg_encoding=jpeg)
    rollouts = open_dataset("away/strange-v3")
    assert (rollouts.env_id, rollouts.env_args, rollouts.by) == ("", {}, "")
    assert set(rollouts.spaces.observation.spaces) == {"image", "instruction"}
    assert rollouts.spaces.action == spaces.Discrete(5)
    for rollout, theirs in zip(rollouts, episodes, strict=True):
        steps = len(theirs.rewards)
        assert len(rollout) == steps
        difference = np.abs(rollout.images - np.stack(theirs.observations["camera"]).astype(int))
        assert difference.max() <= 2 * jpeg
        assert rollout.images.shape == (steps + 1, 40, 40, 3)
        assert rollout.instruction == f"find {steps} things"
        assert rollout.actions.tolist() == theirs.actions
        assert rollout.success is None
        assert rollout.achieved == ((),) * steps
        assert rollout.descriptions == ("",) * (steps + 1)
        assert rollout.seed == -1


@pytest.mark.filterwarnings("ignore")
def test_the_success_of_strangers_episodes(minari_home, capsys):
    """By the rules of the adapters; what is not known is unknown."""
    strangers("quiet-v0")
    three = [steps == 3 for steps in LENGTHS]
    unknown = [None] * len(LENGTHS)
    for rule, expected in (
        (None, unknown), ("none", unknown), ("terminated_with_reward", three),
        ({"return_above": 0.5}, three), ({"return_above": 1}, [False] * len(LENGTHS)),
        ("won", unknown),
    ):  # fmt: skip
        rollouts = open_dataset("quiet-v0", rule)
        assert [one.success for one in rollouts] == expected
        columns = pickle.loads(pickle.dumps(rollouts)).columns(images=False)
        assert columns.success.tolist() == [bool(one) for one in expected]
        assert columns.known.tolist() == [one is not None for one in expected]
    with pytest.raises(UserError, match=r"^success={'above': 1}: give an entry of the last info"):
        open_dataset("quiet-v0", {"above": 1})

    def show(*more):
        assert main(["collect", "show", "quiet-v0", *more]) == 0
        return next(x for x in capsys.readouterr().out.splitlines() if x.startswith("success"))

    assert show().split()[1] == "unknown;"
    share = f"{np.mean(three):.1%}"
    assert show("--success", "terminated_with_reward").split()[1:] == [share]
    assert show("--success.return_above", "0.5").split()[1:] == [share]
    assert dataset_sheet(open_dataset("quiet-v0"))[:4] == b"\x89PNG"


def test_without_matplotlib_chinese_is_drawn_as_boxes(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.font_manager", None)
    summary._chinese_font.cache_clear()
    with pytest.warns(UserWarning, match=r"pip install 'multimodal-rl\[plots\]'"):
        assert summary._font("你好") is not None
    summary._chinese_font.cache_clear()


@pytest.mark.filterwarnings("ignore")
def test_the_success_that_a_strangers_infos_say(minari_home):
    strangers("said-v0", infos=lambda n: {"success": [False] * n + [n != 3]})
    assert [one.success for one in open_dataset("said-v0")] == [n != 3 for n in LENGTHS]
    by_rule = open_dataset("said-v0", "terminated_with_reward")
    assert [one.success for one in by_rule] == [n == 3 for n in LENGTHS]
    strangers("scored-v0", infos=lambda n: {"won": [0] * n + [int(n == 3)]})
    assert [one.success for one in open_dataset("scored-v0")] == [None] * len(LENGTHS)
    assert [one.success for one in open_dataset("scored-v0", "won")] == [n == 3 for n in LENGTHS]
    strangers("words-v0", infos=lambda n: {"success": ["no"] * (n + 1)})
    with pytest.raises(UserError, match="dataset 'words-v0': .* must be true or false"):
        open_dataset("words-v0")[0]


@pytest.mark.filterwarnings("ignore")
def test_the_environment_of_a_stranger(minari_home):
    strangers("spec-v0", env=gym.spec("CartPole-v1"))
    assert open_dataset("spec-v0").env_id == "CartPole-v1"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"images": ("front", "back")}, "several images, and none is 'image': they have back"),
        ({"texts": ("a", "b")}, "several strings, and none is 'instruction': they have a .Text."),
    ],
)
def test_a_dataset_with_several_images_or_strings(minari_home, made, reason):
    strangers("odd-v0", **made)
    with pytest.raises(UserError, match=f"dataset 'odd-v0': its observations have {reason}"):
        open_dataset("odd-v0")


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_without_strings_or_images(minari_home):
    strangers("wordless-v0", texts=())
    assert open_dataset("wordless-v0")[0].instruction == ""
    strangers("blind-v0", images=())
    blind = open_dataset("blind-v0")
    assert blind[0].images.shape == (0, 0, 0, 3)
    assert len(blind.columns(images=False).actions)
    with pytest.raises(UserError, match="'blind-v0' has no images"):
        blind.columns()


@pytest.mark.filterwarnings("ignore")
def test_our_names_come_first(minari_home):
    strangers("two-v0", images=("image", "map"), texts=("instruction", "hint"))
    assert open_dataset("two-v0")[0].images.shape == (4, 40, 40, 3)


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        (["rewards"], "episode 0 lacks rewards"),
        (["observations/image", "truncations"], "0 lacks observations/image, truncations"),
        (["observations"], "0 lacks observations/image, observations/instruction"),
    ],
)
def test_missing_fields_are_named(collected, gone, reason):
    place = collected("torn-v0", 4)
    with h5py.File(place.main, "a") as file:
        for name in gone:
            del file[f"episode_0/{name}"]
    with pytest.raises(UserError, match=f"dataset 'torn-v0', {reason}|'torn-v0', episode {reason}"):
        open_dataset("torn-v0")


def test_a_later_episode_without_a_field(collected):
    place = collected("torn-v0", 4)
    with h5py.File(place.main, "a") as file:
        del file["episode_2/actions"]
    rollouts = open_dataset("torn-v0")
    assert rollouts[1].seed == 1
    with pytest.raises(UserError, match="dataset 'torn-v0', episode 2 lacks actions"):
        rollouts[2]


def test_a_missing_episode(collected):
    place = collected("torn-v0", 4)
    with h5py.File(place.main, "a") as file:
        del file["episode_3"]
    with pytest.raises(UserError, match="lacks episode_3 of 4"):
        open_dataset("torn-v0")


def test_metadata_that_lacks_something(collected):
    place = collected("torn-v0", 4)
    whole = json.loads(place.metadata.read_text())
    for lacking in ("total_steps", "data_format"):
        place.metadata.write_text(json.dumps({k: v for k, v in whole.items() if k != lacking}))
        with pytest.raises(UserError, match=f"lacks '{lacking}'"):
            open_dataset("torn-v0")
    place.metadata.write_text(json.dumps(whole | {"total_episodes": "4"}))
    with pytest.raises(UserError, match="total_episodes is '4', and must be a whole number"):
        open_dataset("torn-v0")
    place.metadata.write_text(json.dumps(whole | {"data_format": "arrow"}))
    with pytest.raises(UserError, match="kept as 'arrow': only hdf5 is read"):
        open_dataset("torn-v0")
    place.metadata.write_text(json.dumps(whole | {"observation_space": '{"type": "Graph"}'}))
    with pytest.raises(UserError, match="the observation_space in .* cannot be read"):
        open_dataset("torn-v0")
    place.metadata.write_text("{")
    with pytest.raises(UserError, match=r"metadata.json: is damaged, or no JSON"):
        open_dataset("torn-v0")
    place.metadata.unlink()
    with pytest.raises(UserError, match="is no Minari dataset: it lacks data/metadata.json"):
        open_dataset("torn-v0")


def test_a_damaged_file(collected):
    place = collected("torn-v0", 6)
    whole = place.main.read_bytes()
    place.main.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is no HDF5 file, or damaged"):
        open_dataset("torn-v0")
    with h5py.File(find_copy(place, whole)) as file:
        dataset = file["episode_4/observations/image"]
        offset = dataset.id.get_chunk_info(0).byte_offset
    place.main.write_bytes(whole[: offset + 8] + b"\xff" * 40 + whole[offset + 48 :])
    rollouts = open_dataset("torn-v0")
    assert rollouts[3].seed == 3
    with pytest.raises(UserError, match="episode 4 is damaged"):
        rollouts[4]
    place.main.unlink()
    with pytest.raises(UserError, match="'torn-v0' lacks .*main_data.hdf5"):
        open_dataset("torn-v0")


def find_copy(place, content):
    path = place.path / "copy.hdf5"
    path.write_bytes(content)
    return path


def test_names(minari_home, tmp_path, monkeypatch, collected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert find_place("group/name-v2").path == minari_home / "group" / "name-v2"
    for name, dataset_id in (
        ("./rolls", "rolls-v0"),
        ("here/rolls", "rolls-v0"),
        ("here/a b-v7", "a_b-v7"),
        (str(tmp_path / "other"), "other-v0"),
    ):
        place = find_place(name)
        assert (place.path, place.dataset_id) == ((tmp_path / name).resolve(), dataset_id)
    with pytest.raises(UserError, match="dataset 'rolls': neither a Minari id, such as .* ./rolls"):
        find_place("rolls")
    place = collected("here/rolls", 3)
    assert minari.MinariDataset(place.data).spec.dataset_id == "rolls-v0"
    moved = tmp_path / "moved"
    shutil.move(place.path, moved)
    assert len(open_dataset("moved")) == len(open_dataset(str(moved / "data"))) == 3
    with pytest.raises(UserError, match="there is no dataset 'none-v0': .* does not exist"):
        open_dataset("none-v0")


def test_without_minari(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[data\]'"):
        find_place("some-v0")

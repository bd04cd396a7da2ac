"""The plug-in's answers: lists, filters, images, exports, and what is hostile."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from synthetic_episodes import ACTIONS, episode, write
from tensorboard.plugins.base_plugin import TBContext

from mmrl.records import read_record
from mmrl.tensorboard import export, index
from mmrl.tensorboard.plugin import RolloutsPlugin, log_folders
from mmrl.tensorboard.query import SORTS, Query

ONE = "arm/second/0003.episode"
WRONG = [
    {"sort": "size"}, {"order": "up"}, {"limit": 0}, {"limit": 201}, {"limit": "9" * 400},
    {"offset": -1}, {"offset": 1.5}, {"seed": "one"}, {"step_min": "nan"}, {"return_max": "inf"},
    {"length_min": "1e400"}, {"success": "maybe"}, {"return_min": "--1"},
]  # fmt: skip


def test_importing_it_is_light():
    code = (
        "import sys, mmrl.tensorboard.plugin\n"
        "print([name for name in ('torch', 'gymnasium', 'transformers', 'matplotlib')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list(requests):
    found = requests.json("/episodes", {"limit": 200})
    assert found["total"] == found["all"] == len(found["episodes"]) == 72
    assert (found["damaged"], found["newer"]) == (1, 1)
    assert found["facets"]["runs"] == {"arm/first": 24, "arm/second": 24, "planner": 24}
    assert set(found["facets"]) == {"runs", "sources", "envs", "kinds"}
    one = next(one for one in found["episodes"] if one["id"] == ONE)
    assert one["run"] == "arm/second"
    assert one["steps"] == 9
    assert one["cameras"]["image"]["frames"] == 10


@pytest.mark.parametrize(
    ("parameters", "is_right"),
    [
        ({"run": ["arm/first", "planner"]}, lambda one: one["run"] in ("arm/first", "planner")),
        ({"source": "evaluation"}, lambda one: one["source"] == "evaluation"),
        ({"env": "synthetic/Arm-v0"}, lambda one: True),
        ({"kind": "push"}, lambda one: one["instruction_kind"] == "push"),
        ({"success": "false"}, lambda one: one["success"] is False),
        ({"success": "unknown"}, lambda one: one["success"] is None),
        ({"q": "UPPER rack"}, lambda one: "upper rack" in one["instruction"]),
        ({"seed": 3}, lambda one: one["seed"] == 3),
        ({"step_min": 40_000, "step_max": 60_000}, lambda o: 40_000 <= o["checkpoint"] <= 60_000),
        ({"length_max": 8}, lambda one: one["steps"] <= 8),
        ({"return_min": 0.5}, lambda one: one["total_reward"] >= 0.5),
    ],
)
def test_filters_choose_exactly_those(requests, parameters, is_right):
    every = requests.json("/episodes", {"limit": 200})["episodes"]
    found = requests.json("/episodes", {**parameters, "limit": 200})["episodes"]
    wanted = {one["id"] for one in every if is_right(one)}
    assert {one["id"] for one in found} == wanted
    assert wanted


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_every_order_have_each_episode_once(requests, sort, order):
    pages = [
        requests.ids(sort=sort, order=order, offset=offset, limit=30) for offset in (0, 30, 60)
    ]
    found = [one for page in pages for one in page]
    assert len(found) == len(set(found)) == 72


def test_an_order(requests):
    found = requests.json("/episodes", {"sort": "length", "order": "asc", "limit": 200})
    lengths = [one["steps"] for one in found["episodes"]]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("parameters", WRONG, ids=str)
@pytest.mark.parametrize("route", ["/episodes", "/heatmap"])
def test_wrong_parameters_are_named(requests, route, parameters):
    answer = requests.get(route, parameters)
    assert answer.status_code == 400
    assert next(iter(parameters)) in answer.json["error"]
    assert len(answer.json["error"]) < 200


_NAMES = ["run", "source", "env", "kind", "success", "q", "seed", "sort", "order", "offset",
          "limit", *(f"{one}_{end}" for one in ("step", "length", "return")
                     for end in ("min", "max"))]  # fmt: skip
_VALUES = st.one_of(
    st.text(max_size=20), st.integers().map(str), st.floats().map(str), st.sampled_from(list(SORTS))
)


@given(st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES), max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_parameters_are_answered(requests, parameters):
    for route in ("/episodes", "/heatmap"):
        answer = requests.get(route, parameters)
        assert answer.status_code in (200, 400)
        json.loads(answer.data, parse_constant=pytest.fail)


def test_the_heat_map_counts_every_episode(requests):
    found = requests.json("/heatmap")
    assert sum(sum(row["episodes"]) for row in found["rows"]) == 72
    assert {row["kind"] for row in found["rows"]} == {"reach", "push", "sort", "wait"}
    for row in found["rows"]:
        for k, (low, high) in enumerate(found["bins"]):
            chosen = {"kind": row["kind"], "step_min": low, "step_max": high}
            assert requests.json("/episodes", chosen)["total"] == row["episodes"][k]


def test_an_episode(requests, runs):
    found = requests.json("/episode", {"id": ONE})
    record = read_record(runs / "arm/second/episodes/0003.episode")
    assert found["instructions"] == list(record.instructions)
    assert found["about"]["actions"] == list(ACTIONS)
    np.testing.assert_allclose(found["numbers"]["value"], record.numbers["value"])


def test_a_sheet_has_the_frames(requests, runs):
    layout = requests.json("/episode", {"id": ONE})["cameras"]["image"]
    answer = requests.get("/sheet", {"id": ONE, "camera": "image", "number": 0})
    assert answer.content_type == "image/webp"
    sheet = np.asarray(Image.open(io.BytesIO(answer.data)).convert("RGB"))
    record = read_record(runs / "arm/second/episodes/0003.episode")
    side, columns = layout["width"], layout["columns"]
    for k, frame in enumerate(record.frames["image"]):
        y, x = k // columns * side, k % columns * side
        assert (sheet[y : y + side, x : x + side] == frame).all()
    thumbnail = Image.open(io.BytesIO(requests.get("/thumbnail", {"id": ONE}).data))
    assert max(thumbnail.size) <= 96


def test_answers_are_cached_by_version(requests):
    version = requests.json("/episode", {"id": ONE})["version"]
    parameters = {"id": ONE, "camera": "image", "number": 0}
    plain = requests.get("/sheet", parameters)
    assert "no-cache" in plain.headers["Cache-Control"]
    again = requests.get("/sheet", parameters, headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data
    versioned = requests.get("/sheet", {**parameters, "version": version})
    assert "immutable" in versioned.headers["Cache-Control"]
    packed = requests.get("/episode", {"id": ONE}, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("name", export.formats())
def test_exports(requests, name):
    answer = requests.get("/export", {"id": ONE, "format": name})
    assert answer.status_code == 200
    assert f'filename="0003.{name}"' in answer.headers["Content-Disposition"]
    if name == "gif":
        assert Image.open(io.BytesIO(answer.data)).n_frames == 10
    if name == "zip":
        file = zipfile.ZipFile(io.BytesIO(answer.data))
        assert len(file.namelist()) == 1 + 2 * 10
        assert json.loads(file.read("episode.json"))["seed"] == 3


def test_videos_are_offered_where_a_codec_is(requests, monkeypatch):
    monkeypatch.setattr(export, "ffmpeg", lambda: None)
    assert "mp4" not in requests.json("/episodes", {"limit": 1})["formats"]
    answer = requests.get("/export", {"id": ONE, "format": "mp4"})
    assert (answer.status_code, "gif" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    "wanted",
    ["", "none", "../runs/" + ONE, "/etc/passwd", "arm/second/../second/0003.episode",
     "planner/cut.episode", "x" * 10_000, "\x00", "planner/newer.episode"],
)  # fmt: skip
@pytest.mark.parametrize("route", ["/episode", "/sheet", "/thumbnail", "/export"])
def test_only_found_records_are_served(requests, route, wanted):
    answer = requests.get(route, {"id": wanted, "camera": "image", "number": 0, "format": "gif"})
    assert answer.status_code == 404
    assert len(answer.json["error"]) < 400


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"camera": "../image", "number": 0}, 404),
        ({"camera": "image", "number": 99}, 404),
        ({"camera": "image", "number": -1}, 400),
        ({"camera": "image", "number": "9" * 5_000}, 400),
        ({"camera": "image", "number": "²"}, 400),
        ({"camera": "image"}, 400),
    ],
)
def test_only_sheets_of_a_record(requests, parameters, status):
    answer = requests.get("/sheet", {"id": ONE, **parameters})
    assert (answer.status_code, answer.content_type[:16]) == (status, "application/json")


def test_links_are_not_followed(tmp_path, of_folder):
    outside = write(tmp_path / "outside", "one", episode())
    episodes = tmp_path / "logs" / "run" / "episodes"
    episodes.mkdir(parents=True)
    try:
        (episodes / "link.episode").symlink_to(outside)
        (tmp_path / "logs" / "other").symlink_to(outside.parents[1])
    except OSError:
        pytest.skip("no links here")
    requests = of_folder(tmp_path / "logs")
    assert requests.json("/episodes")["all"] == 0
    assert not requests.plugin.is_active()
    assert requests.get("/episode", {"id": "run/link.episode"}).status_code == 404


def hostile(path: Path, summary=None, steps=None, text=None):
    """Change entries of a record's JSON; ``text`` is put in the place of the steps."""
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    for name, changes in (("summary.json", summary), ("steps.json", steps)):
        members[name] = json.dumps({**json.loads(members[name]), **(changes or {})}).encode()
    if text is not None:
        members["steps.json"] = text
    with zipfile.ZipFile(path, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)


@pytest.mark.parametrize(
    ("summary", "steps"),
    [
        ({"total_reward": float("nan")}, None),
        ({"total_reward": float("inf")}, {"rewards": [float("nan")] * 12}),
        ({"env_args": {"a": float("nan"), "b": "x" * 100_000}}, None),
        ({"instruction": "\x1b <b>x</b>" + "y" * 100_000}, None),
        (None, {"numbers": {"value": "x", "probabilities": [1] * 12, "q_values": [[1], []]}}),
        (None, {"about": {"actions": 5, "words": [1], "expert_steps": "x"}, "infos": [1, 2]}),
        (None, {"about": [], "numbers": [], "infos": {}, "action_names": 7}),
        ({"checkpoint": -5, "seed": 10**300}, None),
    ],
)
def test_strange_records_are_answered(tmp_path, of_folder, summary, steps):
    hostile(write(tmp_path / "run", "one", episode()), summary, steps)
    requests = of_folder(tmp_path)
    for route in ("/episodes", "/heatmap"):
        requests.json(route)
    found = requests.json("/episode", {"id": "run/one.episode"})
    assert set(found["numbers"]) <= {"value", "advantage", "probabilities"}
    assert len(found["instruction"]) <= 2_000


@pytest.mark.parametrize(
    "summary", [{"checkpoint": 10**400}, {"steps": -1}, {"cameras": {"x": {}}}, {"steps": "x"}]
)
def test_impossible_summaries_are_damaged(tmp_path, of_folder, summary):
    hostile(write(tmp_path / "run", "one", episode()), summary)
    write(tmp_path / "run", "two", episode())
    requests = of_folder(tmp_path)
    found = requests.json("/episodes")
    assert (found["all"], found["damaged"]) == (1, 1)
    requests.json("/heatmap")


def test_a_record_that_is_not_unicode_is_answered(tmp_path, of_folder):
    hostile(write(tmp_path / "run", "one", episode()), {"instruction": "\ud800"})
    answer = of_folder(tmp_path).get("/episode", {"id": "run/one.episode"})
    assert answer.status_code == 404
    assert "one.episode" in answer.text


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b'{"instructions":[],"rewards":[1],"actions":[]}', b"[" * 100_000],
)
def test_damaged_steps_are_said_in_a_sentence(tmp_path, of_folder, text):
    hostile(write(tmp_path / "run", "one", episode()), text=text)
    answer = of_folder(tmp_path).get("/episode", {"id": "run/one.episode"})
    assert answer.status_code == 404
    assert "one.episode" in answer.json["error"]


def test_new_changed_and_removed_records_are_seen(tmp_path, of_folder, monkeypatch):
    monkeypatch.setattr(index, "_FRESH", 0.0)
    requests = of_folder(tmp_path)
    assert requests.json("/episodes")["all"] == 0
    path = write(tmp_path / "run", "one", episode())
    assert requests.plugin.is_active()
    first = requests.json("/episodes")["episodes"][0]
    write(tmp_path / "run", "one", episode(steps=4))
    os.utime(path, (1e9, 1e9))
    second = requests.json("/episodes")["episodes"][0]
    assert (first["id"], second["steps"]) == (second["id"], 4)
    assert first["version"] != second["version"]
    path.unlink()
    assert requests.json("/episodes")["all"] == 0
    assert requests.get("/episode", {"id": first["id"]}).status_code == 404


def test_each_file_is_read_once(tmp_path, of_folder, monkeypatch):
    monkeypatch.setattr(index, "_FRESH", 0.0)
    read = []
    once = index.read_summary
    monkeypatch.setattr(index, "read_summary", lambda path: read.append(path) or once(path))
    for k in range(3):
        write(tmp_path / "run", str(k), episode(k, steps=2, side=8))
    requests = of_folder(tmp_path)
    for _ in range(3):
        requests.json("/episodes")
    assert len(read) == 3


def test_the_newest_are_listed(tmp_path, of_folder, monkeypatch):
    monkeypatch.setattr(index, "_MOST", 2)
    for k in range(4):
        os.utime(write(tmp_path / "run", str(k), episode(k, steps=2, side=8)), (k, k))
    found = of_folder(tmp_path).json("/episodes")
    assert {one["seed"] for one in found["episodes"]} == {2, 3}
    assert found["left_out"] == 2


def test_a_run_as_log_folder_has_its_own_name(tmp_path, of_folder):
    write(tmp_path / "alone", "one", episode(steps=2, side=8))
    for folder in (tmp_path / "alone", tmp_path / "alone" / "episodes"):
        assert of_folder(folder).json("/episodes")["facets"]["runs"] == {"alone": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are texts there")
def test_names_that_are_no_texts(tmp_path, of_folder):
    path = write(tmp_path / "run", "one", episode(steps=2, side=8))
    os.rename(path, os.fsencode(path.parent) + b"/\xff.episode")
    requests = of_folder(tmp_path)
    (one,) = requests.ids()
    assert requests.json("/episode", {"id": one})["steps"] == 2


def test_several_log_folders():
    class Flags:
        logdir_spec = "a:/x/y,/z/run:1,b:/c:d"

    found = log_folders(TBContext(flags=Flags()))
    assert found == {"a": Path("/x/y"), "z/run:1": Path("/z/run:1"), "b": Path("/c:d")}
    assert log_folders(TBContext()) == {}


def test_what_tensorboard_asks_for(requests):
    about = requests.plugin.frontend_metadata()
    assert (about.tab_name, about.es_module_path) == ("Rollouts", "/index.js")
    answer = requests.get(about.es_module_path)
    assert answer.mimetype == "text/javascript"
    assert requests.plugin.is_active()
    assert not RolloutsPlugin(TBContext()).is_active()


def test_only_get_is_answered(requests):
    from werkzeug.test import Client

    answer = Client(requests.plugin.get_plugin_apps()["/episodes"]).post("/episodes")
    assert answer.status_code == 405


def test_defaults_of_a_query():
    class Nothing:
        def get(self, key):
            return None

        def getlist(self, key):
            return []

    assert Query.of(Nothing()) == Query()

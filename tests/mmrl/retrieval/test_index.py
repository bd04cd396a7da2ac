"""An index finds the nearest, by comparing all or by a graph, and is whole or not there."""

import json
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.retrieval.index import EMBEDDINGS, ENTRIES, GRAPH, MANIFEST, ImageIndex, caption

ABOUT = {"model": "runs/one", "weights": "0" * 64}


def unit_vectors(count, width=16, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def make(count, **options):
    entries = [{"file": f"{k}.png"} for k in range(count)]
    return ImageIndex(unit_vectors(count), entries, ABOUT, **options)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 1 << 20))
def test_the_nearest_first(count, top, seed):
    index, query = make(count), unit_vectors(1, seed=seed)[0]
    found = index.search(query, top)
    assert len(found) == min(top, count)
    cosines = index.embeddings @ query
    order = np.argsort(-cosines)[:top]
    assert [one.entry["file"] for one in found] == [f"{row}.png" for row in order]
    assert np.allclose([one.cosine for one in found], cosines[order], atol=1e-6)


def test_a_graph_finds_what_comparing_all_finds():
    pytest.importorskip("faiss")
    exact, graph = make(2000), make(2000, exact_limit=100)
    assert exact.is_exact
    assert not graph.is_exact
    agree = []
    for query in unit_vectors(50, seed=1):
        one, two = exact.search(query, 10), graph.search(query, 10)
        agree.append(len({x.entry["file"] for x in one} & {x.entry["file"] for x in two}))
        assert two[0].entry == one[0].entry
        assert two[0].cosine == pytest.approx(one[0].cosine, abs=1e-5)
    assert np.mean(agree) > 9.8


@pytest.mark.parametrize("limit", [10, 1000])
def test_kept_and_read_back(tmp_path, limit):
    if limit == 10:
        pytest.importorskip("faiss")
    index, query = make(60, exact_limit=limit), unit_vectors(1, seed=5)[0]
    index.save(tmp_path / "index")
    assert (tmp_path / "index" / GRAPH).exists() == (limit == 10)
    again = ImageIndex.load(tmp_path / "index")
    assert again.is_exact == index.is_exact
    assert np.array_equal(again.embeddings, index.embeddings)
    assert again.search(query, 7) == index.search(query, 7)
    assert again.about["weights"] == ABOUT["weights"]
    assert again.about["images"] == len(again) == 60
    make(3).save(tmp_path / "index")  # replaced as a whole
    assert len(ImageIndex.load(tmp_path / "index")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_damaged_graph_is_refused_before_faiss_reads_it(tmp_path):
    pytest.importorskip("faiss")
    folder = tmp_path / "index"
    make(60, exact_limit=10).save(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    content = bytearray((folder / GRAPH).read_bytes())
    content[40] ^= 1
    whole = (folder / GRAPH).read_bytes()
    (folder / GRAPH).write_bytes(content)
    with pytest.raises(UserError, match=r"graph.faiss: its SHA-256 is not that in index.json"):
        ImageIndex.load(folder)
    (folder / GRAPH).write_bytes(whole)
    del manifest["graph_sha256"]  # as earlier versions wrote it
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert len(ImageIndex.load(folder)) == 60


def test_a_file_whose_name_is_not_utf_8(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    ImageIndex(unit_vectors(1), [{"file": name}], ABOUT).save(tmp_path / "index")
    assert ImageIndex.load(tmp_path / "index").entries == [{"file": name}]


def test_nothing_else_is_overwritten(tmp_path):
    (tmp_path / "thesis").write_text("my life's work")
    for target in (tmp_path, tmp_path / "thesis"):
        with pytest.raises(UserError, match="is no index: nothing was overwritten"):
            make(3).save(target)
    assert (tmp_path / "thesis").read_text() == "my life's work"


def test_what_is_no_index(tmp_path):
    with pytest.raises(UserError, match="'mmrl index' makes one"):
        ImageIndex.load(tmp_path)


@pytest.mark.parametrize("spoilt", [EMBEDDINGS, ENTRIES, MANIFEST])
@pytest.mark.parametrize("how", ["cut", "gone", "other"])
def test_a_spoilt_index(tmp_path, spoilt, how):
    make(5).save(tmp_path / "index")
    file = tmp_path / "index" / spoilt
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        make(4).save(tmp_path / "other")
        file.write_bytes((tmp_path / "other" / spoilt).read_bytes())
    with pytest.raises(UserError, match="no index|damaged index"):
        ImageIndex.load(tmp_path / "index")


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "/etc/passwd"},
        {"file": "../secret.png"},
        {"file": "deep/../../secret.png"},
        {"file": "a\0.png"},
        {"file": ""},
        {"file": 3},
        {"file": ["a.png"]},
        {"file": "../a.png", "episode": 0, "step": 0, "description": ""},
        {"episode": "0", "step": 0, "description": ""},
        {"episode": True, "step": 0, "description": ""},
        {"episode": -1, "step": 0, "description": ""},
        {"episode": 0, "step": 1.5, "description": ""},
        {"episode": 0, "step": 0, "description": 7},
        {"episode": 0},
        {},
        "a.png",
        None,
        [],
    ],
)
def test_entries_that_are_none(tmp_path, entry):
    make(5).save(tmp_path / "index")
    file = tmp_path / "index" / ENTRIES
    entries = json.loads(file.read_text())
    file.write_text(json.dumps([*entries[:-1], entry]))
    with pytest.raises(
        UserError, match="is a damaged index: .*(must be|lacks|unknown|no file within)"
    ):
        ImageIndex.load(tmp_path / "index")


def test_without_faiss(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert make(20, exact_limit=20).is_exact
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[search\]'"):
        make(21, exact_limit=20)


def test_as_many_entries_as_embeddings():
    with pytest.raises(ValueError, match="2 embeddings of 1 entries"):
        ImageIndex(unit_vectors(2), [{"file": "a.png"}], ABOUT)


def test_entries_are_readable(tmp_path):
    entries = [{"file": "häuser/a.png"}, {"episode": 3, "step": 1, "description": "a bell"}]
    ImageIndex(unit_vectors(2), entries, ABOUT).save(tmp_path / "index")
    text = (tmp_path / "index" / ENTRIES).read_text()
    assert json.loads(text) == entries
    assert "häuser" in text
    assert [caption(one) for one in entries] == ["häuser/a.png", "episode 3, step 1: a bell"]
    assert caption({"episode": 3, "step": 1, "description": ""}) == "episode 3, step 1"

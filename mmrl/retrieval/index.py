"""An image index: embeddings and entries in a folder, and nearest-neighbour search.

Up to :data:`EXACT_LIMIT` images are compared exhaustively, more by an HNSW graph of faiss. A folder
is replaced atomically, and nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from mmrl.arrays import read_npy
from mmrl.errors import UserError
from mmrl.files import atomic_folder
from mmrl.optional_packages import needed_for
from mmrl.schema import (
    Count,
    FileError,
    OpenSchema,
    Schema,
    check_regular,
    convert,
    parse_json,
    read_content,
    read_json,
    well_formed,
)
from mmrl.text_output import is_text

EXACT_LIMIT: Final = 50_000
"""Up to so many images are compared exhaustively; more are searched approximately by a graph (HNSW,
Malkov and Yashunin, 2018).
"""

MANIFEST: Final = "index.json"
ENTRIES: Final = "entries.json"
EMBEDDINGS: Final = "embeddings.npy"
GRAPH: Final = "graph.faiss"
_NEIGHBOURS: Final = 32  # M of HNSW
_EF_CONSTRUCTION: Final = 200
_EF_SEARCH: Final = 256

_LARGEST_ENTRIES: Final = 2**31  # bytes

Entry = dict[str, Any]
"""Identifies an image: by its ``file``; or by ``episode`` and ``step`` of a dataset, with the
``description`` there.
"""


class _Manifest(OpenSchema):
    """What ``index.json`` holds, beside what its maker adds."""

    width: Annotated[int, Meta(ge=1, le=2**16)]
    exact: bool
    images: Count
    model: str | UnsetType = UNSET
    weights: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    graph_sha256: str | None = None


class _FileEntry(Schema):
    """An image of a folder."""

    file: str


class _StepEntry(Schema):
    """An image of a dataset."""

    episode: Count
    step: Count
    description: str


def caption(entry: Entry) -> str:
    """A readable name of an image."""
    if "file" in entry:
        return str(entry["file"])
    place = f"episode {entry['episode']}, step {entry['step']}"
    return f"{place}: {entry['description']}" if entry["description"] else place


@dataclass(frozen=True)
class SearchResult:
    """An image and its similarity to a query.

    Attributes:
        entry: of the image.
        cosine: similarity, -1 to 1.
    """

    entry: Entry
    cosine: float


class ImageIndex:
    """A searchable set of image embeddings.

    Args:
        embeddings: unit vectors float32 [N, D].
        entries: N of them.
        about: its provenance, in plain data.
        exact_limit: above so many images, search is approximate.

    Raises:
        UserError: too many for an exact search, and faiss is not installed.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        entries: Sequence[Entry],
        about: Mapping[str, Any],
        *,
        exact_limit: int = EXACT_LIMIT,
    ) -> None:
        if len(embeddings) != len(entries):
            raise ValueError(f"{len(embeddings)} embeddings of {len(entries)} entries")
        self.embeddings, self.entries, self.about = embeddings, list(entries), dict(about)
        self._graph = _graph(embeddings) if len(entries) > exact_limit else None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def is_exact(self) -> bool:
        """Whether search is exhaustive."""
        return self._graph is None

    def search(self, query: NDArray[np.float32], top: int) -> list[SearchResult]:
        """The ``top`` images most similar to a query, a unit vector float32 [D], best first."""
        top = min(top, len(self))
        if self._graph is None:
            cosines = self.embeddings @ query
            rows = np.argsort(-cosines, kind="stable")[:top]
            cosines = cosines[rows]
        else:
            self._graph.hnsw.efSearch = max(_EF_SEARCH, 2 * top)
            cosines, rows = (found[0] for found in self._graph.search(query[None], top))
        return [
            SearchResult(self.entries[row], float(cosine))
            for row, cosine in zip(rows.tolist(), cosines, strict=True)
            if row >= 0  # faiss fills up with -1
        ]

    def save(self, folder: Path) -> None:
        """Write it into a folder; an earlier index there is replaced atomically.

        Raises:
            UserError: the folder is something else, or cannot be written.
        """
        if folder.exists() and not (folder / MANIFEST).is_file():
            raise UserError(f"{folder} exists and is no index: nothing was overwritten")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as draft:
            self._write(draft)

    def _write(self, draft: Path) -> None:
        content = io.BytesIO()  # np.save to a file hides why it cannot be written
        np.save(content, self.embeddings)
        (draft / EMBEDDINGS).write_bytes(content.getvalue())
        lines = ",\n".join(_json(entry) for entry in self.entries)
        (draft / ENTRIES).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        count, width = self.embeddings.shape
        about = {**self.about, "images": count, "width": width, "exact": self.is_exact}
        about.pop("graph_sha256", None)
        if self._graph is not None:
            _faiss().write_index(self._graph, str(draft / GRAPH))
            about["graph_sha256"] = _digest(draft / GRAPH)
        (draft / MANIFEST).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ImageIndex:
        """The index in a folder.

        Raises:
            UserError: there is none, it is damaged, or it needs faiss, which is not installed.
        """
        if not (folder / MANIFEST).is_file():
            raise UserError(f"{folder} is no index of images: 'mmrl index' makes one")
        try:
            return cls._read(folder)
        except FileError as error:
            raise UserError(f"{folder} is a damaged index: {error}. Make it again") from error

    @classmethod
    def _read(cls, folder: Path) -> ImageIndex:
        about = read_json(folder / MANIFEST, dict[str, Any])
        if "pictures" in about:  # its earlier name
            about["images"] = about.pop("pictures")
        manifest = convert(about, _Manifest, str(folder / MANIFEST))
        entries = _read_entries(folder / ENTRIES)
        embeddings = read_npy(folder / EMBEDDINGS)
        count = manifest.images
        if embeddings.shape != (count, manifest.width) or embeddings.dtype != np.float32:
            raise FileError(
                f"{folder / EMBEDDINGS} is {embeddings.dtype} {list(embeddings.shape)}, and must "
                f"be float32 {[count, manifest.width]}"
            )
        if not np.isfinite(embeddings).all():
            raise FileError(f"{folder / EMBEDDINGS} has numbers that are not finite")
        if len(entries) != count:
            raise FileError(f"{folder / ENTRIES} has {len(entries)} entries of {count} images")
        index = cls(embeddings, entries, about, exact_limit=len(entries))
        if not manifest.exact:
            index._graph = _read_graph(folder / GRAPH, embeddings.shape, manifest.graph_sha256)
        return index


def is_within(file: str) -> bool:
    """Whether a relative path stays within its folder."""
    path = Path(file)
    return not (path.anchor or ".." in path.parts or "\0" in file or not path.parts)


def _read_entries(path: Path) -> list[Entry]:
    """The entries of the images, none of which is outside their folder.

    Raises:
        FileError: the first that is no image of a folder or of a dataset.
    """
    plain = parse_json(read_content(path, _LARGEST_ENTRIES), str(path), file_names=True)
    entries = convert(plain, list[Entry], str(path))
    for number, entry in enumerate(entries):
        place = f"{path}: entry {number}"
        if "file" not in entry:
            convert(entry, _StepEntry, place)
        elif not is_within(convert(entry, _FileEntry, place).file):
            raise FileError(f"{place}: file {entry['file']!r} is no file within the folder")
    return entries


def _graph(embeddings: NDArray[np.float32]) -> Any:
    """An HNSW graph by the inner product."""
    faiss = _faiss()
    graph = faiss.IndexHNSWFlat(embeddings.shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _EF_CONSTRUCTION
    graph.add(embeddings)
    return graph


def _faiss() -> Any:
    with needed_for(f"a search among more than {EXACT_LIMIT:,} images", "search"):
        import faiss
    return faiss


def _read_graph(path: Path, shape: tuple[int, ...], digest: str | None) -> Any:
    """The graph of embeddings [N, D].

    Args:
        path: of the file.
        shape: of the embeddings.
        digest: the SHA-256 of the file, which is checked first: faiss asks for as much memory as a
            damaged one says. None for an index of an earlier version.

    Raises:
        FileError: it is damaged, or of others.
    """
    faiss = _faiss()
    check_regular(path)
    if digest is not None and _digest(path) != digest:
        raise FileError(f"{path}: its SHA-256 is not that in {MANIFEST}")
    with well_formed(path):
        graph = faiss.read_index(str(path))
        if not isinstance(graph, faiss.IndexHNSWFlat) or (graph.ntotal, graph.d) != shape:
            raise ValueError(f"it is no graph of {list(shape)} embeddings")
    return graph


def _digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(entry: Any) -> str:
    """An entry as JSON; in ASCII where a file's name is not UTF-8."""
    text = json.dumps(entry, ensure_ascii=False)
    return text if is_text(text) else json.dumps(entry)

"""An image index: embeddings and entries in a folder, and nearest-neighbour search.

Up to :data:`EXACT_LIMIT` images are compared exhaustively, more by an HNSW graph of faiss. A folder
is replaced atomically, and nothing in it is pickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.files import atomic_folder
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

_DAMAGE: Final = (
    OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, MemoryError
)  # fmt: skip

Entry = dict[str, Any]
"""Identifies an image: by its ``file``; or by ``episode`` and ``step`` of a dataset, with the
``description`` there.
"""


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
        (draft / ENTRIES).write_text(f"[\n{lines}\n]\n")
        if self._graph is not None:
            _faiss().write_index(self._graph, str(draft / GRAPH))
        count, width = self.embeddings.shape
        about = {**self.about, "images": count, "width": width, "exact": self.is_exact}
        (draft / MANIFEST).write_text(json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ImageIndex:
        """The index in a folder.

        Raises:
            UserError: there is none, it is damaged, or it needs faiss, which is not installed.
        """
        if not (folder / MANIFEST).is_file():
            raise UserError(f"{folder} is no index of images: 'mmrl index' makes one")
        try:
            about = json.loads((folder / MANIFEST).read_text())
            entries = json.loads((folder / ENTRIES).read_text())
            _check_entries(entries)
            embeddings = np.load(folder / EMBEDDINGS, allow_pickle=False)
            count = about["images"] if "images" in about else about["pictures"]  # its earlier name
            shape = (count, about["width"])
            if embeddings.shape != shape or embeddings.dtype != np.float32:
                raise ValueError(f"embeddings {embeddings.dtype} {list(embeddings.shape)}")
            index = cls(embeddings, entries, about, exact_limit=len(entries))
            if not about["exact"]:
                index._graph = _faiss().read_index(str(folder / GRAPH))
        except _DAMAGE as error:
            raise UserError(f"{folder} is a damaged index: {error!r}. Make it again") from error
        return index


def is_within(file: str) -> bool:
    """Whether a relative path stays within its folder."""
    path = Path(file)
    return not (path.anchor or ".." in path.parts or "\0" in file or not path.parts)


def _check_entries(entries: Any) -> None:
    """Refuse malformed entries, and files outside the folder of the images.

    Raises:
        ValueError: the first one.
    """
    if not isinstance(entries, list):
        raise ValueError(f"{ENTRIES} is no list")
    for entry in entries:
        if not (_is_file(entry) or _is_step(entry)):
            raise ValueError(f"{entry!r} is no image of a folder or of a dataset")


def _is_file(entry: Any) -> bool:
    file = entry.get("file") if isinstance(entry, dict) else None
    return isinstance(file, str) and is_within(file)


def _is_step(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and "file" not in entry
        and isinstance(entry.get("description"), str)
        and all(type(entry.get(k)) is int and entry[k] >= 0 for k in ("episode", "step"))
    )


def _graph(embeddings: NDArray[np.float32]) -> Any:
    """An HNSW graph by the inner product."""
    faiss = _faiss()
    graph = faiss.IndexHNSWFlat(embeddings.shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _EF_CONSTRUCTION
    graph.add(embeddings)
    return graph


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            f"more than {EXACT_LIMIT:,} images are searched by faiss, which is not installed: "
            "pip install 'multimodal-rl[search]'"
        ) from error
    return faiss


def _json(entry: Any) -> str:
    """An entry as JSON; in ASCII where a file's name is not UTF-8."""
    text = json.dumps(entry, ensure_ascii=False)
    return text if is_text(text) else json.dumps(entry)

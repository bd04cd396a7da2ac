"""The plug-in: TensorBoard's tab "Rollouts", its page and its data."""

from __future__ import annotations

import dataclasses
import json
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tensorboard.plugins import base_plugin
from werkzeug import Request, Response

from mmrl.errors import UserError
from mmrl.records import RecordError
from mmrl.records.episode import read_sheet, read_steps, read_thumbnail
from mmrl.tensorboard.export import FORMATS, formats
from mmrl.tensorboard.index import Entry, RecordIndex
from mmrl.tensorboard.query import BadQueryError, Query, facets, heatmap

STATIC: Final = Path(__file__).parent / "static"
_DAY: Final = "private, max-age=86400"  # of what never changes
_NOT_KEPT: Final = "no-store"
_MOST_SHEETS: Final = 1_000_000

Handler = Callable[[Request], Response]


class NotFoundError(Exception):
    """There is no such record, or nothing of that name in it; the message is for people."""


class RolloutsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # it has no types
    """TensorBoard's tab "Rollouts": lists, filters, plays and compares episode records.

    Args:
        context: of TensorBoard, whose log folders are searched for records.
    """

    plugin_name = "rollouts"

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        self._index = RecordIndex(log_folders(context))

    def get_plugin_apps(self) -> Mapping[str, Any]:
        """The page's files and the data, by their routes."""
        files = {
            f"/{path.name}": _file(path) for path in sorted(STATIC.iterdir()) if path.is_file()
        }
        handlers = {
            "/episodes": self._episodes,
            "/heatmap": self._heatmap,
            "/episode": self._episode,
            "/sheet": self._sheet,
            "/thumbnail": self._thumbnail,
            "/export": self._export,
        }
        return {
            **files,
            **{route: Request.application(_answered(one)) for route, one in handlers.items()},
        }

    def is_active(self) -> bool:
        """Whether there is a record."""
        return self._index.has_records()

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The name of the tab, and where its page begins."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Rollouts")

    def _episodes(self, request: Request) -> Response:
        query, scan = Query.of(request.args), self._index.scan()
        page, total = query.page(scan.entries.values())
        return _json(
            {
                "episodes": [_listed(one) for one in page],
                "total": total,
                "all": len(scan.entries),
                "facets": facets(scan.entries.values()),
                "damaged": scan.damaged,
                "newer": scan.newer,
                "left_out": scan.left_out,
                "formats": formats(),
            }
        )

    def _heatmap(self, request: Request) -> Response:
        query, scan = Query.of(request.args), self._index.scan()
        return _json(heatmap([one for one in scan.entries.values() if query.matches(one)]))

    def _episode(self, request: Request) -> Response:
        entry = self._entry(request)
        return _json({**_listed(entry), **read_steps(entry.path)})

    def _sheet(self, request: Request) -> Response:
        entry, camera = self._entry(request), request.args.get("camera", "")
        text = request.args.get("number", "")
        if camera not in entry.summary.cameras:
            raise NotFoundError(f"{entry.id} has no camera {camera[:40]!r}")
        if not (text.isascii() and text.isdigit() and int(text[:9]) < _MOST_SHEETS):
            raise BadQueryError(f"number={text[:40]!r}: must be the number of a sheet")
        return _bytes(read_sheet(entry.path, camera, int(text)), "image/webp")

    def _thumbnail(self, request: Request) -> Response:
        return _bytes(read_thumbnail(self._entry(request).path), "image/webp")

    def _export(self, request: Request) -> Response:
        entry, name = self._entry(request), request.args.get("format", "")
        if name not in formats():
            raise BadQueryError(f"format={name[:40]!r}: must be one of {', '.join(formats())}")
        make, media_type, ending = FORMATS[name]
        try:
            content = make(entry.path)
        except OSError as error:
            raise RecordError(f"{entry.id}: {error}") from error
        answer = _bytes(content, media_type)
        stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(entry.id).stem)
        answer.headers["Content-Disposition"] = f'attachment; filename="{stem}.{ending}"'
        return answer

    def _entry(self, request: Request) -> Entry:
        """The record that a request names: one of those that were found, and no other file."""
        wanted = request.args.get("id", "")
        entry = self._index.scan().entries.get(wanted)
        if entry is None:
            raise NotFoundError(f"there is no record {wanted[:200]!r}")
        return entry


def log_folders(context: base_plugin.TBContext) -> dict[str, Path]:
    """The log folders of TensorBoard by the names that go before their runs."""
    if context.logdir:
        return {"": Path(context.logdir)}
    spec = getattr(context.flags, "logdir_spec", "") or ""
    folders = {}
    for part in filter(None, spec.split(",")):
        name, colon, path = part.partition(":")
        folders[name if colon and "/" not in name else part.strip("/")] = Path(
            path if colon and "/" not in name else part
        )
    return folders


def _listed(entry: Entry) -> dict[str, Any]:
    summary = dataclasses.asdict(entry.summary)
    return {"id": entry.id, "run": entry.run, "time": entry.time, **summary}


def _answered(handler: Handler) -> Handler:
    """A handler whose errors are answers of one sentence, and not tracebacks."""

    def answer(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _error(405, "only GET is answered")
        try:
            return handler(request)
        except BadQueryError as error:
            return _error(400, str(error))
        except NotFoundError as error:
            return _error(404, str(error))
        except UserError as error:  # damaged since it was found
            return _error(422, str(error))

    return answer


def _file(path: Path) -> Any:
    """Serves one of the page's files."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = "application/javascript" if path.suffix == ".js" else kind

    def serve(_: Request) -> Response:
        return _bytes(path.read_bytes(), f"{kind}; charset=utf-8", cache="no-cache")

    return Request.application(serve)


def _json(value: Any, status: int = 200) -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _bytes(text.encode(), "application/json; charset=utf-8", status, cache=_NOT_KEPT)


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


def _bytes(content: bytes, media_type: str, status: int = 200, *, cache: str = _DAY) -> Response:
    headers = {"Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
    return Response(content, status, headers, content_type=media_type)

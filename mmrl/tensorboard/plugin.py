"""The plug-in: TensorBoard's tab "Rollouts", its page and its data."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tensorboard.plugins import base_plugin
from werkzeug import Request, Response

from mmrl.errors import UserError
from mmrl.records import RecordError
from mmrl.records.file import read_sheet, read_thumbnail
from mmrl.tensorboard.export import FORMATS, formats
from mmrl.tensorboard.index import Entry, RecordIndex
from mmrl.tensorboard.query import BadQueryError, Query, facets, heatmap
from mmrl.tensorboard.steps import checked_steps

STATIC: Final = Path(__file__).parent / "static"
_FOREVER: Final = "private, max-age=31536000, immutable"  # where the address has the version
_ASKED_AGAIN: Final = "private, no-cache"  # kept, and asked whether it is still the same
_NOT_KEPT: Final = "no-store"
_MOST_SHEETS: Final = 1_000_000
_PACKED: Final = 1_000  # bytes: shorter answers are sent as they are

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
        steps = checked_steps(Path(entry.path), entry.summary.steps)
        return _of_record(request, entry, _json({**_listed(entry), **steps}))

    def _sheet(self, request: Request) -> Response:
        entry, camera = self._entry(request), request.args.get("camera", "")
        text = request.args.get("number", "")
        if camera not in entry.summary.cameras:
            raise NotFoundError(f"{entry.id} has no camera {camera[:40]!r}")
        if not (text.isascii() and text.isdigit() and int(text[:9]) < _MOST_SHEETS):
            raise BadQueryError(f"number={text[:40]!r}: must be the number of a sheet")
        content = read_sheet(Path(entry.path), camera, int(text))
        return _of_record(request, entry, _bytes(content, "image/webp"))

    def _thumbnail(self, request: Request) -> Response:
        entry = self._entry(request)
        content = read_thumbnail(Path(entry.path))
        return _of_record(request, entry, _bytes(content, "image/webp"))

    def _export(self, request: Request) -> Response:
        entry, name = self._entry(request), request.args.get("format", "")
        if name not in formats():
            raise BadQueryError(f"format={name[:40]!r}: must be one of {', '.join(formats())}")
        make, media_type, ending = FORMATS[name]
        try:
            content = make(Path(entry.path))
        except (OSError, MemoryError) as error:
            raise RecordError(f"{entry.id}: {error}") from error
        answer = _of_record(request, entry, _bytes(content, media_type))
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
        return {"": Path(context.logdir).expanduser()}
    folders = {}
    for part in filter(None, (getattr(context.flags, "logdir_spec", "") or "").split(",")):
        name, colon, path = part.partition(":")
        if not colon or part.startswith("/"):
            name, path = part.strip("/"), part
        folders[name] = Path(path).expanduser()
    return folders


def _listed(entry: Entry) -> dict[str, Any]:
    summary = dataclasses.asdict(entry.summary)
    return {
        "id": entry.id, "run": entry.run, "time": entry.time, "version": entry.version, **summary
    }  # fmt: skip


def _of_record(request: Request, entry: Entry, answer: Response) -> Response:
    """An answer that stays right as long as the file is the same."""
    is_versioned = request.args.get("version") == entry.version
    answer.headers["Cache-Control"] = _FOREVER if is_versioned else _ASKED_AGAIN
    answer.set_etag(entry.version)
    return answer.make_conditional(request)


def _answered(handler: Handler) -> Handler:
    """A handler whose errors are answers of one sentence, and not tracebacks."""

    def answer(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _error(405, "only GET is answered")
        try:
            return _packed(request, handler(request))
        except BadQueryError as error:
            return _error(400, str(error))
        except NotFoundError as error:
            return _error(404, str(error))
        except (UserError, RecursionError) as error:  # damaged since it was found
            return _error(404, str(error))

    return answer


def _packed(request: Request, answer: Response) -> Response:
    """An answer of JSON compressed, where the browser takes that."""
    if (
        answer.mimetype == "application/json"
        and request.accept_encodings.quality("gzip") > 0
        and len(content := answer.get_data()) > _PACKED
    ):
        answer.set_data(gzip.compress(content, 3, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
        answer.vary.add("Accept-Encoding")
    return answer


def _file(path: Path) -> Any:
    """Serves one of the page's files."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = "text/javascript" if path.suffix == ".js" else kind

    def serve(request: Request) -> Response:
        answer = _bytes(path.read_bytes(), f"{kind}; charset=utf-8")
        answer.headers["Cache-Control"] = _ASKED_AGAIN
        answer.add_etag()
        return answer.make_conditional(request)

    return Request.application(serve)


def _json(value: Any, status: int = 200) -> Response:
    try:
        text = _text(value)
    except ValueError:  # a file has numbers that JSON has not
        text = _text(_finite(value))
    return _bytes(text.encode("utf-8", "replace"), "application/json; charset=utf-8", status)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    """A value in which null is in the place of numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


def _bytes(content: bytes, media_type: str, status: int = 200) -> Response:
    headers = {"Cache-Control": _NOT_KEPT, "X-Content-Type-Options": "nosniff"}
    return Response(content, status, headers, content_type=media_type)

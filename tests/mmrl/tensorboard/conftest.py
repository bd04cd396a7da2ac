"""A log folder of synthetic records, and requests to the plug-in without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_episodes import write_runs
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client, TestResponse

from mmrl.tensorboard.plugin import RolloutsPlugin


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of 24 episodes, one damaged record and one of a newer format."""
    folder = tmp_path_factory.mktemp("logs") / "runs"
    write_runs(folder)
    episodes = folder / "planner" / "episodes"
    (episodes / "cut.episode").write_bytes(b"PK\x03\x04 no record")
    whole = (episodes / "0000.episode").read_bytes()
    (episodes / "newer.episode").write_bytes(_renumbered(whole))
    return folder


def _renumbered(content: bytes) -> bytes:
    """A record as of format 99, whose summary is read as a zip file's member."""
    import io
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as file:
        summary = {**json.loads(source.read("summary.json")), "format": 99}
        file.writestr("summary.json", json.dumps(summary))
    return target.getvalue()


class Requests:
    """Requests to the plug-in of a log folder."""

    def __init__(self, folder: Path) -> None:
        self.plugin = RolloutsPlugin(TBContext(logdir=str(folder)))
        self._apps = self.plugin.get_plugin_apps()

    def get(self, route: str, parameters: Any = None, **more: Any) -> TestResponse:
        """The answer to a request."""
        return Client(self._apps[route]).get(route, query_string=parameters, **more)

    def json(self, route: str, parameters: Any = None) -> Any:
        """The content of an answer that has to be right."""
        answer = self.get(route, parameters)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.data, parse_constant=pytest.fail)

    def ids(self, **parameters: Any) -> list[str]:
        """The ids of a list of episodes."""
        return [one["id"] for one in self.json("/episodes", parameters)["episodes"]]


@pytest.fixture(scope="session")
def requests(runs: Path) -> Requests:
    return Requests(runs)


@pytest.fixture
def of_folder() -> Callable[[Path], Requests]:
    """Makes requests to the plug-in of any folder."""
    return Requests

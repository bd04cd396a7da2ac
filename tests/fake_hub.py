"""A hub on this machine: the few endpoints of the Hugging Face Hub that huggingface_hub uses here.

Repositories are kept in memory; each commit is a whole set of files. A private repository is there
for those who send :data:`TOKEN` alone, and writing needs it.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

TOKEN = "hf_of_the_tests"


class Repository:
    """Commits by their numbers, the newest last."""

    def __init__(self, private):
        self.private = private
        self.commits = [{}]
        self.branches = {"main": 0}

    def commit_of(self, revision):
        number = self.branches.get(revision)
        shas = {self.sha(k): k for k in range(len(self.commits))}
        return shas.get(revision) if number is None else number

    @staticmethod
    def sha(number):
        return hashlib.sha1(str(number).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    @property
    def hub(self):
        return self.server.hub

    def do_GET(self):
        self._answer()

    def do_HEAD(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        path = [unquote(part) for part in urlparse(self.path).path.strip("/").split("/")]
        self.hub.requests.append((self.command, "/".join(path)))
        if path[0] != "api":
            return self._file(path)
        if path[1:] == ["repos", "create"]:
            return self._create(json.loads(body))
        if path[1] == "validate-yaml":
            return self._json({"errors": [], "warnings": []})
        kind, repo, rest = path[1], "/".join(path[2:4]), path[4:] or ["revision", "main"]
        return self._api(kind, repo, rest, body)

    def _api(self, kind, repo, rest, body):
        found = self._find(kind, repo)
        if found is None:
            return None
        if rest[0] == "commit":
            return self._commit(found, repo, rest[1], body)
        if rest[0] == "preupload":
            files = json.loads(body)["files"]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            return self._json({"files": [{"path": one["path"], **plain} for one in files]})
        number = found.commit_of(rest[1])
        if number is None:
            return self._error(404, "RevisionNotFound", "no such revision")
        files = found.commits[number]
        if rest[0] == "tree":
            return self._json(
                [
                    {"type": "file", "path": k, "size": len(v), "oid": _oid(v)}
                    for k, v in files.items()
                ]
            )
        listed = self.hub.lie or {k: len(v) for k, v in files.items()}
        siblings = [{"rfilename": k, "size": size, "blobId": "0"} for k, size in listed.items()]
        return self._json({"id": repo, "sha": found.sha(number), "siblings": siblings,
                           "private": found.private, "tags": [], "downloads": 0})  # fmt: skip

    def _create(self, given):
        if not self._is_known:
            return self._error(401, None, "log in")
        kind = f"{given.get('type') or 'model'}s"
        key = (kind, f"{given['organization']}/{given['name']}")
        if key in self.hub.repositories:
            return self._json({"url": f"{self.hub.url}/{key[1]}"}, 409)
        self.hub.repositories[key] = Repository(given.get("visibility") == "private")
        return self._json({"url": f"{self.hub.url}/{key[1]}"})

    def _commit(self, found, repo, branch, body):
        if not self._is_known:
            return self._error(403, None, "not yours")
        files = dict(found.commits[found.branches[branch]])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        found.commits.append(files)
        found.branches[branch] = len(found.commits) - 1
        sha = found.sha(found.branches[branch])
        return self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{sha}", "commitOid": sha})

    def _file(self, path):
        kind = "datasets" if path[0] == "datasets" else "models"
        path = path[1:] if kind == "datasets" else path
        found = self._find(kind, "/".join(path[:2]))
        if found is None:
            return
        number = found.commit_of(path[3])
        name = "/".join(path[4:])
        if name not in found.commits[number]:
            self._error(404, "EntryNotFound", "no such file")
            return
        content = found.commits[number][name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("X-Repo-Commit", found.sha(number))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _find(self, kind, repo):
        found = self.hub.repositories.get((kind, repo))
        if found is None or (found.private and not self._is_known):
            self._error(404 if self._is_known else 401, "RepoNotFound", "no such repository")
            return None
        return found

    @property
    def _is_known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status, code, message):
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


class FakeHub:
    """The server, and what it holds.

    Attributes:
        url: its address.
        repositories: by kind ("models", "datasets") and user/name.
        requests: methods and paths, as they came.
        lie: files and sizes that it lists instead of its own.
    """

    def __init__(self):
        self.repositories, self.requests, self.lie = {}, [], None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.hub = self
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def files(self, repo, kind="models"):
        """The files of the newest commit."""
        return self.repositories[kind, repo].commits[-1]

    def add(self, repo, files, kind="models"):
        """A repository that somebody else made."""
        made = self.repositories.setdefault((kind, repo), Repository(private=False))
        made.commits.append(dict(files))
        made.branches["main"] = len(made.commits) - 1

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fake_hub(monkeypatch, cache, token=TOKEN):
    """A block in which huggingface_hub of this process, and of those that it begins, uses it."""
    import huggingface_hub.constants as constants

    hub = FakeHub()
    for name, value in environment(hub, cache, token).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        yield hub
    finally:
        hub.close()


def environment(hub, cache, token=TOKEN):
    """The variables by which a process finds it."""
    return {
        "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0", "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    }  # fmt: skip


def _oid(content):
    return hashlib.sha1(content).hexdigest()

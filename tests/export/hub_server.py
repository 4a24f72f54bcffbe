"""A loopback server that speaks the calls of the Hugging Face Hub which publishing and loading make.

Written against huggingface_hub 2.4: repositories, branches, uploads (git LFS), commits, listings, downloads
with ranges, and the headers by which the Hub names its errors.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_right"
OWNER = "me"


@dataclass
class Repository:
    """Branches to commits, commits to files."""

    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: bool = False

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        listing = "".join(f"{path}{hashlib.sha1(content).hexdigest()}" for path, content in files.items())
        oid = hashlib.sha1(f"{len(self.commits)}{listing}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Hub:
    """What the server holds, and which faults it shows.

    Attributes:
        repositories: by owner/name.
        uploads: content by SHA-256.
        cut: files (a pattern) of which a download breaks off in the middle, each time.
        refuse_uploads: answer uploads with an internal error.
        requests: method and path of each request.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    cut: str = ""
    refuse_uploads: bool = False
    requests: list[str] = field(default_factory=list)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[name]
        return repository.commits[repository.branches[revision]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else self._chunked()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != TOKEN:
            self._answer(401, {"error": "Invalid credentials in Authorization header"})
            return
        for method, pattern, call in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == self.command.replace("HEAD", "GET"):
                call(self, body, *found.groups())
                return
        self._answer(404, {"error": f"not spoken here: {self.command} {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def _chunked(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, content: Any = None, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _may_write(self, name: str) -> bool:
        if "Authorization" not in self.headers:
            self._answer(401, {"error": "Invalid username or password."})
        elif not name.startswith(f"{OWNER}/"):
            self._answer(403, {"error": "You don't have the rights to create a model under this namespace"})
        else:
            return True
        return False

    def _found(self, name: str, revision: str) -> tuple[Repository, str] | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and "Authorization" not in self.headers):
            status = 404 if "Authorization" in self.headers else 401
            self._answer(status, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        oid = repository.at(revision)
        if oid is None:
            message = f"Invalid rev id: {revision}"
            self._answer(404, {"error": message}, X_Error_Code="RevisionNotFound", X_Error_Message=message)
            return None
        return repository, oid

    # Publishing

    def create(self, body: bytes) -> None:
        wanted = json.loads(body)
        name = f"{wanted.get('organization') or OWNER}/{wanted['name']}"
        if not self._may_write(name):
            return
        answer = {"url": f"{self.hub.address}/{name}", "name": name}
        if name in self.hub.repositories:
            self._answer(409, {"error": "You already created this model repo", **answer})
            return
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        repository = self.hub.repositories[name] = Repository(private=private)
        repository.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self._answer(200, answer)

    def branch(self, body: bytes, name: str, branch: str) -> None:
        if self._may_write(name):
            repository = self.hub.repositories[name]
            status = 409 if branch in repository.branches else 201
            repository.branches.setdefault(branch, repository.branches["main"])
            self._answer(status, {"error": "Reference already exists"} if status == 409 else {})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self._may_write(name):
            large = (".safetensors", ".npz", ".png")
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(large) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": modes})

    def batch(self, body: bytes, name: str) -> None:
        if self._may_write(name):
            objects = []
            for entry in json.loads(body)["objects"]:
                upload = {"href": f"{self.hub.address}/lfs/{entry['oid']}"}
                known = entry["oid"] in self.hub.uploads
                objects.append({**entry, **({} if known else {"actions": {"upload": upload}})})
            self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        if self.hub.refuse_uploads:
            self._answer(507, {"error": "no"})
            return
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.uploads[oid] = body
        self._answer(200, {})

    def commit(self, body: bytes, name: str, branch: str) -> None:
        if not self._may_write(name):
            return
        repository = self.hub.repositories[name]
        files = dict(repository.commits[repository.branches[branch]])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(branch, files)
        self._answer(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{oid}", "commitOid": oid})

    def validate_card(self, body: bytes) -> None:
        """The checks of the Hub that need no list of its own."""
        content = json.loads(body)["content"]
        _, metadata, _ = content.split("---\n", 2)
        data = yaml.safe_load(metadata)
        wrong = [key for key in ("license", "pipeline_tag") if not isinstance(data.get(key), str)]
        self._answer(400 if wrong else 200, {"errors": [{"message": key} for key in wrong], "warnings": []})

    # Loading

    def info(self, body: bytes, name: str, _: str | None, revision: str | None) -> None:
        found = self._found(name, revision or "main")
        if found is not None:
            siblings = [{"rfilename": path} for path in found[0].commits[found[1]]]
            self._answer(200, {"_id": "1", "id": name, "sha": found[1], "siblings": siblings, "tags": []})

    def tree(self, body: bytes, name: str, revision: str) -> None:
        found = self._found(name, revision)
        if found is not None:
            files = found[0].commits[found[1]]
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            self._answer(200, entries)

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        content = found[0].commits[found[1]].get(path)
        if content is None:
            self._answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        part = content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", found[1])
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = bool(self.hub.cut) and fnmatch(path, self.hub.cut)
        self.wfile.write(part[: len(part) // 2] if cut else part)
        self.close_connection = cut


_NAME, _REVISION = r"([^/]+/[^/]+)", r"([^/]+)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate_card),
    ("POST", f"/api/models/{_NAME}/branch/{_REVISION}", _Handler.branch),
    ("POST", f"/api/models/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    ("POST", f"/api/models/{_NAME}/commit/{_REVISION}", _Handler.commit),
    ("POST", f"/{_NAME}\\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/lfs/([0-9a-f]+)", _Handler.upload),
    ("GET", f"/api/models/{_NAME}(/revision/{_REVISION})?", _Handler.info),
    ("GET", f"/api/models/{_NAME}/tree/{_REVISION}", _Handler.tree),
    ("GET", f"/{_NAME}/resolve/{_REVISION}/(.+)", _Handler.resolve),
]


@contextlib.contextmanager
def run_hub() -> Iterator[Hub]:
    """Run a server on a free port of this machine."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

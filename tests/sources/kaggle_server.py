"""A server on loopback that speaks Kaggle's download calls, and can fail in each way that the real one can.

The client posts JSON to `/api/v1/datasets.DatasetApiService/{GetDataset,DownloadDataset}`; the second call is
answered by a redirect to the storage, which announces an MD5 in `x-goog-hash` and honours `Range`, as Google
does.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit


@contextlib.contextmanager
def the_port(port: int) -> Iterator[None]:
    """Keep a fixed port from parallel runs of these tests; waits up to a minute for them. 0 is any port."""
    with Path(tempfile.gettempdir(), f"palms-test-port-{port}-{os.getuid()}.lock").open("w") as lock:
        deadline = time.monotonic() + 60
        while port:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield


@dataclass
class Faults:
    """What goes wrong; nothing by default."""

    status: int | None = None  # every call of the API answers with it
    storage_status: int | None = None  # the API redirects, the storage refuses
    break_off_after: int | None = None  # bytes of the archive, then the connection closes
    break_offs: list[int] = field(default_factory=list)  # the same for each request of the storage in turn
    cut_to: int | None = None  # bytes of the archive that the storage believes to be all of it
    ignore_range: bool = False  # the storage answers a range with everything
    not_resumable: bool = False  # the storage does not announce ranges
    wrong_checksum: bool = False
    no_checksum: bool = False
    login_page: bool = False  # a captive portal answers everything


@dataclass
class KaggleServer:
    """Serves `archives[owner/slug][version]`; `log` holds one line a request, `METHOD what`."""

    port: int = 0
    archives: dict[str, dict[int, bytes]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    log: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def __enter__(self) -> KaggleServer:
        server = self

        class Handler(_Handler):
            kaggle = server

        deadline = time.monotonic() + 60
        while True:
            try:
                self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
                break
            except OSError:  # a parallel run has the port
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def downloads(self) -> int:
        return sum(line.startswith("GET /storage/") for line in self.log)


class _Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer

    def do_POST(self) -> None:
        call = urlsplit(self.path).path.rpartition("/")[2]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        handle, version = f"{asked['ownerSlug']}/{asked['datasetSlug']}", asked.get("datasetVersionNumber")
        self.kaggle.log.append(f"POST {call} {handle}" + (f" {version}" if version else ""))
        self.kaggle.authorizations.append(self.headers["Authorization"])
        faults, versions = self.kaggle.faults, self.kaggle.archives.get(handle, {})
        if faults.login_page:
            self._reply(200, b"<html>Welcome to the airport</html>", {"Content-Type": "text/html"})
        elif faults.status:
            self._refuse(faults.status)
        elif not versions or (version and version not in versions):
            self._refuse(404)
        elif call == "GetDataset":
            self._json(200, {"ref": handle, "currentVersionNumber": max(versions)})
        else:
            self._reply(302, b"", {"Location": f"/storage/{handle}/{version}/archive.zip?X-Goog-Signature=0"})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        wanted = self.headers["Range"]
        self.kaggle.log.append(f"GET {path}" + (f" {wanted}" if wanted else ""))
        faults = self.kaggle.faults
        if faults.storage_status:
            return self._reply(faults.storage_status, b"<Error/>", {"Content-Type": "application/xml"})
        _, _, owner, slug, version, _ = path.split("/")
        archive = self.kaggle.archives[f"{owner}/{slug}"][int(version)][: faults.cut_to]
        checksum = base64.b64encode(
            hashlib.md5(b"other" if faults.wrong_checksum else archive).digest()
        ).decode()
        headers = {"Content-Type": "application/zip"}
        if not faults.not_resumable:
            headers["Accept-Ranges"] = "bytes"
        if not faults.no_checksum:
            headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={checksum}"
        ranged = wanted and not faults.ignore_range
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if ranged else 0
        break_off = faults.break_offs.pop(0) if faults.break_offs else faults.break_off_after
        if start >= len(archive):
            return self._reply(416, b"<Error/>", headers)
        return self._reply(206 if start else 200, archive[start:], headers, break_off)

    def _refuse(self, status: int) -> None:
        self._json(status, {"code": status, "message": f"Refused with {status}"})

    def _json(self, status: int, body: dict[str, object]) -> None:
        self._reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _reply(
        self, status: int, body: bytes, headers: dict[str, str], break_off_after: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client wanted the headers only
            self.wfile.write(body[:break_off_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

"""Downloads one archive so that a broken connection costs nothing: it resumes where it stopped."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from palm_assets.errors import CorruptDownloadError

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

TIMEOUT = (10, 30)  # seconds to connect, and between bytes
MAX_STALLS = 4  # attempts in a row that bring not one byte
_CHUNK = 1 << 20
_REPORT_SECONDS = 5.0
_ARCHIVE, _IDENTITY = "archive", "identity.json"
_AGAIN_HINT = "Run it again, and tell the owner of the data set if that does not help."


class Download:
    """An archive on its way, in a folder of its own; what has arrived is kept until `remove`."""

    def __init__(self, folder: Path, name: str, report: Callable[[str], None]) -> None:
        self.archive = folder / _ARCHIVE
        self._folder = folder
        self._name = name
        self._report = report
        self._resumed = False

    def fetch(self, request: Callable[[], contextlib.AbstractContextManager[Response]]) -> None:
        """Download the archive, resuming after each break as long as bytes arrive.

        Args:
            request: asks for the whole archive; its response is streamed, and names its URL and its MD5.

        Raises:
            CorruptDownloadError: what arrived does not have the MD5 that was announced.
            requests.RequestException: the server cannot be reached, or refuses.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        stalls = 0
        while True:
            before = self._size()
            try:
                self._attempt(request)
                return
            except Exception as error:
                arrived = self._size()
                stalls = 0 if arrived > before else stalls + 1
                if not _may_pass(error) or arrived == 0 or stalls >= MAX_STALLS:
                    if not _may_pass(error) or arrived == 0:
                        self.remove()  # nothing to resume, or it would fail again
                    raise
                log.warning("The download of %s broke off: %s", self._name, error)
                self._report(f"the connection broke off, resuming {self._name} after {_megabytes(arrived)}")
                time.sleep(min(0.2 * 4**stalls, 10))

    def remove(self) -> None:
        """Remove what has arrived."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _attempt(self, request: Callable[[], contextlib.AbstractContextManager[Response]]) -> None:
        with request() as response:
            total = int(response.headers.get("Content-Length") or 0)
            md5 = _announced_md5(response)
            start = self._resumable_from(response, total, md5)
            if start == 0:
                self._receive(response, 0, total)
        if 0 < start < total:
            with _ranged(response.url, start) as rest:
                # A server that ignores the range sends everything again.
                self._receive(rest, start if rest.status_code == 206 else 0, total)
        if md5 is not None and (actual := _md5_of(self.archive)) != md5:
            resumed, self._resumed = self._resumed, False
            self.archive.unlink()
            if resumed:  # one of the parts may be of another file: once more from the start
                self._attempt(request)
                return
            raise CorruptDownloadError(
                f"The download is damaged: its MD5 is {actual}, Kaggle announced {md5}",
                where=self._name,
                hint=_AGAIN_HINT,
            )

    def _resumable_from(self, response: Response, total: int, md5: str | None) -> int:
        """Bytes that are here of the very archive that the server offers; notes which one that is."""
        identity = json.dumps({"md5": md5, "bytes": total, "etag": response.headers.get("ETag")})
        noted = self._folder / _IDENTITY
        same = noted.is_file() and noted.read_text(encoding="utf-8") == identity
        size = self._size()
        if same and response.headers.get("Accept-Ranges") == "bytes" and 0 < size <= total:
            self._resumed = True
            return size
        self._resumed = False
        self.archive.unlink(missing_ok=True)
        noted.write_text(identity, encoding="utf-8")
        return 0

    def _receive(self, response: Response, start: int, total: int) -> None:
        """Append the body of a response to the first `start` bytes."""
        reported = time.monotonic()
        with (
            self.archive.open("r+b" if self.archive.exists() else "wb") as file,
            tqdm(total=total or None, initial=start, unit="B", unit_scale=True, unit_divisor=1024) as bar,
        ):
            file.seek(start)
            file.truncate()
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
                if time.monotonic() - reported > _REPORT_SECONDS:
                    reported = time.monotonic()
                    self._report(f"downloading {self._name}: {_progress(file.tell(), total)}")
            self._report(f"downloaded {self._name}: {_progress(file.tell(), total)}")

    def _size(self) -> int:
        return self.archive.stat().st_size if self.archive.is_file() else 0


@contextlib.contextmanager
def _ranged(url: str, start: int) -> Iterator[Response]:
    import requests

    with requests.get(url, headers={"Range": f"bytes={start}-"}, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        yield response


def _chunks(response: Response) -> Iterator[bytes]:
    """The body as it arrives: `iter_content` loses the bytes of a chunk that a break leaves incomplete."""
    import requests
    import urllib3.exceptions as failures

    if response.raw.tell() > 0:  # kagglehub's test environment has read and printed it
        yield from response.iter_content(_CHUNK)
        return
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            yield chunk
    except failures.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except failures.HTTPError as error:  # base of urllib3's errors: timeouts, resets, incomplete bodies
        raise requests.exceptions.ChunkedEncodingError(error) from error


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later: a lost connection, or a server that is overloaded."""
    import requests

    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in (408, 429, 500, 502, 503, 504)
    return isinstance(
        error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    )


def _announced_md5(response: Response) -> str | None:
    """The MD5 (base64) in the header `x-goog-hash: crc32c=...,md5=...`."""
    parts = response.headers.get("x-goog-hash", "").split(",")
    return next((part.strip()[4:] for part in parts if part.strip().startswith("md5=")), None)


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return base64.b64encode(hashlib.file_digest(stream, hashlib.md5).digest()).decode()


def _progress(done: int, total: int) -> str:
    share = f" of {_megabytes(total)} ({done / total:.0%})" if total else ""
    return f"{_megabytes(done)}{share}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def fsync_tree(root: Path) -> None:
    """Have a folder and everything in it on the disk before something refers to it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:  # one by one, 11,000 photos take 35 s instead of 3
        list(pool.map(fsync, (*root.rglob("*"), root)))


def fsync(path: Path) -> None:
    """Have a file or folder on the disk before something refers to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

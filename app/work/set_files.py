"""The files of generated sets: on the disk, without a name, gone with the last set that holds one."""

from __future__ import annotations

import io
import os
import tempfile
import threading
import zipfile


class EvictedError(Exception):
    """The palms of a set that was evicted are asked for."""


class SetFile:
    """A file for one set, which grows while the set is generated.

    It has no name, so the system frees its space when it is closed, however the server ends.

    Attributes:
        visitor: whose set it is.
        stream: to write to.
    """

    def __init__(self, visitor: str = "") -> None:
        self.visitor = visitor
        self._lock = (
            threading.Lock()
        )  # another thread may close it: then its descriptor is soon another file's
        self.stream = tempfile.TemporaryFile(prefix="palms-")  # noqa: SIM115  # closed with the set

    @property
    def size(self) -> int:
        """Bytes on the disk; 0 once it is closed."""
        with self._lock:
            return self._size()

    def read(self) -> bytes:
        """All bytes; none once it is closed."""
        with self._lock:
            size = self._size()
            return os.pread(self.stream.fileno(), size, 0) if size else b""

    def open_zip(self) -> zipfile.ZipFile:
        """The ZIP in it, read independently of other readers; it stays readable if the file is closed.

        Raises:
            EvictedError: it is closed already.
        """
        with self._lock:
            if self.stream.closed:
                raise EvictedError
            reader = _Reader(self.stream.fileno())
        return zipfile.ZipFile(io.BufferedReader(reader))

    def close(self) -> None:
        """Free the space, as soon as nobody reads it any more."""
        with self._lock:
            self.stream.close()

    def _size(self) -> int:
        return 0 if self.stream.closed else os.fstat(self.stream.fileno()).st_size


class _Reader(io.RawIOBase):
    """Reads an open file with a position of its own, which a copied descriptor would share."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}
        if whence == os.SEEK_END:
            self._position = os.fstat(self._descriptor).st_size + offset
        else:
            self._position = start[whence] + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Read what is at the position."""
        data = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

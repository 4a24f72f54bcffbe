"""Visitors without a browser: each speaks Streamlit's protocol over a WebSocket, as a browser tab does."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

PATIENCE = 300.0


@dataclass
class Visitor(threading.Thread):
    """Opens the link of a set, polls as the page requests, and stays until the palms are there, or leaves.

    Attributes:
        address: of the page.
        query: of the link.
        awaited: heading over the finished set.
        leaves: whether the tab is closed as soon as there is progress to be seen.
        headings: all that were shown; `alerts` and `exceptions` likewise.
        seconds: from the connection to the palms.
        received: bytes.
        trouble: what went wrong on this side.
        patience: how long it waits in all, in seconds.
    """

    address: str
    query: str
    awaited: str
    leaves: bool = False
    headings: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    seconds: float = 0.0
    received: int = 0
    trouble: str = ""
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._polls: dict[str, tuple[float, float]] = {}  # fragment to its interval and when it is due
        self._progress = False
        self._session = self._zip_button = self._zip_url = ""

    def __hash__(self) -> int:
        return id(self)

    @property
    def has_palms(self) -> bool:
        return self.awaited in self.headings

    def run(self) -> None:
        socket = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        start = time.monotonic()
        self._patience_ends = start + self.patience
        try:
            with connect(
                socket,
                origin=self.address,  # type: ignore[arg-type]
                subprotocols=["streamlit"],  # type: ignore[list-item]
                max_size=None,
                open_timeout=self.patience,
                ping_timeout=None,
            ) as connection:
                self.visit(connection)
        except Exception as error:
            self.trouble = repr(error)
        self.seconds = time.monotonic() - start

    def visit(self, connection: ClientConnection) -> None:
        """What the visitor does, from the first request on."""
        self.request(connection, self.query)

    def request(self, connection: ClientConnection, query: str) -> None:
        """Open a link, and wait for its palms, or until there is progress to be seen."""
        self.query = query
        self.headings.clear()
        self._zip_button = ""
        self._say(connection)
        self._wait(connection, lambda: self.has_palms or (self.leaves and self._progress))

    def download(self, connection: ClientConnection) -> int:
        """Download the ZIP of the set with the page's button; its size in bytes."""
        self._wait(connection, lambda: bool(self._zip_button))
        message = BackMsg()
        message.backend_operation_request.request_id = self._zip_button
        message.backend_operation_request.session_id = self._session
        message.backend_operation_request.deferred_file.file_id = self._zip_button
        self._zip_url = ""
        connection.send(message.SerializeToString())
        self._wait(connection, lambda: bool(self._zip_url))
        size = 0
        with urllib.request.urlopen(self.address + self._zip_url, timeout=self.patience) as answer:
            while part := answer.read(1 << 20):
                size += len(part)
        return size

    def _wait(self, connection: ClientConnection, met: Callable[[], bool]) -> None:
        """Listen, and poll as the page requests, until something is there."""
        while not met():
            if time.monotonic() > self._patience_ends:
                raise TimeoutError(f"not there after {self.patience:.0f} s; headings: {self.headings}")
            self._listen(connection)
            self._poll(connection)

    def _say(self, connection: ClientConnection, fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        connection.send(message.SerializeToString())

    def _poll(self, connection: ClientConnection) -> None:
        now = time.monotonic()
        for fragment, (interval, due) in self._polls.items():
            if now >= due:
                self._polls[fragment] = interval, now + interval
                self._say(connection, fragment)

    def _listen(self, connection: ClientConnection) -> None:
        due = min((due for _, due in self._polls.values()), default=time.monotonic() + 1)
        try:
            content = connection.recv(timeout=max(due - time.monotonic(), 0))
        except TimeoutError:
            return
        self.received += len(content)
        message = ForwardMsg.FromString(content if isinstance(content, bytes) else content.encode())
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id or self._session
            if not message.metadata.run.fragment_ids:
                self._polls.clear()  # the whole page is redrawn
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._polls.pop(fragment, None)
        elif kind == "auto_rerun":
            rerun = message.auto_rerun
            self._polls[rerun.fragment_id] = rerun.interval, time.monotonic() + rerun.interval
        elif kind == "backend_operation_response":
            answer = message.backend_operation_response
            if answer.error_msg:
                raise RuntimeError(answer.error_msg)
            self._zip_url = answer.deferred_file.url
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.HasField("heading"):
                self.headings.append(element.heading.body)
            elif element.HasField("alert"):
                self.alerts.append(element.alert.body)
            elif element.HasField("exception"):
                self.exceptions.append(element.exception.message)
            elif element.HasField("download_button") and element.download_button.deferred_file_id:
                self._zip_button = element.download_button.deferred_file_id
            elif element.HasField("progress"):
                self._progress = self._progress or element.progress.value > 0

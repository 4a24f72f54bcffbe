"""Logging of the server: one JSON object per line on standard error, whatever a message contains."""

from __future__ import annotations

import functools
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

OWN_LOGGERS = ("app", "palm_assets", "py.warnings")
SERVER_LOGGERS = ("streamlit", "uvicorn", "websockets")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """A record as JSON in ASCII: no line break or escape sequence in a message acts in a terminal.

    Keys: `time` (ISO 8601, UTC), `level`, `name`, `event`, those of the record's `extra`, and `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "name": record.name,
            "event": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@functools.cache
def write_json_lines() -> None:
    """Make the loggers of the program, of Streamlit and of Python's warnings write JSON lines."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in OWN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    # A copy: imports in other threads, torch's above all, add loggers meanwhile.
    for name, other in logging.root.manager.loggerDict.copy().items():
        if name.split(".")[0] in SERVER_LOGGERS and isinstance(other, logging.Logger):
            for existing in other.handlers:
                existing.setFormatter(JsonLines())

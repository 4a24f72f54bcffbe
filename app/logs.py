"""What the server writes down: one JSON object a line on standard error, whatever stands in it."""

from __future__ import annotations

import functools
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

OURS = ("app", "palm_assets", "py.warnings")
THEIRS = ("streamlit", "uvicorn", "websockets")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """A record as JSON in ASCII: no line break, escape sequence or bracket of a stranger acts in a terminal.

    Keys: `time` (ISO 8601, UTC), `level`, `name`, `event`, those of the record's `extra`, and `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "name": record.name,
            "event": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _USUAL},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@functools.cache
def write_json_lines() -> None:
    """From now on ours and Streamlit's loggers write JSON lines; Python's warnings do, too."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in OURS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    # A copy: imports in other threads, torch's above all, add loggers meanwhile.
    for name, theirs in logging.root.manager.loggerDict.copy().items():
        if name.split(".")[0] in THEIRS and isinstance(theirs, logging.Logger):
            for handler_of_theirs in theirs.handlers:
                handler_of_theirs.setFormatter(JsonLines())

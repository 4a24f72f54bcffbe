"""A log of all runs for machines: `logs/runs.jsonl` in DAGSTER_HOME, one JSON object a line."""

import json
import logging
import os
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

FIELDS = {"run_id": "run", "job_name": "job", "step_key": "step"}


class RunLog(logging.FileHandler):
    """A log handler, named in `dagster.yaml`; each line carries its run, and its step if there is one."""

    def __init__(self) -> None:
        path = Path(os.environ["DAGSTER_HOME"]) / "logs" / "runs.jsonl"
        super().__init__(path, delay=True, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        # Not before: the folder may be removed between the start of a long run and its first line.
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        metadata = getattr(record, "dagster_meta", None) or {}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **{name: metadata[key] for key, name in FIELDS.items() if metadata.get(key)},
            "message": metadata.get("orig_message") or record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)

"""What runs say, a JSON object a line: `logs/runs.jsonl` beside Dagster's history."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

NAMED = {"run_id": "run", "job_name": "job", "step_key": "step"}


class RunLog(logging.FileHandler):
    """Named in `dagster.yaml`; every line carries its run, and its step where there is one."""

    def __init__(self) -> None:
        path = Path(os.environ["DAGSTER_HOME"]) / "logs" / "runs.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, delay=True, encoding="utf-8")

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        known = getattr(record, "dagster_meta", None) or {}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **{name: known[key] for key, name in NAMED.items() if known.get(key)},
            "message": known.get("orig_message") or record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)

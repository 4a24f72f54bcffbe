"""Counts all workloads again, prints what was kept and what is now, and keeps it: `python -m tests.costs`."""

from __future__ import annotations

import json

from tests.costs.costs import KEPT, change, kept, measure, versions
from tests.costs.instructions import missing
from tests.costs.workloads import SLOWER


def main() -> None:
    """Renew `kept.json`. Without Valgrind, the instructions stay as they were."""
    before = kept()[1] if KEPT.exists() else {}
    costs = measure("operations")
    why = missing()
    if why is None:
        costs |= measure("instructions")
    else:
        print(f"Instructions stay as they are: {why}.")
        costs |= {name: counts for name, counts in before.items() if "instructions" in counts}
    costs = {name: counts for name, counts in costs.items() if not name.startswith(SLOWER)}
    for name, counts in costs.items():
        for kind, count in counts.items():
            old = before.get(name, {}).get(kind, 0)
            print(f"{name:14} {kind:12} {old:15,} -> {count:15,}{change(count, old)}")
    KEPT.write_text(json.dumps({"versions": versions(), "costs": costs}, indent=2) + "\n")


if __name__ == "__main__":
    main()

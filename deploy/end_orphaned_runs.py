"""Mark the runs of an earlier code location as failed: `end_orphaned_runs.py PORT`, before the server starts.

Runs are processes of the code location: when its container ends, they end too. Dagster's run monitoring does
not see that, for the default run launcher has no health check, so such a run would keep its place in the
queue for ever. The daemon then retries it, and training goes on from its saved state. Not for Kubernetes,
where each run has a container of its own.

The runs are listed at once, while no new ones can start. They are marked once the server on PORT answers:
Dagster tries to start a retry only once, and gives up if it does not reach the code location.
"""

import subprocess
import sys
import time

import dagster as dg

UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
WAIT_SECONDS = 300.0  # for the server; then they are marked all the same


def list_runs(instance: dg.DagsterInstance) -> list[str]:
    """Ids of the runs that have not ended."""
    return [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))]


def wait_for_server(port: str) -> None:
    """Return when the code location answers, or after a while."""
    check = ["dagster", "api", "grpc-health-check", "--port", port]
    until = time.monotonic() + WAIT_SECONDS
    while subprocess.run(check, capture_output=True, check=False).returncode and time.monotonic() < until:
        time.sleep(1)


def end_runs(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """Mark those of them that still have not ended."""
    for run in instance.get_runs(dg.RunsFilter(run_ids=run_ids, statuses=UNFINISHED)):
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "Its container ended.")
        else:
            instance.report_run_failed(
                run, "The container of the code location ended while the run was going on."
            )
        print(f"run {run.run_id}: ended with an earlier container", flush=True)


if __name__ == "__main__":
    server_port, *orphans = sys.argv[1:]
    with dg.DagsterInstance.get() as here:
        if orphans:
            wait_for_server(server_port)
            end_runs(here, orphans)
        elif found := list_runs(here):
            subprocess.Popen([sys.executable, __file__, server_port, *found])

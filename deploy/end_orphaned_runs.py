"""Mark the runs of an earlier code location as failed; its container does this before it starts the server.

Runs are processes of the code location: when its container ends, they end too. Dagster's run monitoring does
not see that, for the default run launcher has no health check, so such a run would keep its place in the
queue for ever. The daemon then retries it, and training goes on from its saved state. Not for Kubernetes,
where each run has a container of its own.
"""

import dagster as dg

UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

with dg.DagsterInstance.get() as instance:
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "Its container ended.")
        else:
            instance.report_run_failed(
                run, "The container of the code location ended while the run was going on."
            )
        print(f"run {run.run_id}: ended with an earlier container")

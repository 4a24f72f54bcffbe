"""The child process of ``worker_pool``: renders every k-th photo of a job, one line of JSON for each."""

from __future__ import annotations

import json
import sys

import cv2

from palm_assets.synthetic.jobs import BoxesJob, HandsJob

JOBS: dict[str, type[HandsJob] | type[BoxesJob]] = {"HandsJob": HandsJob, "BoxesJob": BoxesJob}


def main(argument: str) -> int:
    """Render a share of a job's photos.

    Args:
        argument: JSON with the job's class, its fields, the first photo and the step to the next.

    Returns:
        The exit status: 0, or 1 after a line ``{"errno": ..., "where": ...}`` if a file cannot be written.
    """
    task = json.loads(argument)
    job = JOBS[task["job"]](**task["fields"])
    cv2.setNumThreads(1)  # the processes share the cores already
    try:
        for i in range(task["first"], job.count, task["step"]):
            print(json.dumps({"i": i, "row": job.render(i)}), flush=True)
    except BrokenPipeError:
        return 1  # the parent has ended
    except OSError as error:
        print(json.dumps({"errno": error.errno, "where": str(error.filename)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

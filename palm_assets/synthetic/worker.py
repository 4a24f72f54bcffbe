"""The child process of ``crew``: draws every k-th photo of a job and prints one line of JSON for each."""

from __future__ import annotations

import json
import sys

import cv2

from palm_assets.synthetic.jobs import BoxesJob, HandsJob

JOBS: dict[str, type[HandsJob] | type[BoxesJob]] = {"HandsJob": HandsJob, "BoxesJob": BoxesJob}


def main(order: str) -> int:
    """Carry out one order (see ``crew``).

    Args:
        order: JSON with the job's class, its fields, the first photo and the step to the next.

    Returns:
        The exit status: 0, or 1 after a line ``{"errno": ..., "where": ...}`` where a file cannot be written.
    """
    told = json.loads(order)
    job = JOBS[told["job"]](**told["fields"])
    cv2.setNumThreads(1)  # the processes share the cores already
    try:
        for i in range(told["first"], job.count, told["step"]):
            print(json.dumps({"i": i, "row": job.draw(i)}), flush=True)
    except BrokenPipeError:
        return 1  # the parent is gone: nobody wants the rest
    except OSError as error:
        print(json.dumps({"errno": error.errno, "where": str(error.filename)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

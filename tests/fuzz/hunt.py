"""Hunts for bytes that a door neither reads nor refuses: `python -m tests.fuzz.hunt DOOR SECONDS [FOLDER]`.

With atheris installed (`pip install atheris`) the mutations follow the coverage of the code, else they are
random. Each fault is written once into FOLDER, by default `fuzz-faults`, with its traceback; the corpus is
only read.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.mutations import mutated

CODE = ("palm_assets", "PIL", "pillow_heif", "yaml", "csv", "zipfile", "tarfile", "safetensors")
MEMORY = 8 << 30  # of the process, in bytes
REPORT_SECONDS = 60


def main(door: str, seconds: float, folder: Path) -> None:
    """Hunt at one door."""
    folder.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris is None:
        from tests.fuzz import doors
    else:
        with atheris.instrument_imports(include=list(CODE)):
            from tests.fuzz import doors
    seen: set[str] = set()
    count, slowest = 0, 0.0
    began = time.monotonic()
    reported, ends = began, began + seconds

    def report() -> None:
        minutes, cpu = (time.monotonic() - began) / 60, time.process_time() / 60
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{door}: {count} inputs in {minutes:.1f} min ({cpu:.1f} of CPU), {len(seen)} faults, "
            f"slowest {slowest:.1f} s, peak {peak:.0f} MB",
            flush=True,
        )

    def attempt(data: bytes) -> None:
        nonlocal count, slowest, reported
        started = time.process_time()  # other work may share the machine
        try:
            doors.knock(door, data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{type(error).__name__} " + " ".join(f"{f.name}:{f.lineno}" for f in frames[-3:])
            if place not in seen:
                seen.add(place)
                name = hashlib.sha256(place.encode()).hexdigest()[:10]
                (folder / f"{door}-{name}").write_bytes(data)
                (folder / f"{door}-{name}.txt").write_text(traceback.format_exc(), errors="replace")
                print(f"{door}: {place}: {str(error)[:100]!r}", flush=True)
        count += 1
        if (took := time.process_time() - started) > max(slowest, 1):
            slowest = took
            (folder / f"{door}-slowest").write_bytes(data)
            print(f"{door}: {took:.1f} s for {len(data)} bytes", flush=True)
        now = time.monotonic()
        if now - reported > REPORT_SECONDS or now > ends:
            reported = now
            report()
        if now > ends:
            os._exit(0)  # libFuzzer takes any other end for a crash

    seeds = list(doors.corpus(door).values())
    if atheris is not None:
        work = folder / f"{door}-corpus"
        work.mkdir(exist_ok=True)
        limits = f"-max_total_time={int(seconds) + 600} -max_len=65536 -timeout=60 -rss_limit_mb=0"
        atheris.Setup([sys.argv[0], *limits.split(), str(work), str(doors.CORPUS / door)], attempt)
        atheris.Fuzz()
    number = 0
    while True:
        attempt(mutated(seeds[number % len(seeds)], number))
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else "fuzz-faults"))

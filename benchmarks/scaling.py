"""What 11,000, a million and 100 million photographs take on 1, 8 and 64 GPUs, on paper.

Measures the cost of one item of each stage on this machine, in seconds of one core, and combines it with the
figures that scaling_hardware.yaml states. `--kept` prints the tables of docs/scaling.md from the costs in
scaling_costs.json, without measuring; `--keep` measures and writes that file.

"Today" is the program as it is: one process on one machine, all of its cores for photographs and metrics, one
GPU for training. "Divided" shares the same work evenly among all cores and GPUs; the program cannot do that.
Both assume that the cores of a machine divide the work evenly.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
COSTS_FILE, HARDWARE_FILE = HERE / "scaling_costs.json", HERE / "scaling_hardware.yaml"
SIZES, GPUS = (64, 256), (1, 8, 64)
THUMBNAIL_BYTES = 24 * 24 * 4  # of each training crop, while an evaluation looks for copies
HOUR, GB, GIB, TIB = 3600, 1e9, 2**30, 2**40

Costs = dict[str, Any]


# What they make together


def hours(
    costs: Costs, hardware: dict[str, Any], photos: int, gpus: int, *, divided: bool
) -> dict[str, float]:
    """Hours of each stage at 256 px."""
    machine = hardware["machines"][min(gpus, 8)]
    cores = machine["cores"] * (max(gpus // 8, 1) if divided else 1)
    evaluated = hardware["evaluated"]
    shown = 1000 * hardware["kimg"][photos] / hardware["gpu"]["train_images_per_second"][256]
    measured = evaluated * (costs["draw"]["256"] + costs["features"] + photos * costs["pair"])
    return {
        "index": photos * (costs["fingerprint"] + costs["index"]) / cores / HOUR,
        "crop": photos * costs["crop"] / cores / HOUR,
        "train": shown / (gpus if divided else 1) / HOUR,
        "reference": photos * costs["features"] / cores / HOUR,
        "evaluate": measured / cores / HOUR,
    }


def needs(costs: Costs, photos: int, size: int) -> dict[str, float]:
    """Bytes on disk and in memory, and seconds of hashing."""
    crops = photos * 3 * size**2
    return {
        "disk": photos * (costs["photo_bytes"] + costs["row_bytes"]) + crops,
        "crops": crops,
        "memory": photos * costs["entry_bytes"],
        "thumbnails": photos * THUMBNAIL_BYTES,
        "opening": crops / costs["hash_bytes_per_second"],
        "fingerprint": photos * costs["fingerprint"],
    }


def limits(costs: Costs, hardware: dict[str, Any], photos: int, gpus: int) -> list[tuple[float, str, str]]:
    """Which multiple of each limit of one machine is used at 256 px, and what answers it; the worst first."""
    machine = hardware["machines"][min(gpus, 8)]
    memory, disk = machine["memory_gib"] * GIB, machine["disk_tib"] * TIB
    need, small = needs(costs, photos, 256), needs(costs, photos, 64)
    times = hours(costs, hardware, photos, gpus, divided=False)
    fits = "`image_size: 64`" if small["crops"] < memory else "a fast disk: crops of 64 px do not fit, either"
    return sorted(
        [
            (
                need["crops"] / memory,
                "memory for all crops: beyond it, training waits for the disk",
                fits,
            ),
            (need["memory"] / memory, "memory for the index of a crop run", "none"),
            (
                need["thumbnails"] / memory,
                "memory, for an evaluation holds reduced copies of all crops",
                "none",
            ),
            (need["disk"] / disk, "disk of the machine", "`PALM_HOME` on a larger file system"),
            (need["opening"] / 600, "10 minutes for one opening of the crops, which hashes them", "none"),
            (need["fingerprint"] / HOUR, "an hour to hash all photographs at each run", "none"),
            (times["evaluate"] / 24, "a day for an evaluation", "fewer `sets`, a smaller `count`"),
            (
                (times["index"] + times["crop"]) / 24,
                "a day for index and crops",
                "none, but a machine with more cores",
            ),
        ],
        reverse=True,
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def number(value: float) -> str:
    """Two significant digits, or none behind the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def size_of(count: float) -> str:
    """Bytes in a readable unit."""
    for unit, factor in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{number(count / factor)} {unit}"
    return f"{number(count / 1e3)} kB"


def time_of(spent: float) -> str:
    """Hours in a readable unit."""
    for unit, factor in (("days", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if spent >= 2 * factor:
            return f"{number(spent / factor)} {unit}"
    return f"{number(spent * HOUR)} s"


def report(costs: Costs, hardware: dict[str, Any]) -> str:
    """The tables of docs/scaling.md."""
    return "\n\n".join(
        [
            "**Cost of one item**, one core of this machine",
            costs_table(costs),
            "**Disk, memory and hashing**",
            needs_table(costs, hardware),
            "**Time and money**, 256 px",
            hours_table(costs, hardware),
            "**What breaks first** in the program as it is, on one machine, 256 px; more than 1x is too much",
            limits_table(costs, hardware),
        ]
    )


def costs_table(costs: Costs) -> str:
    """Each cost per item and per second."""
    rates = {
        "fingerprint of a photograph, at each run": costs["fingerprint"],
        "index of a photograph (decode, hash of its pixels)": costs["index"],
        "crop of a photograph (decode, detect, crop)": costs["crop"],
        "training, 64 px, an image": costs["train"]["64"],
        "training, 256 px, an image": costs["train"]["256"],
        "drawing, 64 px, an image": costs["draw"]["64"],
        "drawing, 256 px, an image": costs["draw"]["256"],
        "features of an image (EfficientNet-Lite0)": costs["features"],
        "search for copies, a pair of images": costs["pair"],
    }
    rows = [
        [name, f"{number(1e3 * cost) if cost > 1e-5 else f'{1e3 * cost:.1g}'} ms", f"{number(1 / cost)}/s"]
        for name, cost in rates.items()
    ]
    sizes = {
        f"photograph, {costs['megapixels']:.1f} megapixels": costs["photo_bytes"],
        "crop, 64 px": 3 * 64**2,
        "crop, 256 px": 3 * 256**2,
        "rows of the indexes on disk": costs["row_bytes"],
        "entry of the index in memory": costs["entry_bytes"],
        "PNG file, 256 px": costs["png_bytes"],
    }
    rows += [[name, size_of(count), ""] for name, count in sizes.items()]
    rows.append(["SHA-256", "", f"{size_of(costs['hash_bytes_per_second'])}/s"])
    caption = f"{costs['processor']}, {costs['photographs']}"
    return table([caption, "time or size", "rate"], rows)


def needs_table(costs: Costs, hardware: dict[str, Any]) -> str:
    """Disk, memory and hashing for each number of photographs and side of a crop."""
    rows = []
    for photos in hardware["kimg"]:
        for side in SIZES:
            need = needs(costs, photos, side)
            rows.append(
                [
                    f"{photos:,}, {side} px",
                    size_of(need["disk"]),
                    f"${number(need['disk'] / GB * hardware['disk_dollars_per_gb_month'])}",
                    size_of(need["memory"]),
                    size_of(need["thumbnails"]),
                    time_of(need["opening"] / HOUR),
                    time_of(need["fingerprint"] / HOUR),
                ]
            )
    head = ["photographs", "disk", "disk, a month", "memory for the index", "memory in an evaluation"]
    return table([*head, "one opening of the crops", "fingerprint, each run"], rows)


def hours_table(costs: Costs, hardware: dict[str, Any]) -> str:
    """Times of the stages, money and network, today and divided."""
    rows = []
    for photos in hardware["kimg"]:
        for gpus in GPUS:
            for divided in (False, True):
                if (divided and gpus == 1) or (not divided and gpus == 64):
                    continue  # the same as today; the same as with one machine of 8
                rows.append(time_row(costs, hardware, photos, gpus, divided=divided))
    head = ["photographs", "GPUs", "index", "crop", "train", "reference", "evaluate", "all", "money"]
    return table([*head, "photographs read", "gradients of a GPU"], rows)


def time_row(costs: Costs, hardware: dict[str, Any], photos: int, gpus: int, *, divided: bool) -> list[str]:
    """One row of `hours_table`."""
    machine = hardware["machines"][min(gpus, 8)]
    cores = machine["cores"] * (max(gpus // 8, 1) if divided else 1)
    times = hours(costs, hardware, photos, gpus, divided=divided)
    total = sum(times.values())
    rate, batch = hardware["gpu"]["train_images_per_second"][256], 64
    # A ring sends and receives 2 (G - 1) / G times the gradients in each step, float32.
    gradients = 8 * (gpus - 1) / gpus * costs["parameters"]["256"] * rate / batch if divided else 0
    return [
        f"{photos:,}",
        f"{gpus}, {'divided' if divided else 'today'}",
        *(time_of(value) for value in times.values()),
        time_of(total),
        f"${number(total * gpus * machine['dollars_per_gpu_hour'])}",
        f"{size_of(cores / costs['crop'] * costs['photo_bytes'])}/s",
        f"{size_of(gradients)}/s" if gradients else "",
    ]


def limits_table(costs: Costs, hardware: dict[str, Any]) -> str:
    """All limits of one machine that are exceeded, the worst first; if none is, the nearest one."""
    rows = []
    for photos in hardware["kimg"]:
        for gpus in (1, 8):
            found = limits(costs, hardware, photos, gpus)
            shown = [entry for entry in found if entry[0] > 1] or found[:1]
            rows += [
                [
                    f"{photos:,}",
                    str(gpus),
                    what,
                    f"{number(factor)}x",
                    answer if factor > 1 else "nothing to do",
                ]
                for factor, what, answer in shown
            ]
    return table(["photographs", "GPUs", "limit", "used", "setting that answers it"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="photographs (default: synthetic ones)")
    parser.add_argument("--kept", action="store_true", help="print from scaling_costs.json, measure nothing")
    parser.add_argument("--keep", action="store_true", help="write the costs to scaling_costs.json")
    args = parser.parse_args()
    if args.kept:
        costs = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
    else:
        from unit_costs import measure  # beside this script

        costs = measure(args.folder)
    if args.keep:
        COSTS_FILE.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")
    print(report(costs, yaml.safe_load(HARDWARE_FILE.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()

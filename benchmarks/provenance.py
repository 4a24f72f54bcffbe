"""Measure the marks of generated images: cost, robustness, false alarms, agreement of readers.

    python benchmarks/provenance.py cost        # milliseconds and bytes per image, with and without marks
    python benchmarks/provenance.py robustness  # the watermark after JPEG, halving, cropping, a screenshot
    python benchmarks/provenance.py ways-out    # XMP and C2PA on each way out, by ExifTool and c2pa.Reader
    python benchmarks/provenance.py frechet PHOTOS    # does the watermark move the Fréchet distance?
    python benchmarks/provenance.py false-alarms PHOTOS   # five parts of each photograph, all scales
    python benchmarks/provenance.py sheet FOLDER      # 24 pairs, one of each marked, for a rater

PHOTOS are folders of real photographs. The model is the released one, or the starter.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import math
import multiprocessing
import random
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import palm_assets
from palm_assets.errors import PalmError
from palm_assets.generation.archives import write_folder, zip_into
from palm_assets.generation.generate import GeneratedImage, GenerationRequest, generate
from palm_assets.generation.png_metadata import encode_png, png_bytes
from palm_assets.photos.reader import read_photo
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE, LAYERS, ProvenanceConfig
from palm_assets.provenance.watermark import watermarked
from palm_assets.provenance.watermark_search import count_of_tests, find_watermark, threshold
from palm_assets.runtime import keep_freed_memory, usable_cores

SEED = 5000
Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[name.replace("_", "-") for name in MEASUREMENTS])
    parser.add_argument(
        "paths", nargs="*", type=Path, help="folders of photographs, or the folder of the sheet"
    )
    parser.add_argument("--count", type=int, default=1000, help="generated images")
    parser.add_argument("--limit", type=int, help="real images; all by default")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="of false-alarms")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the `palms` command does
    MEASUREMENTS[arguments.what.replace("-", "_")](arguments)


@functools.cache
def samples(count: int) -> Pixels:
    """Unmarked images (N, 3, S, S), kept in the temporary folder between runs."""
    model = palm_assets.load_model()
    kept = Path(tempfile.gettempdir()) / f"palms-provenance-{model.version}-{count}.npy"
    if not kept.exists():
        np.save(kept, model.sample(count, seed=SEED))
    return np.load(kept)


def as_rows(image: Pixels) -> Pixels:
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def cost(arguments: argparse.Namespace) -> None:
    images = samples(arguments.count)
    settings = {"off": (), **{layer: (layer,) for layer in LAYERS}, "all": LAYERS}
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    sizes: dict[str, list[int]] = {name: [] for name in settings}
    for index, pixels in enumerate(images):
        image = GeneratedImage(index, SEED, pixels, 0.5)
        for name, layers in settings.items():  # in turn, so that a busy machine slows all of them down alike
            config = ProvenanceConfig(frozenset(layers))
            start = time.process_time()
            png = png_bytes(image, "0123456789ab", config)
            seconds[name].append(time.process_time() - start)
            sizes[name].append(len(png))
    for name in settings:
        milliseconds = np.subtract(seconds[name], seconds["off"] if name != "off" else 0) * 1e3
        added = np.subtract(sizes[name], sizes["off"] if name != "off" else 0)
        print(
            f"{name:10} {np.median(milliseconds):6.2f} ms of CPU time, mean {np.mean(milliseconds):.2f};"
            f" {np.mean(added):8.0f} bytes, at most {added.max()}"
        )


def jpeg(image: Pixels, quality: int = 80) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(image: Pixels, share: float, how: Image.Resampling = Image.Resampling.BICUBIC) -> Pixels:
    size = round(image.shape[1] * share), round(image.shape[0] * share)
    return np.asarray(Image.fromarray(image).resize(size, how))


def cropped(image: Pixels, share: float = 0.1) -> Pixels:
    top, left = (round(side * share) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : image.shape[0] - top, left : image.shape[1] - left])


DAMAGES: dict[str, tuple[Callable[[Pixels], Pixels], float]] = {
    "as it is": (lambda image: image, 1.0),
    "JPEG 80": (jpeg, 1.0),
    "JPEG 60": (lambda image: jpeg(image, 60), 1.0),
    "half the size": (lambda image: resized(image, 0.5), 0.5),
    "half the size, bilinear": (lambda image: resized(image, 0.5, Image.Resampling.BILINEAR), 0.5),
    "a crop of 10 % a side": (cropped, 1.0),
    "a crop of 10 % a side, JPEG 80": (lambda image: jpeg(cropped(image)), 1.0),
    "half the size, JPEG 80": (lambda image: jpeg(resized(image, 0.5)), 0.5),
    "half the size, JPEG 95": (lambda image: jpeg(resized(image, 0.5), 95), 0.5),
    "twice the size": (lambda image: resized(image, 2.0), 2.0),
    "mirrored": (lambda image: np.ascontiguousarray(image[:, ::-1]), 1.0),
    "turned by 90 degrees": (lambda image: np.ascontiguousarray(np.rot90(image)), 1.0),
    "turned by 3 degrees": (
        lambda image: np.asarray(Image.fromarray(image).rotate(3, Image.Resampling.BICUBIC)),
        1.0,
    ),
}


def robustness(arguments: argparse.Namespace) -> None:
    """A search of all scales finds at least as much as the true scale alone, which is what is tested here."""
    images = samples(arguments.count)
    marked = [as_rows(watermarked(image)) for image in images]
    print(f"threshold {threshold():.2f}; {len(marked)} images")
    for name, (damage, scale) in DAMAGES.items():
        report(name, [find_watermark(damage(image), at_scales=(scale,)).statistic for image in marked])
    try:
        for label, side, ratio, style in (
            ("a screenshot, as it is", 256, 1, ""),
            ("a screenshot of the gallery's cards", 150, 1, "image-rendering:pixelated"),
            ("a screenshot at twice the size", 256, 2, ""),
        ):
            shots = screenshots(marked, side, ratio, style)
            report(label, [find_watermark(shot, at_scales=(side * ratio / 256,)).statistic for shot in shots])
    except PalmError as error:
        print(error)


def report(name: str, statistics: list[float]) -> None:
    found = sum(value >= threshold() for value in statistics)
    print(
        f"{name:36} found {found / len(statistics):7.2%}   statistic: median {np.median(statistics):5.1f}, "
        f"lowest {min(statistics):5.1f}",
        flush=True,
    )


def screenshots(images: list[Pixels], side: int, ratio: int, style: str) -> Iterator[Pixels]:
    """Images as a real browser shows them, `side` CSS pixels wide on a screen with this pixel ratio."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise PalmError("No Chromium", hint="Run tests/e2e/install-servers.")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 800}, device_scale_factor=ratio)
        for number, image in enumerate(images):
            Image.fromarray(image).save(Path(folder) / f"{number}.png")
        for start in range(0, len(images), 40):
            numbers = range(start, min(start + 40, len(images)))
            tags = "".join(f'<img src="{number}.png" width={side} style="{style}">' for number in numbers)
            html = Path(folder) / "page.html"
            html.write_text(f"<body style='background:#fff'>{tags}", encoding="utf-8")
            page.goto(html.as_uri())
            whole = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB"))
            for element in page.locator("img").all():
                box = element.bounding_box()
                assert box is not None
                left, top, size = round(box["x"] * ratio), round(box["y"] * ratio), side * ratio
                yield np.ascontiguousarray(whole[top : top + size, left : left + size])
        browser.close()


def ways_out(arguments: argparse.Namespace) -> None:
    """PNGs of the page's job, of a ZIP and of a folder, read by ExifTool and by `c2pa.Reader`."""
    import c2pa

    from app.work.generation import Preview, generation_job
    from app.work.jobs import Job
    from app.work.palm_sets import SetCache

    model, request = palm_assets.load_model(), GenerationRequest(arguments.count, 7)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        stream = io.BytesIO()
        zip_into(stream, generate(model, request), model)
        zipfile.ZipFile(stream).extractall(work / "zip")
        write_folder(work / "folder", generate(model, request), model)
        job = Job("bench", generation_job(model, request, SetCache(), Preview()), time.monotonic)
        while not job.is_over:
            job._run_slice(60)
        assert job.result is not None
        zipfile.ZipFile(io.BytesIO(job.result.archive or b"")).extractall(work / "page")
        for way in ("page", "zip", "folder"):
            files = sorted((work / way).glob("*.png"))
            tags = subprocess.run(
                ["exiftool", "-j", "-n", "-struct", "-DigitalSourceType", "-JUMBF:all", str(work / way)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            by_exiftool = {Path(entry["SourceFile"]).name: entry for entry in json.loads(tags)}
            xmp = sum(by_exiftool[f.name].get("DigitalSourceType") == DIGITAL_SOURCE_TYPE for f in files)
            jumbf = sum(
                DIGITAL_SOURCE_TYPE in json.dumps(by_exiftool[f.name].get("Actions", "")) for f in files
            )
            valid = agree = caught = 0
            for path in files:
                with c2pa.Reader(path) as reader:
                    content = json.loads(reader.json())
                valid += content["validation_state"] == "Valid"
                manifest = content["manifests"][content["active_manifest"]]
                agree += DIGITAL_SOURCE_TYPE in json.dumps(manifest["assertions"])
                caught += is_caught(path)
            print(
                f"{way}: {len(files)} files; source type in XMP by ExifTool {xmp}, in the manifest by"
                f" ExifTool {jumbf}, by c2pa.Reader {agree}; signature valid {valid};"
                f" one flipped pixel noticed {caught}"
            )


def is_caught(path: Path) -> bool:
    """Whether c2pa.Reader notices one pixel changed by one level, with all other chunks of the file kept."""
    import c2pa

    content = path.read_bytes()
    image = np.array(Image.open(path))
    image[100, 100, 0] ^= 1
    fresh = encode_png(image.transpose(2, 0, 1))
    body = content[: content.index(b"IDAT") - 4] + fresh[fresh.index(b"IDAT") - 4 :]
    with c2pa.Reader("image/png", io.BytesIO(body)) as reader:
        state: str = json.loads(reader.json())["validation_state"]
    return state == "Invalid"


def photo_paths(folders: list[Path]) -> list[Path]:
    """All photographs below the folders, in a random order."""
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    paths = [path for path in found if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    random.Random(0).shuffle(paths)
    return paths


def photographs(folders: list[Path], limit: int) -> Iterator[tuple[str, Pixels]]:
    """Crops and tiles of photographs in a random order: the whole reduced, the middle, and 256 px tiles."""
    paths, made = photo_paths(folders), 0
    while made < limit and paths:
        for path in paths:
            try:
                photo = read_photo(path)
            except PalmError:
                continue
            dice = random.Random(f"{path.name}{made}")
            for kind in ("crop", "tile"):
                if made >= limit:
                    return
                made += 1
                yield f"{kind} {path.name}", crop_of(photo, dice) if kind == "crop" else tile_of(photo, dice)


def crop_of(photo: Pixels, dice: random.Random) -> Pixels:
    """A square part of half the photograph's side or more, as 256 px: as crops for training are made."""
    side = int(min(photo.shape[:2]) * dice.uniform(0.5, 1))
    part = tile_of(photo, dice, side)
    return np.asarray(Image.fromarray(part).resize((256, 256), Image.Resampling.LANCZOS))


def tile_of(photo: Pixels, dice: random.Random, side: int = 256) -> Pixels:
    height, width = photo.shape[:2]
    side = min(side, height, width)
    top, left = dice.randint(0, height - side), dice.randint(0, width - side)
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


def false_alarms(arguments: argparse.Namespace) -> None:
    """The search of all scales in parts of real photographs.

    Turned and mirrored copies would be no further evidence: the search tries all eight orientations anyway.
    """
    print(f"threshold {threshold():.2f} for {count_of_tests():,} tests of one image", flush=True)
    statistics: list[float] = []
    paths = photo_paths(arguments.paths)
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for found in pool.imap_unordered(statistics_of_parts, paths, chunksize=8):
            statistics += [value for _, value in found]
            print(*(f"FOUND in {name}: {value:.2f}" for name, value in found if value >= threshold()), end="")
            if len(statistics) // 2500 != (len(statistics) - len(found)) // 2500:
                summary(statistics)
            if arguments.limit and len(statistics) >= arguments.limit:
                break
    summary(statistics)


def statistics_of_parts(path: Path) -> list[tuple[str, float]]:
    """The statistic of a photograph reduced to 256 px, a square crop, and tiles at three scales."""
    import cv2

    cv2.setNumThreads(1)  # several processes share the cores
    try:
        photo = read_photo(path)
    except PalmError:
        return []
    dice, longer = random.Random(path.name), max(photo.shape[:2])
    parts = {
        "whole": resized(photo, 256 / longer),
        "crop": crop_of(photo, dice),
        "tile": tile_of(photo, dice),
        "tile at 0.7": resized(tile_of(photo, dice, 366), 0.7),
        "tile at 1.5": resized(tile_of(photo, dice, 171), 1.5),
    }
    return [(f"{kind} of {path.name}", find_watermark(part).statistic) for kind, part in parts.items()]


def summary(statistics: list[float]) -> None:
    values = np.sort(statistics)
    alarms = int((values >= threshold()).sum())
    top = ", ".join(f"{value:.2f}" for value in values[::-1][:5])
    bound = min(count_of_tests() * math.exp(-(values[-1] ** 2) / 2), 1)
    print(
        f"{len(values)} images: {alarms} alarms; median {np.median(values):.2f}; highest {top}. "
        f"One image reaches the highest with a probability of at most {bound:.2g}",
        flush=True,
    )


def frechet(arguments: argparse.Namespace) -> None:
    """The distance of eight sets of samples to crops of photographs, without the mark and with it."""
    from palm_assets.quality.features import extract, load_extractor
    from palm_assets.quality.frechet import frechet_distance
    from palm_assets.quality.statistics import FeatureStatistics

    extractor = load_extractor("efficientnet-lite0")
    real = [image.transpose(2, 0, 1) for _, image in photographs(arguments.paths, arguments.limit or 400)]
    name, digest = extractor.identity
    reference = FeatureStatistics.from_features(extract(extractor, real), extractor=name, digest=digest)
    images = samples(arguments.count)
    features = [extract(extractor, images), extract(extractor, [watermarked(image) for image in images])]
    parts = np.array_split(np.arange(len(images)), 8)
    distances = np.array(
        [[frechet_distance(one[part], reference).value for part in parts] for one in features]
    )
    moved = distances[1] - distances[0]
    print(
        f"8 sets of {len(parts[0])}: {distances[0].mean():.2f} without, {distances[1].mean():.2f} with it;"
        f" moved by {moved.mean():+.2f} (sd {moved.std(ddof=1):.2f}); spread of the sets: sd "
        f"{distances[0].std(ddof=1):.2f}"
    )


def sheet(arguments: argparse.Namespace) -> None:
    """24 pairs at twice the size, one side of each marked; the key is in another folder."""
    (folder,) = arguments.paths
    (folder / "pairs").mkdir(parents=True, exist_ok=True)
    (folder / "key").mkdir(exist_ok=True)
    dice, rows = random.Random(time.time_ns()), []
    for number, index in enumerate(dice.sample(range(arguments.count), 24), 1):
        image = samples(arguments.count)[index]
        sides = [image, watermarked(image)]
        marked = dice.choice(("left", "right"))
        if marked == "left":
            sides.reverse()
        pair = Image.new("RGB", (1032, 512), "white")
        for side, pixels in enumerate(sides):
            shown = Image.fromarray(as_rows(pixels)).resize((512, 512), Image.Resampling.NEAREST)
            pair.paste(shown, (520 * side, 0))
        pair.save(folder / "pairs" / f"pair-{number:02}.png")
        rows.append((number, marked, SEED + index))
    with (folder / "key" / "key.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("pair", "marked side", "seed"), *rows])
    print(folder / "pairs", folder / "key" / "key.csv")


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], None]] = {
    one.__name__: one for one in (cost, robustness, ways_out, false_alarms, frechet, sheet)
}


if __name__ == "__main__":
    main()

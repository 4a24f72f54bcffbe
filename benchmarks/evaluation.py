"""Speed of the Fréchet distance to a prepared reference, compared with pytorch-fid 0.3.0.

Both evaluate the same PNG files with the same random weights (speed does not depend on them), each in a
process of its own; pytorch-fid runs as in its README, by its command line, in a virtual environment with the
SciPy that it needs. The output is the time of the whole process, and the time after the imports, which is
what a page, a pipeline or a notebook waits for. The two distances differ slightly because pytorch-fid resizes
with half-pixel centers; torch-fidelity and Palms resize like TensorFlow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import linalg

from palm_assets.quality.features import Extractor, extract, load_extractor
from palm_assets.quality.frechet import trace_of_root
from palm_assets.quality.image_sets import open_images
from palm_assets.quality.statistics import FeatureStatistics

PYTORCH_FID = ["pytorch-fid==0.3.0", "scipy==1.16.3"]
WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"
RANDOM_WEIGHTS = """
import sys, torch, pytorch_fid.inception as module
torch.manual_seed(0)
module.load_state_dict_from_url = lambda *args, **kwargs: {}
load = torch.nn.Module.load_state_dict
torch.nn.Module.load_state_dict = lambda self, state: None
network = module.fid_inception_v3()
for part in network.modules():
    if isinstance(part, torch.nn.Conv2d):
        torch.nn.init.kaiming_normal_(part.weight)
    if isinstance(part, torch.nn.BatchNorm2d):
        part.weight.data.fill_(1.1)
# Not zipped: the published file has the old format.
torch.save(network.state_dict(), sys.argv[1], _use_new_zipfile_serialization=False)
"""
PYTORCH_FID_PROCESS = """
import sys, time
from pytorch_fid import fid_score
start = time.perf_counter()
sys.argv[0] = "pytorch_fid"
fid_score.main()
print(time.perf_counter() - start)
"""
PALMS_PROCESS = """
import atexit, gc, json, sys, time
atexit.register(gc.freeze)  # as the command line does
from pathlib import Path
start = time.perf_counter()
from palm_assets.runtime import keep_freed_memory
keep_freed_memory()  # as the command line does
import numpy as np
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.image_sets import open_images
from palm_assets.quality.statistics import FeatureStatistics
imported = time.perf_counter()
extractor = load_extractor("inception-v3", weights=Path(sys.argv[1]))
with np.load(sys.argv[2]) as file:
    reference = FeatureStatistics(int(file["n"]), file["mu"], file["sigma"], *extractor.identity)
    reference.__dict__["factor"] = file["factor"]
loaded = time.perf_counter()
features = extract(extractor, open_images(Path(sys.argv[3])))
extracted = time.perf_counter()
value = frechet_distance(features, reference).value
done = time.perf_counter()
print(json.dumps({"value": value, "import": imported - start, "load": loaded - imported,
                  "decode, resize, network": extracted - loaded, "distance": done - extracted}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "counts", metavar="COUNT", type=int, nargs="*", help="sizes of the sets (default: 100 1000)"
    )
    counts = parser.parse_args().counts or [100, 1000]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        python = pytorch_fid_environment(work / "environment")
        weights = work / "hub" / "checkpoints" / WEIGHTS
        weights.parent.mkdir(parents=True)
        subprocess.run([python, "-c", RANDOM_WEIGHTS, weights], check=True)
        extractor = load_extractor("inception-v3", weights=weights)
        prepare_reference(extractor, work / "reference.npz")

        print("           whole process                      after the imports")
        print("images  pytorch-fid    Palms speedup     pytorch-fid    Palms speedup    both distances")
        details = {}
        for count in counts:
            folder = write_images(work / str(count), count, seed=1)
            environment = os.environ | {"TORCH_HOME": str(work)}
            options = ["-c", PYTORCH_FID_PROCESS, work / "reference.npz", folder, "--device", "cpu"]
            baseline, output = seconds(lambda o=options, e=environment: run([python, *o], e))
            palms, result = seconds(
                lambda f=folder: run(
                    [sys.executable, "-c", PALMS_PROCESS, weights, work / "reference.npz", f], os.environ
                )
            )
            parts = details[count] = json.loads(result)
            values = f"{float(output.split()[-2]):.1f} and {parts.pop('value'):.1f}"
            baseline_work, palms_work = float(output.split()[-1]), sum(parts.values()) - parts["import"]
            print(f"{count:>6} {baseline:>10.1f} s {palms:>6.1f} s {baseline / palms:>6.1f}x "
                  f"{baseline_work:>13.1f} s {palms_work:>6.1f} s {baseline_work / palms_work:>6.1f}x "
                  f"   {values}", flush=True)  # fmt: skip
        for count, parts in details.items():
            print(
                f"Palms, {count} images: " + ", ".join(f"{name} {took:.2f} s" for name, took in parts.items())
            )
        trace_term(work)
        share_of_peak(extractor, work / str(counts[0]))


def trace_term(work: Path) -> None:
    """Compare the trace term at n = 64 with the matrix square root of pytorch-fid."""
    with np.load(work / "reference.npz") as file:
        sigma, factor = file["sigma"], file["factor"]
    features = np.random.default_rng(2).normal(size=(64, factor.shape[1])) @ factor.T
    rows = (features - features.mean(0)) / np.sqrt(63)
    sqrtm_time, sqrtm_trace = seconds(lambda: np.trace(linalg.sqrtm(np.cov(features.T) @ sigma)).real)
    trace_of_root(rows, factor)
    palms_time, palms_trace = seconds(lambda: trace_of_root(rows, factor))
    print(f"trace term at n = 64: sqrtm {sqrtm_time:.1f} s ({sqrtm_trace:.6g}), "
          f"Palms {palms_time * 1e3:.0f} ms ({palms_trace:.6g}), {sqrtm_time / palms_time:.0f}x")  # fmt: skip


def share_of_peak(extractor: Extractor, folder: Path) -> None:
    """Print the time per image, and the share of the CPU's peak arithmetic that the network reaches."""
    from torch.utils.flop_counter import FlopCounterMode

    images = open_images(folder)
    some = [image for image, _ in zip(images, range(64), strict=False)]
    network = extractor.network
    batch = network.prepare(torch.from_numpy(np.stack(some[: network.batch]))).to(extractor.dtype)
    with FlopCounterMode(display=False) as counter:
        network(batch)  # not in inference mode, whose fused operators the counter does not know
    flop = counter.get_total_flops() / len(batch)
    with torch.inference_mode():
        a, b = torch.randn(2, 4096, 4096).to(extractor.dtype)
        c, w = (torch.randn(shape).to(extractor.dtype, memory_format=torch.channels_last)
                for shape in ((8, 448, 8, 8), (384, 448, 3, 3)))  # fmt: skip
        torch.set_num_threads(1)  # waiting threads would hide the peak of a core
        product = 2 * 4096**3 / min(seconds(lambda: a @ b)[0] for _ in range(5))
        conv = min(seconds(lambda: torch.nn.functional.conv2d(c, w, padding=1))[0] for _ in range(50))
        peak = extractor.threads * max(product, 2 * 8 * 64 * 384 * 448 * 9 / conv)
        torch.set_num_threads(extractor.threads)
    extract(extractor, some[:16])
    whole = min(seconds(lambda: extract(extractor, some))[0] for _ in range(2)) / len(some)
    torch.set_num_threads(1)
    resize = seconds(lambda: [network.prepare(torch.from_numpy(i[None])) for i in some])[0] / len(some)
    torch.set_num_threads(extractor.threads)
    decode = seconds(lambda: [None for _ in images])[0] / len(images)
    print(f"per image: {whole * 1e3:.0f} ms, of which resizing takes {resize * 1e3:.1f} ms on one core;")
    print(f"decoding the PNG: {decode * 1e3:.1f} ms")
    print(f"{flop / 1e9:.1f} GFLOP per image at {flop / whole / 1e9:.0f} GFLOP/s,")
    print(f"{flop / whole / peak:.0%} of the {peak / 1e9:.0f} GFLOP/s peak of {extractor.threads} cores in")
    print(
        f"{extractor.precision}: the faster of a matrix product and a 3x3 convolution. The rest of the time"
    )
    print("goes to the stem convolutions of 3 to 64 channels, pooling, concatenation and resizing")
    lite = load_extractor("efficientnet-lite0")
    extract(lite, some[:16])
    print(f"efficientnet-lite0: {seconds(lambda: extract(lite, some))[0] / len(some) * 1e3:.1f} ms per image")
    print(f"precision: {extractor.precision}, {extractor.threads} threads")


def pytorch_fid_environment(folder: Path) -> Path:
    """Python of a new virtual environment with pytorch-fid and its SciPy, and this environment's PyTorch."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "torch.pth").write_text(f"{Path(torch.__file__).parent.parent}\n", encoding="utf-8")
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *PYTORCH_FID], check=True)
    return python


def prepare_reference(extractor: Extractor, path: Path) -> None:
    """Write a reference of full rank, as thousands of images would give, from the features of a few."""
    features = extract(extractor, open_images(write_images(path.parent / "real", 24, seed=0)))
    spread = np.random.default_rng(0).normal(size=(3000, 2048)) * features.std() * 0.3
    known = features[np.random.default_rng(1).integers(0, len(features), 3000)]
    statistics = FeatureStatistics.from_features(known + spread, extractor="", digest="")
    np.savez(path, mu=statistics.mean, sigma=statistics.cov, factor=statistics.factor, n=statistics.n)


def write_images(folder: Path, count: int, *, seed: int) -> Path:
    """Write PNG files of 128 px with smooth random colors; skin is smooth too."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        coarse.resize((128, 128), Image.Resampling.BICUBIC).save(folder / f"{i:05}.png")
    return folder


def run(command: list[object], environment: object) -> str:
    done = subprocess.run(
        [str(c) for c in command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()

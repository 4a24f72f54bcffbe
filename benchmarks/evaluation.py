"""Scoring a set against a prepared reference: ours beside pytorch-fid 0.3.0, in one run.

    python benchmarks/quality.py [COUNT ...]      (100 1000 unless given)

Both score the same PNGs with the same (random: speed does not depend on what they have learnt) weights on the
same machine, each in a process of its own; pytorch-fid as its README says, by its command line, in an
environment of its own with the SciPy it needs. Printed are the whole process, and what follows the imports,
which is what a page, a pipeline or a notebook waits for. Both FIDs are printed: they differ a little because
pytorch-fid resizes with half-pixel centres, torch-fidelity and we as TensorFlow did.
"""

from __future__ import annotations

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
# Not zipped: by its age and size the published file is not.
torch.save(network.state_dict(), sys.argv[1], _use_new_zipfile_serialization=False)
"""
THEIRS = """
import sys, time
from pytorch_fid import fid_score
start = time.perf_counter()
sys.argv[0] = "pytorch_fid"
fid_score.main()
print(time.perf_counter() - start)
"""
OURS = """
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
    counts = [int(argument) for argument in sys.argv[1:]] or [100, 1000]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        python = other_environment(work / "environment")
        weights = work / "hub" / "checkpoints" / WEIGHTS
        weights.parent.mkdir(parents=True)
        subprocess.run([python, "-c", RANDOM_WEIGHTS, weights], check=True)
        extractor = load_extractor("inception-v3", weights=weights)
        prepare_reference(extractor, work / "reference.npz")

        print("           whole process                      after the imports")
        print("images  pytorch-fid     ours  faster     pytorch-fid     ours  faster    FID of each")
        inside = {}
        for count in counts:
            folder = draw(work / str(count), count, seed=1)
            environment = os.environ | {"TORCH_HOME": str(work)}
            options = ["-c", THEIRS, work / "reference.npz", folder, "--device", "cpu"]
            theirs, output = seconds(lambda o=options, e=environment: run([python, *o], e))
            ours, mine = seconds(
                lambda f=folder: run(
                    [sys.executable, "-c", OURS, weights, work / "reference.npz", f], os.environ
                )
            )
            parts = inside[count] = json.loads(mine)
            values = f"{float(output.split()[-2]):.1f} and {parts.pop('value'):.1f}"
            their_work, our_work = float(output.split()[-1]), sum(parts.values()) - parts["import"]
            print(f"{count:>6} {theirs:>10.1f} s {ours:>6.1f} s {theirs / ours:>6.1f}x {their_work:>13.1f} s "
                  f"{our_work:>6.1f} s {their_work / our_work:>6.1f}x    {values}", flush=True)  # fmt: skip
        for count, parts in inside.items():
            print(f"ours at {count}: " + ", ".join(f"{name} {took:.2f} s" for name, took in parts.items()))
        trace_alone(extractor, work)
        share_of_peak(extractor, work / str(counts[0]))


def trace_alone(extractor: Extractor, work: Path) -> None:
    """The trace term at n = 64, beside the square root that pytorch-fid takes."""
    with np.load(work / "reference.npz") as file:
        sigma, factor = file["sigma"], file["factor"]
    features = np.random.default_rng(2).normal(size=(64, factor.shape[1])) @ factor.T
    rows = (features - features.mean(0)) / np.sqrt(63)
    slow, root = seconds(lambda: np.trace(linalg.sqrtm(np.cov(features.T) @ sigma)).real)
    trace_of_root(rows, factor)
    quick, ours = seconds(lambda: trace_of_root(rows, factor))
    print(f"trace at n = 64: sqrtm {slow:.1f} s ({root:.6g}), ours {quick * 1e3:.0f} ms ({ours:.6g}), "
          f"{slow / quick:.0f}x")  # fmt: skip


def share_of_peak(extractor: Extractor, folder: Path) -> None:
    """What an image costs, part by part, and how near the network comes to what this CPU can multiply."""
    from torch.utils.flop_counter import FlopCounterMode

    paths = open_images(folder)
    some = [image for image, _ in zip(paths, range(64), strict=False)]
    network = extractor.network
    batch = network.prepare(torch.from_numpy(np.stack(some[: network.batch]))).to(extractor.dtype)
    with FlopCounterMode(display=False) as counter:
        network(batch)  # not in inference mode: the counter does not know what is fused there
    flop = counter.get_total_flops() / len(batch)
    with torch.inference_mode():
        a, b = torch.randn(2, 4096, 4096).to(extractor.dtype)
        c, w = (torch.randn(shape).to(extractor.dtype, memory_format=torch.channels_last)
                for shape in ((8, 448, 8, 8), (384, 448, 3, 3)))  # fmt: skip
        torch.set_num_threads(1)  # threads that wait for each other do not show what the cores can do
        product = 2 * 4096**3 / min(seconds(lambda: a @ b)[0] for _ in range(5))
        conv = min(seconds(lambda: torch.nn.functional.conv2d(c, w, padding=1))[0] for _ in range(50))
        peak = extractor.threads * max(product, 2 * 8 * 64 * 384 * 448 * 9 / conv)
        torch.set_num_threads(extractor.threads)
    extract(extractor, some[:16])
    whole = min(seconds(lambda: extract(extractor, some))[0] for _ in range(2)) / len(some)
    torch.set_num_threads(1)
    resize = seconds(lambda: [network.prepare(torch.from_numpy(i[None])) for i in some])[0] / len(some)
    torch.set_num_threads(extractor.threads)
    decode = seconds(lambda: [None for _ in paths])[0] / len(paths)
    print(f"an image: {whole * 1e3:.0f} ms; on one core, resizing is {resize * 1e3:.1f} ms of it")
    print(f"decoding its PNG: {decode * 1e3:.1f} ms")
    print(f"{flop / 1e9:.1f} GFLOP an image at {flop / whole / 1e9:.0f} GFLOP/s: {flop / whole / peak:.0%}")
    print(
        f"of the {peak / 1e9:.0f} GFLOP/s that its {extractor.threads} cores reach in {extractor.precision},"
    )
    print("each with the better of a matrix product and a 3x3 convolution; the rest: stem convolutions,")
    print("which have 3 to 64 channels, pools, concatenations, resizing")
    lite = load_extractor("efficientnet-lite0")
    extract(lite, some[:16])
    print(f"efficientnet-lite0: {seconds(lambda: extract(lite, some))[0] / len(some) * 1e3:.1f} ms an image")
    print(f"precision here: {extractor.precision}, {extractor.threads} threads")


def other_environment(folder: Path) -> Path:
    """Python of a fresh environment with pytorch-fid and its SciPy, PyTorch borrowed from this one."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *PYTORCH_FID], check=True)
    return python


def prepare_reference(extractor: Extractor, path: Path) -> None:
    """A reference of full rank, as thousands of palms would give, from the features of a few."""
    features = extract(extractor, draw(path.parent / "real", 24, seed=0, load=True))
    spread = np.random.default_rng(0).normal(size=(3000, 2048)) * features.std() * 0.3
    known = features[np.random.default_rng(1).integers(0, len(features), 3000)]
    statistics = FeatureStatistics.from_features(known + spread, extractor="", digest="")
    np.savez(path, mu=statistics.mean, sigma=statistics.cov, factor=statistics.factor, n=statistics.n)


def draw(folder: Path, count: int, *, seed: int, load: bool = False) -> Path | object:
    """`count` PNGs of 128 px of smooth random colors, as palms are smooth."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        coarse.resize((128, 128), Image.Resampling.BICUBIC).save(folder / f"{i:05}.png")
    return open_images(folder) if load else folder


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

"""Photos a second through the palm detector: our batches with decoding ahead, beside one `predict` a file.

    python benchmarks/cropping.py [FOLDER]

The alternative is what the Ultralytics documentation shows first: one call a file at its default 640 px. Both
use the same detector, the same photographs (drawn ones unless a folder is given) and the same process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import save_file

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import make_crops
from palm_assets.detector.detection import DETECTOR_FILE, load_detector
from palm_assets.detector.ultralytics_import import YOLO, DetectionModel
from palm_assets.photos.index import index_photos
from palm_assets.runtime import use_all_cores
from palm_assets.synthetic import write_kaggle_hands

PHOTOS = 320
NAIVE_PHOTOS = 48


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else work / "synthetic"
        if len(sys.argv) == 1:
            write_kaggle_hands(root, photos=PHOTOS, people=40, seed=0, size=640)
        photos = index_photos(root, aspects=("palmar", "dorsal", "unknown"))

        # Speed does not depend on what a detector has learnt, so a fresh one serves.
        yolo = YOLO("yolo11n.yaml", task="detect")
        yolo.model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
        weights = {name: value.contiguous() for name, value in yolo.model.state_dict().items()}
        about = {"architecture": json.dumps(yolo.model.yaml), "image_size": "224"}
        save_file(weights, work / DETECTOR_FILE, about)

        use_all_cores()
        start = time.perf_counter()
        for photo in photos.photos[:NAIVE_PHOTOS]:
            yolo.predict(str(root / photo.path), imgsz=640, verbose=False, device="cpu")
        naive = NAIVE_PHOTOS / (time.perf_counter() - start)

        detector = load_detector(work)
        config = CropConfig(no_palm="whole_photo")
        (work / "crops").mkdir()
        start = time.perf_counter()
        make_crops(photos, detector, config, work / "crops")
        ours = len(photos.photos) / (time.perf_counter() - start)

    print(f"{'one predict() a file, 640 px':42} {naive:7.1f} photos/s  (n = {NAIVE_PHOTOS})")
    print(
        f"{'ours: decode, detect at 224 px, cut, pack':42} {ours:7.1f} photos/s  (n = {len(photos.photos)})"
    )
    print(f"{'ratio':42} {ours / naive:7.1f}")


if __name__ == "__main__":
    main()

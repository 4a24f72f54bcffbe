"""Speed of detecting and cropping palms, compared with one `predict` call per file.

The baseline is the first example of the Ultralytics documentation: one call per file at the default 640 px.
Both use the same detector, photographs and process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from safetensors.torch import save_file

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import make_crops
from palm_assets.crops.shards import LocalEngine
from palm_assets.detector.detection import DETECTOR_FILE, load_detector
from palm_assets.detector.ultralytics_import import YOLO, DetectionModel
from palm_assets.photos.index import index_photos
from palm_assets.runtime import use_all_cores
from palm_assets.synthetic import write_kaggle_hands

PHOTOS = 320
BASELINE_PHOTOS = 48


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help=f"folder of photographs; default: {PHOTOS} synthetic ones"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        root = args.folder or work / "synthetic"
        if args.folder is None:
            write_kaggle_hands(root, photos=PHOTOS, people=40, seed=0, size=640)
        photos = index_photos(root, aspects=("palmar", "dorsal", "unknown"))

        # An untrained detector, because speed does not depend on the weights.
        yolo = YOLO("yolo11n.yaml", task="detect")
        yolo.model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
        weights = {name: value.contiguous() for name, value in yolo.model.state_dict().items()}
        metadata = {"architecture": json.dumps(yolo.model.yaml), "image_size": "224"}
        save_file(weights, work / DETECTOR_FILE, metadata)

        use_all_cores()
        start = time.perf_counter()
        for photo in photos.photos[:BASELINE_PHOTOS]:
            yolo.predict(str(root / photo.path), imgsz=640, verbose=False, device="cpu")
        baseline = BASELINE_PHOTOS / (time.perf_counter() - start)

        detector = load_detector(work)
        config = CropConfig(no_palm="whole_photo")
        (work / "crops").mkdir()
        start = time.perf_counter()
        make_crops(photos, LocalEngine(detector), config, work / "crops")
        palms = len(photos.photos) / (time.perf_counter() - start)

    print(f"{'one predict() call per file, 640 px':45} {baseline:7.1f} photos/s  (n = {BASELINE_PHOTOS})")
    count = len(photos.photos)
    print(f"{'Palms: decode, detect at 224 px, crop, pack':45} {palms:7.1f} photos/s  (n = {count})")
    print(f"{'speedup':45} {palms / baseline:7.1f}x")


if __name__ == "__main__":
    main()

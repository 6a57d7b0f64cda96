"""Overhead of a scan, and its throughput for 12-megapixel JPEG files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lab.devtools.made_run import make_run
from lab.devtools.run_edits import put
from probing_core.answers.crops import cut
from probing_core.api.scan import scan
from probing_core.api.scan_measure import flags_of, thumbnail
from probing_core.compute.runtime.parallel import threads
from probing_core.compute.task_names import DETECTOR
from probing_core.cores import cores
from probing_core.corpora import open_corpus
from probing_core.detector.detector import Detector, fit_detector
from probing_core.detector.features import features, prepare
from probing_core.images import encode_jpeg, encode_webp, inspect
from probing_core.images.quality import as_measured
from probing_core.run.layout import DETECTOR_FILE, scored_views_path
from probing_core.run.run_files import RunFiles
from probing_core.transforms import bank

VIEW = 128


@dataclass(frozen=True)
class Size:
    """Number of images, their size in pixels, and number of rounds."""

    pictures: int = 32
    width: int = 4000
    height: int = 3000
    rounds: int = 3


SMALL = Size(2, 400, 300, 1)


def run(size: Size) -> dict[str, dict[str, object]]:
    """``scan``, of 32 JPEGs of 12 megapixels:

    - ``ratio``: seconds of the scan, network loaded, over the processor seconds of its parts (each done once, one after
      the other, on one core) divided by the cores; at most 1.1 is the aim, on a quiet machine.
    - ``processor_ratio``: the scan's processor seconds over those of its parts; a busy machine hardly changes it.
    - ``pictures_per_s``, and ``bound_by``: the part that takes the most.
    - ``ms``: processor milliseconds a picture of each part.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder, run, detector = _folder(root / "pictures", size), _run(root / "run"), _detector()
        prepare(VIEW, VIEW)
        best: dict[str, float] = {"scan": np.inf, "processor": np.inf}
        parts: dict[str, float] = {}
        for i in range(size.rounds):  # in turn, so that other work on the machine slows all alike
            begun, used = time.perf_counter(), time.process_time()
            scan(folder, root / f"scan-{i}", run)
            best["scan"] = min(best["scan"], time.perf_counter() - begun)
            best["processor"] = min(best["processor"], time.process_time() - used)
            for name, seconds in seconds_by_part(sorted(folder.iterdir()), detector).items():
                parts[name] = min(parts.get(name, np.inf), seconds)
    total = sum(parts.values())
    return {
        "scan": {
            "ratio": round(best["scan"] * cores() / total, 3),
            "processor_ratio": round(best["processor"] / total, 3),
            "pictures_per_s": round(size.pictures / best["scan"], 2),
            "bound_by": max(parts, key=parts.__getitem__),
            "ms": {name: round(1000 * seconds / size.pictures, 2) for name, seconds in parts.items()},
        }
    }


def seconds_by_part(files: Sequence[Path], detector: Detector, view: int = VIEW) -> dict[str, float]:
    """Scan image files step by step on one core, and return the processor time of each step in seconds."""
    seconds = dict.fromkeys(("decode", "cut", "flags", "measure", "judge", "thumbnail"), 0.0)

    def timed(name: str, work: Callable):
        begun = time.process_time()
        result = work()
        seconds[name] += time.process_time() - begun
        return result

    with threads(1):
        for path in files:
            picture = timed("decode", lambda path=path: inspect(path, path.name)).image
            small = timed("flags", lambda picture=picture: as_measured(picture))
            crops = timed("cut", lambda picture=picture, small=small: cut(picture, view, small))
            timed("flags", lambda small=small, crops=crops: flags_of(small, (), crops, no_color=False))
            X = timed("measure", lambda crops=crops: features(crops.images))
            timed("judge", lambda X=X: detector.log_probabilities(X))
            timed("thumbnail", lambda small=small: encode_webp(thumbnail(small), 60))
    return seconds


def _folder(folder: Path, size: Size) -> Path:
    """Write upsampled packaged photographs as JPEG files with the size of camera images, and return the folder."""
    folder.mkdir()
    corpus = open_corpus("photos")
    for i, image_id in enumerate(corpus.rows["image_id"].iloc[:: len(corpus.rows) // size.pictures][: size.pictures]):
        large = cv2.resize(corpus.load(image_id), (size.width, size.height), interpolation=cv2.INTER_CUBIC)
        noise = np.random.default_rng(i).integers(
            -6, 7, (size.height, size.width, 1), np.int8
        )  # as a camera's: detail to store
        (folder / f"{i:02d}.jpg").write_bytes(encode_jpeg(np.clip(large + noise, 0, 255).astype(np.uint8), 92))
    return folder


def _run(out: Path) -> Path:
    """Return a synthetic run with an arbitrary detector."""
    store = RunFiles(make_run(out))
    put(store, {DETECTOR_FILE: _detector().to_bytes()})
    scores = np.random.default_rng(0).normal(size=200)
    untouched = {"role": "calibrate", "size": "view", "maker": "as it is", "transform": "identity", "no_color": False}
    names = [str(i) for i in range(len(scores))]
    untouched |= {"group": "identity", "image_id": names, "base_id": names, "corpus": 1, "whole_score": scores}
    put(store, {scored_views_path(DETECTOR): pd.DataFrame({"score": scores}).assign(**untouched)})
    return out


def _detector() -> Detector:
    transforms = sorted(bank(), key=lambda t: t.name != "identity")
    size = features([np.zeros((VIEW, VIEW, 3), np.uint8)]).shape[1]
    rng = np.random.default_rng(0)
    sets = [(rng.normal(size=(n, size)).astype(np.float32), np.arange(n) % 31) for n in (620, 310)]
    return fit_detector(*sets[0], sets[1], classes=[t.name for t in transforms], groups=[t.group for t in transforms])

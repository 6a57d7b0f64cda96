"""Resumption of interrupted scans: ``python -m lab.evidence.scan_kills RUN [--pictures 10000] [--kills 5]``.

The command creates a folder of JPEG files from clean and blurred packaged photographs (110 to 200 pixels), and scans it
twice with the detector of RUN: once without interruption, and once while the process is killed and restarted several
times. Prints one JSON object: whether all output files are identical (except for URLs of images in the page), the
duration in seconds, and the peak memory of the uninterrupted scan and of a scan of a tenth of the images.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from lab.devtools.commands import parser_of
from probing_core.corpora import open_corpus
from probing_core.images import encode_jpeg
from probing_core.run.layout import LOG, PROGRESS
from probing_core.transforms import resolve

SIDES = (110, 200)
POLL_S = 0.2


def make_folder(folder: Path, count: int) -> Path:
    """Create ``count`` images in subfolders of 1,000 images. They are random crops of the packaged photographs, and
    every third image is blurred."""
    rng = np.random.default_rng(0)
    corpus, blur = open_corpus("photos"), resolve("gaussian-blur")
    photographs = [corpus.load(image_id) for image_id in corpus.rows["image_id"].iloc[::10]]
    for i in range(count):
        picture = photographs[i % len(photographs)]
        side = int(rng.integers(*SIDES))
        cut = int(rng.integers(min(side, *picture.shape[:2]), min(picture.shape[:2]) + 1))
        top, left = (int(rng.integers(length - cut + 1)) for length in picture.shape[:2])
        square = np.ascontiguousarray(picture[top : top + cut, left : left + cut])
        view = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
        if i % 3 == 1:
            view = blur.apply(view, 2.0, rng)
        path = folder / f"{i // 1000:03d}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(view, 92))
    return folder


def scan_process(folder: Path, out: Path, run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "probing_core.cli", "scan", str(folder), "--out", str(out), "--run", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def left_alone(folder: Path, out: Path, run: Path) -> tuple[float, float]:
    """Run a scan without interruption, and return its duration in seconds and its peak memory in MB."""
    start = time.monotonic()
    process = scan_process(folder, out, run)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"The scan of '{folder}' ended with exit code {os.waitstatus_to_exitcode(status)}.")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return time.monotonic() - start, used.ru_maxrss / scale


def killed(folder: Path, out: Path, run: Path, kills: int, pictures: int) -> list[int]:
    """Run a scan that is killed ``kills`` times, and return the number of completed images at each kill."""
    moments = [pictures * (i + 1) // (kills + 1) for i in range(kills)]
    counts = []
    for moment in moments:
        process = scan_process(folder, out, run)
        while process.poll() is None and _done(out) < moment:
            time.sleep(POLL_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(_done(out))
    left_alone(folder, out, run)
    return counts


def contents(out: Path) -> dict[str, str]:
    """Return the digest of each output file. Links in the page are ignored, because they depend on the folder."""
    digests = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and LOG not in name.parts:
            content = path.read_bytes()
            if name.suffix == ".html":
                content = re.sub(rb'href="[^"]*"', b"", content)
            digests[name.as_posix()] = hashlib.sha256(content).hexdigest()
    return digests


def _done(out: Path) -> int:
    try:
        return int(json.loads((out / PROGRESS).read_bytes())["done"])
    except (OSError, ValueError, KeyError):
        return 0


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="run with a detector")
    parser.add_argument("--pictures", type=int, default=10_000, help="number of images")
    parser.add_argument("--kills", type=int, default=5, help="number of interruptions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        large = make_folder(root / "large", options.pictures)
        small = make_folder(root / "small", options.pictures // 10)
        _, small_mb = left_alone(small, root / "of-small", options.run)
        seconds, large_mb = left_alone(large, root / "alone", options.run)
        counts = killed(large, root / "killed", options.run, options.kills, options.pictures)
        equal = contents(root / "alone") == contents(root / "killed")
    result = {"pictures": options.pictures, "killed_at": counts, "same_bytes": equal, "seconds": round(seconds, 1)}
    print(json.dumps(result | {"mb": round(large_mb), "mb_of_a_tenth": round(small_mb)}))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())

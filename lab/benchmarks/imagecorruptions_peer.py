# /// script
# requires-python = "==3.11.*"
# dependencies = ["imagecorruptions-imaug", "setuptools<81"]
# ///
"""Times imagecorruptions-imaug, which pulls opencv-python; `lab.benchmarks.transforms` starts it by ``uv run``.

Reads a JSON object {"picture": path of a .npy, "operations": {name: severity}, "seconds": budget for each} from the
command line and prints {name: seconds an image}.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries are loaded

import cv2
import numpy as np
from imagecorruptions import corrupt


def main() -> None:
    task = json.loads(sys.argv[1])
    cv2.setNumThreads(1)
    picture = np.load(task["picture"])
    times = {}
    for name, severity in task["operations"].items():
        corrupt(picture, corruption_name=name, severity=severity)
        best, end = float("inf"), time.perf_counter() + task["seconds"]
        while time.perf_counter() < end:
            start = time.perf_counter()
            corrupt(picture, corruption_name=name, severity=severity)
            best = min(best, time.perf_counter() - start)
        times[name] = best
    print(json.dumps(times))


if __name__ == "__main__":
    main()

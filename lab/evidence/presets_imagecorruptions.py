# /// script
# requires-python = "==3.11.*"
# dependencies = ["imagecorruptions-imaug", "setuptools<81"]
# ///
"""Transform images with imagecorruptions. `lab.evidence.presets` runs this script with ``uv run``.

Reads an .npz file of images and a JSON list of operations, and writes an .npz file with keys
``image|operation|severity``.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from imagecorruptions import corrupt


def main() -> None:
    source, out, operations = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    pictures = dict(np.load(source))
    images = {}
    for operation in operations:
        for severity in range(1, 6):
            for number, (name, picture) in enumerate(pictures.items()):
                np.random.seed(number)  # noqa: NPY002, the library draws from the global state
                changed = corrupt(picture, corruption_name=operation, severity=severity)
                images[f"{name}|{operation}|{severity}"] = np.asarray(changed, np.uint8)
    np.savez(out, **images)


if __name__ == "__main__":
    main()

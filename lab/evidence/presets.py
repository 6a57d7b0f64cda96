"""Comparison of the ``imagenet-c`` operations with imagecorruptions-imaug: ``python -m lab.evidence.presets``.

Both implementations transform the packaged photographs at 224 px, the size in the paper. For each operation and
severity, the command prints the mean absolute difference (of 255) from the original for this package and the library.
For deterministic operations, it also prints the mean difference between the two results. The library is installed in a
separate environment created with uv.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from lab.devtools.commands import errors_in_a_line, markdown_table, uv_run
from lab.protocols.imagenet_c import TRANSFORMS
from probing_core.corpora.photos import PhotosCorpus
from probing_core.transforms import Image, Transform, generator
from probing_core.transforms.transformation import grid

SIDE = 224
THEIRS = {"imagenet-c/elastic": "elastic_transform", "imagenet-c/jpeg": "jpeg_compression"}
"""Operations whose names in the library differ by more than dashes and underscores."""


def name_of_theirs(transform: Transform) -> str:
    return THEIRS.get(transform.name, transform.name.removeprefix("imagenet-c/").replace("-", "_"))


def changed(transform: Transform, picture: Image, severity: int, name: str) -> Image:
    """Apply ``transform`` at ``severity``. Warps use mirrored pixels beyond the borders, as in the library."""
    rng = generator(0, name, transform.name)
    if transform.warp is None:
        return transform.apply(picture, severity, rng)
    (x, y), (left, top) = transform.warp(picture.shape[:2], severity, rng), (c[0, 0] for c in grid(picture.shape[:2]))
    return cv2.remap(picture, x - left, y - top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def difference(first: Image, second: Image) -> float:
    """Return the mean absolute difference between two images (of 255)."""
    return float(cv2.norm(first, second, cv2.NORM_L1) / first.size)


def squares() -> dict[str, Image]:
    """Return the central square of each packaged photograph, resized to `SIDE` pixels."""
    crops = {}
    for name, picture in PhotosCorpus().photographs():
        height, width = picture.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        middle = picture[top : top + side, left : left + side]
        crops[name] = cv2.resize(middle, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return crops


def library_results(pictures: dict[str, Image], operations: list[str]) -> dict[str, Image]:
    """Transform images with the library, and return the results as ``image|operation|severity`` -> image."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "pictures.npz", Path(folder) / "made.npz"
        np.savez(source, **pictures)  # type: ignore[arg-type]
        uv_run(Path(__file__).with_name("presets_imagecorruptions.py"), source, out, json.dumps(operations))
        return dict(np.load(out))


def table() -> str:
    pictures, transforms = squares(), TRANSFORMS
    results = library_results(pictures, [name_of_theirs(t) for t in transforms])
    lines = []
    for transform in transforms:
        cells, distances = [], []
        for severity in range(1, 6):
            own_images = {name: changed(transform, picture, severity, name) for name, picture in pictures.items()}
            library_images = {name: results[f"{name}|{name_of_theirs(transform)}|{severity}"] for name in pictures}
            changes = (
                np.mean([difference(images[name], pictures[name]) for name in pictures])
                for images in (own_images, library_images)
            )
            cells.append(" / ".join(f"{mean:.1f}" for mean in changes))
            distances.append(np.mean([difference(library_images[name], own_images[name]) for name in pictures]))
        distance = "–" if transform.draws else f"{np.mean(distances):.1f}"
        lines.append([transform.name.removeprefix("imagenet-c/"), *cells, distance])
    return markdown_table(["operation", "severity 1", "2", "3", "4", "5", "difference between the two"], lines)


@errors_in_a_line
def main() -> None:
    print(table())


if __name__ == "__main__":
    raise SystemExit(main())

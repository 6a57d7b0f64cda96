"""Further measurements of `probing_core.diff`: ``python -m lab.evidence.diff_checks [--corpus CORPUS] [--write]``.

- JPEG: the edited image is decoded from a JPEG file, and passed as pixels. Is its quality found?
- Copies: images are saved in lossless formats. How many are called changed?
- Orders: two edits in either order. Are both named, in this order?
- Rare edits: 5 of 100 images are edited. Are these found, and is the edit named?
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageFilter, ImageOps

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from lab.evidence.diff_foreign import ANSWERS, PIPELINES, Function, enhance, jpeg, pil, stored
from lab.evidence.diff_pipelines import PAGE, RIGHT, outcome, photographs
from probing_core import diff
from probing_core.images import Image
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import interval, mean

MARK = "<!-- generated: python -m lab.evidence.diff_checks -->"

IMAGES = 100
"""Number of photographs for JPEG files and rare edits."""

COPIES = 250
"""Number of photographs that are saved in each lossless format."""

EDITED = 5
"""Number of images to which a rare edit is applied."""

RARE = ("pillow jpeg 85", "opencv gain 1.3", "pillow gaussian 2", "pillow half lanczos", "skimage noise")
"""Pipelines that are applied to few images."""

SMALLEST_SAMPLE = 10
"""Number of values from which an interval is stated."""

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}, "TIFF": {}, "BMP": {}}


@dataclass(frozen=True)
class Part:
    """An edit of a pair of edits, and its name."""

    name: str
    apply: Function


BRIGHT = Part("brighten", enhance(ImageEnhance.Brightness, 1.2))
SATURATED = Part("desaturate", enhance(ImageEnhance.Color, 1.4))
GRAY = Part("desaturate", pil(ImageOps.grayscale))
GAMMA = Part("gamma", lambda image: cv2.LUT(image, np.rint((np.arange(256) / 255) ** 1.4 * 255).astype(np.uint8)))
INVERTED = Part("invert", pil(ImageOps.invert))
BLUR = Part("gaussian-blur", lambda image: cv2.GaussianBlur(image, (0, 0), 1.3))
SHARP = Part("sharpen", pil(lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 120, 0))))
JPEG = Part("jpeg", jpeg(60))
WEBP = Part("webp", lambda image: stored(image, "WEBP", quality=60))

ORDERS = (
    (BRIGHT, JPEG),
    (SATURATED, JPEG),
    (GAMMA, JPEG),
    (BLUR, JPEG),
    (SHARP, JPEG),
    (GAMMA, WEBP),
    (BLUR, WEBP),
    (GRAY, BLUR),
    (INVERTED, SHARP),
    (SATURATED, BLUR),
)
"""Pairs of edits of different kinds. Each pair is measured in both orders."""


COMMUTING = (frozenset((INVERTED.name, SHARP.name)),)
"""Edits that have the same result in both orders, except for rounding. Each order is right."""


def jpeg_rows(images: Sequence[Image], seed: int = 0) -> Iterator[dict[str, object]]:
    """Yield the true and the found quality of JPEG files that are passed as pixels."""
    rng = np.random.default_rng(seed)
    for i, image in enumerate(images):
        quality, chroma, half = int(rng.integers(5, 99)), int(rng.choice([0, 2])), i % 2 == 1
        picture = Pillow.fromarray(image)
        if half:
            picture = picture.resize((image.shape[1] // 2, image.shape[0] // 2), Pillow.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=chroma)
        edits = diff(image, np.asarray(Pillow.open(buffer))).summary.edits
        found = [edit.strength for edit in edits if edit.name == "jpeg"]
        yield {"quality": quality, "chroma": chroma, "half": half, "found": found[0] if found else None}


def copies_called_changed(images: Sequence[Image]) -> tuple[int, int]:
    """Save images in lossless formats, and return how many are called changed, and how many were saved."""
    changed, total = 0, 0
    for format, options in LOSSLESS.items():
        summary = diff(images, [stored(image, format, **options) for image in images]).summary
        changed, total = changed + summary.changed + summary.unreadable, total + len(images)
    return changed, total


def order_is_right(images: Sequence[Image], first: Part, second: Part) -> tuple[bool, bool]:
    """Apply two edits, and return whether both are named, and whether they are named in their order."""
    summary = diff(list(images), [second.apply(first.apply(image)) for image in images]).summary
    names = [edit.name for edit in summary.edits] if summary.named else []
    expected = [first.name, second.name]
    in_order = names == expected or (frozenset(expected) in COMMUTING and sorted(names) == sorted(expected))
    return sorted(names) == sorted(expected), in_order


def rare_is_right(images: Sequence[Image], name: str) -> bool:
    """Apply a pipeline to few images, and return whether these are found and the edit is named."""
    edited = list(images)
    for i in range(0, len(images), len(images) // EDITED)[:EDITED]:
        edited[i] = PIPELINES[name](images[i])
    result = diff(images, edited)
    counts = (result.summary.equal_pixels, result.summary.changed)
    return counts == (len(images) - EDITED, EDITED) and outcome(ANSWERS[name], result, True) == RIGHT


def rows(corpus: str, split: str, images: int, copies: int) -> Iterator[list[str]]:
    some = photographs(corpus, split, images)
    found = list(jpeg_rows(some))
    for half, title in ((False, "quality of JPEG"), (True, "quality of JPEG after resizing by 0.5")):
        exact = np.array([row["quality"] == row["found"] for row in found if row["half"] is half])
        yield [title, "exact", _fraction(exact)]
    changed, total = copies_called_changed(list(islice(cycle(photographs(corpus, split, min(copies, 300))), copies)))
    yield ["lossless copies", "called changed", f"{changed:,} of {total:,}"]
    for pairs in (1, 5):
        results = [order_is_right(some[i : i + pairs], *order) for i, order in enumerate(_both_orders())]
        named, ordered = np.array(results).T
        yield [f"two edits, {pairs} {'pair' if pairs == 1 else 'pairs'}", "both named", _fraction(named)]
        yield [f"two edits, {pairs} {'pair' if pairs == 1 else 'pairs'}", "in their order", _fraction(ordered)]
    right = np.array([rare_is_right(some, name) for name in RARE])
    yield [f"{EDITED} of {len(some)} images edited", "found, and edit named", _fraction(right)]


def _both_orders() -> Iterator[tuple[Part, Part]]:
    for first, second in ORDERS:
        yield first, second
        yield second, first


def _fraction(values: np.ndarray) -> str:
    count = f"{int(values.sum())} of {len(values)}"
    if len(values) < SMALLEST_SAMPLE:
        return count
    value = interval(mean(values, np.arange(len(values))), low=0, high=1)
    return f"{count}: {in_percent(value.value)} ({in_percent(value.low)} to {in_percent(value.high)})"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/how-to/before-after.md")
    parser.add_argument("--corpus", default="reference", help="corpus of the photographs (default: reference)")
    parser.add_argument("--split", default="test", help="split of the corpus (default: test)")
    parser.add_argument("--images", type=int, default=IMAGES, metavar="N", help="number of photographs")
    parser.add_argument("--copies", type=int, default=COPIES, metavar="N", help="number of photographs to copy")
    options = parser.parse_args()
    lines = []
    for line in rows(options.corpus, options.split, options.images, options.copies):
        print(": ".join(line), file=sys.stderr, flush=True)
        lines.append(line)
    publish(PAGE, MARK, markdown_table(["measured", "outcome", "result"], lines), options.write)


if __name__ == "__main__":
    sys.exit(main())

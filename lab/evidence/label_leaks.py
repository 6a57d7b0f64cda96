"""Power and false alarm rate of the test for traits that give labels away: ``python -m lab.evidence.label_leaks``.

Small images are saved as files with Pillow, with 100 files for each of two labels:

- In a folder of equal files, one trait of ten files of one label is changed. Each of the seven leaks must be found and
  named.
- In a folder that mixes eight kinds of files, labels are assigned at random. At most 6.5% of these assignments may
  raise an alarm, as expected at a level of 5%.
- In the same folder, four kinds of files have one label, and four the other. All traits that differ are listed.

Prints a Markdown table.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as Pillow
from PIL import ImageCms

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from probing_core.api.scan_labels import LabelReport, compare_labels
from probing_core.images.file_facts import file_facts
from probing_core.measures.notation import in_percent

FILES = 100
"""Number of files per label."""

LEAKING = 10
"""Number of files of one label whose trait is changed."""

SIDE = 24

Save = Callable[[Pillow.Image], bytes]


def saved(format: str = "JPEG", mode: str = "RGB", **options: Any) -> Save:
    """Return a function that saves an image. JPEG files have a quality of 90 and 4:2:0 chroma by default."""
    defaults = {"quality": 90, "subsampling": 2} if format == "JPEG" else {}

    def save(picture: Pillow.Image) -> bytes:
        buffer = io.BytesIO()
        picture.convert(mode).save(buffer, format, **(defaults | options))
        return buffer.getvalue()

    return save


def exif() -> Pillow.Exif:
    tags = Pillow.Exif()
    tags[0x010F] = "Camera"  # manufacturer
    return tags


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

LEAKS: dict[str, Save] = {
    "Format": saved("PNG"),
    "JPEG quality": saved(quality=85),
    "Chroma subsampling": saved(subsampling=0),
    "Progressive JPEG": saved(progressive=True),
    "EXIF": saved(exif=exif()),
    "Color profile": saved(icc_profile=PROFILE),
    "Color mode": saved(mode="L"),
}
"""Trait -> function that saves a file in which it is changed."""

KINDS: tuple[Save, ...] = (
    saved(quality=95, subsampling=0, exif=exif()),
    saved(quality=85),
    saved(quality=75, progressive=True),
    saved(quality=92, icc_profile=PROFILE),
    saved(mode="L"),
    saved("PNG"),
    saved("PNG", mode="RGBA"),
    saved("WEBP", quality=80),
)
"""Eight kinds of files, as from different sources."""


def traits(savers: list[Save], seed: int = 0) -> pd.DataFrame:
    """Save one image with each of ``savers``, and return the traits of the files."""
    rng = np.random.default_rng(seed)
    rows = []
    for save in savers:
        facts = file_facts(save(Pillow.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))), "image")
        rows.append(vars(facts) | {"quality": facts.quality or 0, "error": ""})
    return pd.DataFrame(rows)


LABELS = np.repeat(["a", "b"], FILES)


def report_of(files: pd.DataFrame, labels: np.ndarray) -> LabelReport:
    report = compare_labels(files.assign(label=labels))
    assert report is not None  # both labels have files
    return report


def found_in(leak: str) -> tuple[str, ...]:
    """Return the traits that are reported if one trait of `LEAKING` files is changed."""
    savers = [LEAKS[leak]] * LEAKING + [saved()] * (2 * FILES - LEAKING)
    return tuple(test.trait for test in report_of(traits(savers), LABELS).leaks)


def mixed() -> pd.DataFrame:
    return traits([KINDS[i % len(KINDS)] for i in range(2 * FILES)])


def false_alarms(assignments: int, seed: int = 0) -> int:
    """Return the number of random assignments of labels to mixed files for which any trait is reported."""
    files, rng = mixed(), np.random.default_rng(seed)
    return sum(bool(report_of(files, rng.permutation(LABELS)).leaks) for _ in range(assignments))


def by_source() -> tuple[str, ...]:
    """Return the traits that are reported if each label has four kinds of files."""
    labels = np.where(np.arange(2 * FILES) % len(KINDS) < len(KINDS) // 2, "a", "b")
    return tuple(test.trait for test in report_of(mixed(), labels).leaks)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "images.md"
MARK = "<!-- generated: python -m lab.evidence.label_leaks -->"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/how-to/images.md")
    parser.add_argument("--assignments", type=int, default=1000, help="random assignments of labels")
    options = parser.parse_args()
    alarms = false_alarms(options.assignments)
    rows = [
        *([f"{leak} of {LEAKING} of {FILES} files", ", ".join(found_in(leak)) or "none"] for leak in LEAKS),
        [
            f"{options.assignments:,} random labels of eight kinds of files",
            f"any trait in {in_percent(alarms / options.assignments, 1)}",
        ],
        ["each label with four kinds of files", ", ".join(by_source())],
    ]
    publish(PAGE, MARK, markdown_table(["files that differ between two labels", "reported"], rows), options.write)


if __name__ == "__main__":
    sys.exit(main())

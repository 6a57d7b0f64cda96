"""Which files of a folder are scanned, and what is found in one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from probing_core.compute.live import PictureCrops, Prediction, cut
from probing_core.detector.detector import Detector, detect, has_no_color, turned_gray
from probing_core.detector.verdicts import score_of
from probing_core.errors import BadConfig, BadImage
from probing_core.images import Image, encode_webp, inspect
from probing_core.paths import leads_out

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"))
"""Of files that are scanned; whether they are pictures, their content decides."""

THUMBNAIL = 72
"""Pixels of the longer side."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to scan, small: there may be a million.

    Attributes:
        path: absolute.
        name: relative to the folder, with forward slashes; characters that are no text are replaced.
        stamp: size and time of the last change, by which a changed file is scanned again.
    """

    path: str
    name: str
    stamp: tuple[int, int]


def find_files(folder: Path, apart: Path) -> list[File]:
    """Find the files under ``folder`` by the order of their names, less hidden ones, links out of it and ``apart``.

    Raises:
        BadConfig: there is no such folder, nothing in it to scan, or a folder in it that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise BadConfig(f"'{error.filename}' cannot be listed ({error.strerror}); give the right to, or move it away.")

    root, apart = (Path(os.path.realpath(path)) for path in (folder, apart))
    if not root.is_dir():
        raise BadConfig(f"'{folder}' is no folder; give a folder with pictures.")
    found = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(place, n) != apart)
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES or leads_out(path, root):
                continue
            try:
                status = path.stat() if path.exists() else path.lstat()  # what a link leads to, unless it is broken
            except FileNotFoundError:
                continue  # it was removed meanwhile
            shown = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
            found.append(File(str(path), shown, (status.st_size, status.st_mtime_ns)))
    if not found:
        raise BadConfig(f"'{folder}' holds no picture; expected files that end in {', '.join(sorted(SUFFIXES))}.")
    return found


@dataclass(frozen=True, eq=False)
class Finding:
    """What a scan keeps of one file: no pixels but a thumbnail.

    Attributes:
        error: why it cannot be read; then nothing else is there.
        prediction: by the detector.
        gray_score: of the picture turned gray; only where it calibrates.
    """

    error: str = ""
    prediction: Prediction | None = None
    no_color: bool = False
    width: int = 0
    height: int = 0
    notes: tuple[str, ...] = ()
    thumbnail: bytes = b""
    gray_score: float = float("nan")


def examine(file: File, detector: Detector, view: int, gray: bool = False) -> Finding:
    """Decode one file, and have the detector predict it.

    Args:
        gray: whether it is scored turned gray, too.
    """
    try:
        picture = inspect(Path(file.path), file.name)
    except BadImage as error:
        return Finding(error=str(error))
    crops = cut(picture.image, view)
    predictions = detect(detector, [crops, PictureCrops(turned_gray(crops.whole))][: 2 if gray else 1])
    return Finding(
        prediction=predictions[0],
        no_color=has_no_color(crops.whole),
        width=picture.width,
        height=picture.height,
        notes=picture.notes,
        thumbnail=encode_webp(small(picture.image), 60),
        gray_score=score_of(predictions[1], True, fused=False) if gray else float("nan"),
    )


def small(image: Image) -> Image:
    """Return the thumbnail of ``image``."""
    share = min(1.0, THUMBNAIL / max(image.shape[:2]))
    height, width = (max(1, round(length * share)) for length in image.shape[:2])
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))

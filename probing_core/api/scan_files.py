"""Files of a scan: discovery, decoding in separate processes, and measurement."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from probing_core.answers.answer import classes_of, score_of
from probing_core.answers.answer_sentences import edit_of
from probing_core.answers.crops import COMBINED, Crops, cut
from probing_core.api.scan_decoding import decode
from probing_core.compute.runtime.workers import WorkerDied
from probing_core.detector.detector import Detector, detect, has_no_color, turned_gray
from probing_core.errors import BadConfig, BadImage
from probing_core.images import Image, encode_webp
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH, as_measured, flaws
from probing_core.paths import leads_out

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"))
"""Extensions of files to scan. Whether a file is an image is determined from its content."""

THUMBNAIL = 72


@dataclass(frozen=True, slots=True)
class File:
    """A file to scan.

    Attributes:
        path: absolute path.
        name: path relative to the scanned folder, with forward slashes; bytes that are not valid UTF-8 are replaced.
        stamp: size and modification time, used to detect changed files.
    """

    path: str
    name: str
    stamp: tuple[int, int]


def find_files(folder: Path, excluded: Path) -> list[File]:
    """Find the files to scan in ``folder`` and its subfolders, in a reproducible order.

    Hidden files and folders, links to files outside of ``folder``, and the folder ``excluded`` are skipped.

    Raises:
        BadConfig: the folder does not exist, has no files to scan, or contains a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise BadConfig(
            f"'{error.filename}' cannot be listed ({error.strerror}). Make it readable, or move it elsewhere."
        )

    root, excluded = (Path(os.path.realpath(path)) for path in (folder, excluded))
    if not root.is_dir():
        raise BadConfig(f"'{folder}' is not a folder. Specify a folder with images.")
    files = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(place, n) != excluded)
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES or leads_out(path, root):
                continue
            try:
                status = path.stat() if path.exists() else path.lstat()  # follow links, except broken ones
            except FileNotFoundError:
                continue  # the file was removed in the meantime
            relative = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
            files.append(File(str(path), relative, (status.st_size, status.st_mtime_ns)))
    if not files:
        raise BadConfig(f"'{folder}' contains no images. Expected files that end in {', '.join(sorted(SUFFIXES))}.")
    return files


Row = dict[str, Any]

MEASURED = pa.schema(
    {
        "path": pa.string(),
        "error": pa.string(),
        "width": pa.int64(),
        "height": pa.int64(),
        "no_color": pa.bool_(),
        "large": pa.bool_(),
        "is_flat": pa.bool_(),
        "whole": pa.float64(),
        "joined": pa.float64(),
        "gray": pa.float64(),
        "group": pa.string(),
        "class": pa.string(),
        "group_probability": pa.float64(),
        "class_probability": pa.float64(),
        "flags": pa.string(),
        "digest": pa.string(),
        "thumbnail": pa.binary(),
    }
)
"""Columns of the rows of `measure`."""

NAN = float("nan")
_DEFAULTS = {pa.string(): "", pa.int64(): 0, pa.bool_(): False, pa.float64(): NAN, pa.binary(): b""}
UNREAD: Row = {field.name: _DEFAULTS[field.type] for field in MEASURED}
"""Values of a row of `measure` for a file that cannot be read."""


def flags_of(image: Image, notes: Sequence[str], crops: Crops, no_color: bool) -> list[str]:
    """Return the flags of an image, as on the "Try your images" page. Flags that affect the answer come first.

    Args:
        image: the image, or the result of `as_measured` for it.
        notes: remarks on how the file was decoded.
        crops: crops of the image.
        no_color: whether the image is nearly gray.
    """
    flawed = flaws(image)
    kinds = {
        PERHAPS_NO_PHOTOGRAPH: crops.is_flat,
        "hardly any color": no_color and "has no color" not in flawed,
        "large": crops.kind == COMBINED,
    }
    return [*(kind for kind, applies in kinds.items() if applies), *notes, *flawed]


def thumbnail(image: Image) -> Image:
    scale = min(1.0, THUMBNAIL / max(image.shape[:2]))
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def measure(file: File, decoders: Executor, detector: Detector, view: int, as_gray: bool) -> Row:
    """Decode and score one file.

    Args:
        file: the file.
        decoders: processes that decode files. They import only `probing_core.images`, so they start fast. If a file
            crashes its process, the file is reported as unreadable, and the scan continues.
        detector: detector that scores the image.
        view: view size in pixels.
        as_gray: whether to also score the image converted to grayscale, for calibrating images without color.

    Returns:
        A row with the columns `MEASURED`. The edit scores are ``whole`` (central square), ``joined`` (central square
        and tiles) and ``gray`` (central square converted to grayscale). ``group``, ``class`` and their probabilities
        describe the most probable edit.
    """
    row = UNREAD | {"path": file.name}
    try:
        picture, digest = decoders.submit(partial(decode, name=file.name), Path(file.path)).result()
    except BadImage as error:
        return row | {"error": str(error)}
    except WorkerDied:
        reason = f"{file.name} could not be decoded: every process that tried to decode it crashed, or memory ran out."
        return row | {"error": reason}
    small = as_measured(picture.image)
    crops = cut(picture.image, view, small)
    no_color = has_no_color(crops.whole)
    gray = [Crops(turned_gray(crops.whole))] if as_gray else []
    prediction, *turned = detect(detector, [crops, *gray])
    classes = classes_of(prediction, no_color)
    edit = edit_of(classes)._asdict() if classes else {}
    return row | {
        "width": picture.width,
        "height": picture.height,
        "no_color": no_color,
        "large": crops.kind == COMBINED,
        "is_flat": crops.is_flat,
        "whole": score_of(prediction, no_color, whole_only=True),
        "joined": score_of(prediction, no_color),
        "gray": score_of(turned[0], no_color=True) if turned else NAN,
        "group": edit.get("group", ""),
        "class": edit.get("transform", ""),
        "group_probability": edit.get("group_probability", NAN),
        "class_probability": edit.get("transform_probability", NAN),
        "flags": "; ".join(flags_of(small, picture.notes, crops, no_color)),
        "digest": digest,
        "thumbnail": encode_webp(thumbnail(small), 60),
    }

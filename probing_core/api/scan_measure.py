"""Measurement of one image for a scan."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from probing_core.answers.answer import classes_of, score_of
from probing_core.answers.answer_sentences import edit_of
from probing_core.answers.crops import COMBINED, Crops, cut
from probing_core.api.scan_decoding import decode
from probing_core.api.scan_source import Item
from probing_core.compute.runtime.workers import WorkerDied
from probing_core.detector.detector import Detector, detect
from probing_core.errors import BadImage
from probing_core.images import Image, encode_webp
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH, as_measured, flaws, has_no_color, turned_gray

THUMBNAIL = 72


Row = dict[str, Any]

MEASURED = pa.schema(
    {
        "path": pa.string(),
        "error": pa.string(),
        "width": pa.int64(),
        "height": pa.int64(),
        "format": pa.string(),
        "mode": pa.string(),
        "quality": pa.int64(),
        "subsampling": pa.string(),
        "progressive": pa.bool_(),
        "exif": pa.bool_(),
        "profile": pa.string(),
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


def measure(item: Item, decoders: Executor, detector: Detector, view: int, as_gray: bool) -> Row:
    """Decode and score one image.

    Args:
        item: the image.
        decoders: processes that decode images. They import only `probing_core.images`, so they start fast. If an image
            crashes its process, it is reported as unreadable, and the scan continues.
        detector: detector that scores the image.
        view: view size in pixels.
        as_gray: whether to also score the image converted to grayscale, for calibrating images without color.

    Returns:
        A row with the columns `MEASURED`. The edit scores are ``whole`` (central square), ``joined`` (central square
        and tiles) and ``gray`` (central square converted to grayscale). ``group``, ``class`` and their probabilities
        describe the most probable edit.
    """
    row = UNREAD | {"path": item.name}
    if item.error:
        return row | {"error": item.error}
    try:
        content = item.content() if callable(item.content) else item.content
        picture, facts, digest = decoders.submit(partial(decode, name=item.name), content).result()
    except BadImage as error:
        return row | {"error": str(error)}
    except WorkerDied:
        reason = f"{item.name} could not be decoded: every process that tried to decode it crashed, or memory ran out."
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
        "format": facts.format,
        "mode": facts.mode,
        "quality": facts.quality or 0,
        "subsampling": facts.subsampling,
        "progressive": facts.progressive,
        "exif": facts.exif,
        "profile": facts.profile,
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

"""Sprite sheets with the images of an exported run: all versions of a crop, and the full photograph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from probing_core.cores import cores
from probing_core.images import encode_webp
from probing_core.results.explorer.data import ExplorerData
from probing_core.results.pictures import PicturesMissing
from probing_core.results.run_tables import RunTables
from probing_core.transforms.transformation import Image
from probing_core.transforms.view import source_side

SMALL = 64
"""Size of small images in pixels."""

LARGE = 128
"""Size of images in the image dialog, in pixels."""

SHEET_COLUMNS = 8
WEBP_QUALITY = 72
WEBP_EFFORT = 2
"""Effort of the WebP encoder (0 to 6). The default effort of 4 takes twice as long and saves 3% of the bytes."""

CHUNK = 32
"""Number of crops after which the remaining room for large sheets is estimated."""

GROUND = 154
"""Gray level of the background of photographs that are not square."""

IMAGES_OF = 0
"""Repetition whose images are included. Images of all repetitions would make the file too large."""


@dataclass(frozen=True)
class Sheets:
    """Sprite sheets with all versions of one crop and the full photograph.

    Attributes:
        small: sheet of images at `SMALL` pixels.
        large: sheet of images at `LARGE` pixels, or empty if it does not fit into the file.
        full: rectangles of the photograph and of the crop (see `_full_photograph`).
    """

    small: bytes
    large: bytes
    full: dict[str, list[float]]


def fitting_sheets(run: RunTables, data: ExplorerData, room: int, progress: Callable[[int, int], None]) -> list[Sheets]:
    """Compute the sheets of each crop, with as many large sheets as fit into ``room`` bytes of base64 text.

    The list is empty if the small sheets do not fit or an image is missing. Crops that the first two models misclassify
    with high confidence get large sheets first, because the explorer shows them first. Large sheets take most of the
    time, so they are only encoded while they are expected to fit.
    """
    points = np.flatnonzero(data.repetition == IMAGES_OF)
    rows = run.sample_rows(data.sample[points]).to_dict("records")
    keys = zip(data.crop[points].tolist(), data.truth[points].tolist(), strict=True)
    versions = dict(zip(keys, rows, strict=True))

    def sheets(crop: int, with_large: bool) -> Sheets:
        square, about = _full_photograph(run, data.crops[crop])
        of_class = [versions.get((crop, cls)) for cls in range(len(data.classes))]
        sheet = _sheet([*(run.pictures.pair(row)[1] if row else None for row in of_class), square])
        reduced = cv2.resize(sheet, None, fx=SMALL / LARGE, fy=SMALL / LARGE, interpolation=cv2.INTER_AREA)
        large = encode_webp(sheet, WEBP_QUALITY, WEBP_EFFORT) if with_large else b""
        return Sheets(encode_webp(reduced, WEBP_QUALITY, WEBP_EFFORT), large, about)

    fitting: dict[int, Sheets] = {}
    order = np.argsort(-_confident_errors(data), kind="stable").tolist()
    small_bytes = large_bytes = 0
    try:
        with ThreadPoolExecutor(cores()) as threads:
            for begin in range(0, len(order), CHUNK):
                chunk = order[begin : begin + CHUNK]
                expected = small_bytes * len(order) / max(begin, 1)
                with_large = large_bytes + expected < room
                for crop, crop_sheets in zip(
                    chunk, threads.map(partial(sheets, with_large=with_large), chunk), strict=True
                ):
                    fitting[crop] = crop_sheets
                    small_bytes += _base64_size(crop_sheets.small)
                    large_bytes += _base64_size(crop_sheets.large)
                    if small_bytes > room:
                        threads.shutdown(cancel_futures=True)
                        return []
                    progress(len(fitting), len(order))
    except PicturesMissing:
        return []
    room -= small_bytes
    for crop in order:
        room -= _base64_size(fitting[crop].large)
        if room < 0:
            fitting[crop] = replace(fitting[crop], large=b"")
    return [fitting[crop] for crop in range(len(order))]


def _base64_size(data: bytes) -> int:
    return 4 * -(-len(data) // 3)


def _confident_errors(data: ExplorerData) -> np.ndarray:
    score = np.zeros(data.tested)
    for model in data.models[:2]:
        score += np.where(model.predicted == data.truth, 0, model.confidence.astype(float))
    best = np.zeros(len(data.crops))
    np.maximum.at(best, data.crop, np.where(data.repetition == IMAGES_OF, score, 0))
    return best


def _sheet(tiles: Sequence[Image | None]) -> Image:
    empty = np.full((LARGE, LARGE, 3), GROUND, np.uint8)
    resized = [
        empty if tile is None else cv2.resize(tile, (LARGE, LARGE), interpolation=cv2.INTER_AREA) for tile in tiles
    ]
    resized += [empty] * (-len(resized) % SHEET_COLUMNS)
    rows = [np.hstack(resized[at : at + SHEET_COLUMNS]) for at in range(0, len(resized), SHEET_COLUMNS)]
    return np.vstack(rows)


def _full_photograph(run: RunTables, image_id: str) -> tuple[Image, dict[str, list[float]]]:
    """Return the full photograph on a square background, with the rectangles ``box`` and ``cut``.

    ``box`` is the rectangle of the photograph as fractions of the square. ``cut`` is the rectangle of the crop that
    models receive, as fractions of the photograph. Both are (left, top, width, height).
    """
    image = run.pictures.photograph(image_id)
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    edges = top, side - height - top, left, side - width - left
    square = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(GROUND, GROUND, GROUND))
    crop_side = min(height, width) * run.recipe.view / source_side(run.recipe.view)
    box = [left / side, top / side, width / side, height / side]
    cut = [(1 - crop_side / width) / 2, (1 - crop_side / height) / 2, crop_side / width, crop_side / height]
    return square, {"box": [round(x, 4) for x in box], "cut": [round(x, 4) for x in cut]}

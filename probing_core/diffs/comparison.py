"""Comparison of the two images of a pair: equality, registration, and the part in which edits are searched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np

from probing_core.diffs.registration import Geometry, register
from probing_core.diffs.search import BLOCK, Workspace
from probing_core.images import Image

PART_SIDE = 256
"""Side in pixels of the part of a large image in which edits are searched."""

LARGEST_WHOLE = 320
"""Longer side in pixels of images that are searched as a whole."""

MARGIN = 16
"""Width in pixels of the edge of a part that is not compared."""

ROUNDING = 1.5
"""Mean squared difference that other implementations of a resize filter may cause, for example by rounding."""


class Kind(StrEnum):
    """What distinguishes the two images of a pair."""

    EQUAL_FILES = "equal files"
    EQUAL_PIXELS = "equal pixels"
    CHANGED = "changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, eq=False)
class Compared:
    """Two registered images.

    Attributes:
        before, after: the images as they were read.
        geometry: position of the edited image in the original.
        workspace: the part in which edits are searched.
        rest: mean squared difference between the registered images.
    """

    before: Image
    after: Image
    geometry: Geometry
    workspace: Workspace

    def with_filter(self, filter: str) -> Compared:
        """Return the same pair, resized with a different filter. The pair is unchanged if it was not resized."""
        if not self.geometry.filter or filter == self.geometry.filter:
            return self
        geometry = replace(self.geometry, filter=filter)
        return replace(self, geometry=geometry, workspace=workspace(self.before, self.after, geometry))


def compare_images(before: Image, after: Image) -> Compared:
    """Register two images, and select the part in which edits are searched."""
    geometry = register(before, after)
    return Compared(before, after, geometry, workspace(before, after, geometry))


def workspace(before: Image, after: Image, geometry: Geometry) -> Workspace:
    """Apply ``geometry`` to the original, and select the part in which edits are searched."""
    registered, valid = geometry.apply(before)
    reference = None
    if valid is not None:  # a rotation is an edit, which explains a part of the difference
        plain = replace(geometry, matrix=None, angle=0.0, filter="").apply(before)[0]
        reference = cv2.norm(plain, after, cv2.NORM_L2SQR, valid) / max(1, 3 * cv2.countNonZero(valid))
    side = float(min(after.shape[:2]))
    tolerance = 0.0 if geometry.is_plain else ROUNDING
    if max(after.shape[:2]) <= LARGEST_WHOLE:
        return Workspace(registered, after, side, valid=valid, tolerance=tolerance, reference=reference)
    rows, columns = _part(registered)
    return Workspace(
        np.ascontiguousarray(registered[rows, columns]),
        np.ascontiguousarray(after[rows, columns]),
        side,
        margin=MARGIN if min(after.shape[:2]) > 3 * MARGIN else 0,
        whole=(registered, (rows.start, columns.start)),
        valid=None if valid is None else np.ascontiguousarray(valid[rows, columns]),
        tolerance=tolerance,
        reference=reference,
        small=_small(registered, after),
    )


def _small(registered: Image, after: Image) -> Workspace:
    scale = LARGEST_WHOLE / max(after.shape[:2])
    size = [max(1, round(side * scale)) for side in (after.shape[1], after.shape[0])]
    before, after = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (registered, after))
    return Workspace(before, after, float(min(size)))


def _part(image: Image) -> tuple[slice, slice]:
    """Return the part with the most detail among those in the middle of the image."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    high, wide = min(height, PART_SIDE), min(width, PART_SIDE)
    best, most = (0, 0), -1.0
    for top in _starts(height, high):
        for left in _starts(width, wide):
            part = gray[top : top + high, left : left + wide]
            detail = float(cv2.meanStdDev(part)[1][0, 0])
            if detail > most:
                best, most = (top, left), detail
    (top, left) = best
    return slice(top, top + high), slice(left, left + wide)


def _starts(length: int, part: int) -> list[int]:
    """Return up to five positions of a part along an axis, as multiples of `BLOCK`, away from the edges."""
    positions = np.linspace(0.15, 0.85, 5) * (length - part)
    return sorted({int(position) // BLOCK * BLOCK for position in positions})

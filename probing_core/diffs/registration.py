"""Registration of an edited image with its original: quarter turns, mirroring, cropping, resizing and rotation.

Registration comes first, because edits can only be compared pixel by pixel. An image that keeps its frame is recognized
from small versions. Otherwise, local features (SIFT) yield the position of the edited image in the original, which is
refined by maximizing the correlation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image as Pillow

from probing_core.images import Image

WORKING_SIDE = 256
"""Longer side in pixels of the images that are registered."""

THUMBNAIL_SIDE = 32
"""Side in pixels of the images whose orientations are compared."""

CLEARLY_BETTER = 0.35
"""Minimum gain in correlation for a position other than that of the full image, relative to the largest possible gain.
"""

MOVED = 0.6
"""Minimum displacement of a corner, in pixels of the working size, for a position other than the full image."""

MOVED_ERROR = 0.7
"""Maximum error at a position other than the full image, relative to the error for the full image."""

SMALLEST_ANGLE = 0.3
"""Minimum angle of a rotation in degrees."""

MAX_SKEW = 0.03
"""Maximum skew of a rotation. With more, it is a shear, or an approximation of a different warp."""

MIN_MATCHES = 10
"""Minimum number of matching local features."""


SURE = 0.995
"""Correlation above which no other position is tried."""

UNSURE = 0.6
"""Correlation below which positions are searched by local features, which takes longer."""

COMPARED_SIDE = 512
"""Side in pixels of the central part in which filters and crops are compared."""


RESAMPLE = {
    "nearest neighbor": Pillow.Resampling.NEAREST,
    "box": Pillow.Resampling.BOX,
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}
"""Filters of Pillow, which are antialiased except for the first."""

OPENCV = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}
"""Filters of OpenCV. Except for area, they are not antialiased."""

SCIKIT_IMAGE = "scikit-image"
"""Filter of scikit-image: a Gaussian blur, then linear interpolation."""


def resized(image: Image, size: tuple[int, int], filter: str) -> Image:
    """Resize ``image`` to ``size`` (width, height) with a filter of `FILTERS`."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    if filter == SCIKIT_IMAGE:
        sigmas = [
            max(0.0, (old / new - 1) / 2) for old, new in zip((image.shape[1], image.shape[0]), size, strict=True)
        ]
        blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), *sigmas) if min(sigmas) > 0 else image
        return np.rint(cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)).astype(np.uint8)
    library, _, name = filter.partition(" ")
    if library == "OpenCV":
        return cv2.resize(image, size, interpolation=OPENCV[name])
    return np.asarray(Pillow.fromarray(image).resize(size, RESAMPLE[filter]))


FILTERS = (*RESAMPLE, "OpenCV linear", "OpenCV area", "OpenCV cubic", SCIKIT_IMAGE)
"""Names of the filters of `resized`."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """How the pixels of an edited image are placed in its original.

    The original is cropped, turned, mirrored and resized, in this order.

    Attributes:
        size: size (width, height) of the edited image.
        box: crop (left, top, right, bottom) in the original; None if it was not cropped.
        inner: size (width, height) to which the original was resized before it was cropped to `size`, and the position
            (left, top) of that crop; None if it was cropped before it was resized.
        turns: number of quarter turns counterclockwise.
        mirrored: whether left and right are exchanged.
        filter: name of the resize filter; empty if the size did not change.
        angle: rotation in degrees, counterclockwise; 0 if there is none.
        matrix: (2, 3) matrix that maps pixels of the edited image to the turned and mirrored original; only for
            rotations.
        is_linear: whether a rotation interpolates linearly. Otherwise, the interpolation is cubic.
        found: whether the images could be registered.
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int] | None = None
    inner: tuple[int, int, int, int] | None = None
    turns: int = 0
    mirrored: bool = False
    filter: str = ""
    angle: float = 0.0
    matrix: np.ndarray | None = None
    is_linear: bool = False
    found: bool = True

    def upright(self, before: Image) -> Image:
        """Crop, turn and mirror the original, without resizing it."""
        if self.box is not None:
            left, top, right, bottom = self.box
            before = before[top:bottom, left:right]
        return oriented(before, self.turns, self.mirrored)

    def apply(self, before: Image) -> tuple[Image, np.ndarray | None]:
        """Return the original in the geometry of the edited image, and the mask of valid pixels (None for all)."""
        image = self.upright(before)
        if self.matrix is not None:
            method = cv2.INTER_LINEAR if self.is_linear else cv2.INTER_CUBIC
            flags = method | cv2.WARP_INVERSE_MAP
            inside = cv2.warpAffine(
                np.full(image.shape[:2], 255, np.uint8), self.matrix, self.size, flags=cv2.WARP_INVERSE_MAP
            )
            warped = cv2.warpAffine(image, self.matrix, self.size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
            return warped, cv2.erode((inside == 255).astype(np.uint8), np.ones((5, 5), np.uint8))
        filter = self.filter or FILTERS[1]
        if self.inner is not None:
            width, height, left, top = self.inner
            image = resized(image, (width, height), filter)
            return np.ascontiguousarray(image[top : top + self.size[1], left : left + self.size[0]]), None
        return np.ascontiguousarray(resized(image, self.size, filter)), None

    def factor(self, before: Image) -> tuple[float, float]:
        """Return the factors by which width and height were resized."""
        height, width = self.upright(before).shape[:2]
        wide, high = self.size if self.inner is None else self.inner[:2]
        return wide / width, high / height

    @property
    def is_plain(self) -> bool:
        """Whether neither the frame nor the size changed."""
        return (
            self.box is None
            and self.inner is None
            and not (self.turns or self.mirrored or self.filter)
            and self.matrix is None
        )


def oriented(image: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """Turn ``image`` counterclockwise by quarter turns, then mirror it."""
    turned = np.rot90(image, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def register(before: Image, after: Image) -> Geometry:
    """Find the geometry of ``after`` relative to ``before``."""
    size = (after.shape[1], after.shape[0])
    small_before, scale_before = _small(before)
    small_after, scale_after = _small(after)
    turns, mirrored, _ = _orientation(small_before, small_after)
    full = _full_frame(oriented(small_before, turns, mirrored), small_after)
    target = oriented(small_before, turns, mirrored)
    full_score = _score(target, small_after, full)
    best, best_score = None, full_score + CLEARLY_BETTER * (1 - full_score)
    for turn, mirror, matrix in _candidates(small_before, small_after, (turns, mirrored), full, full_score):
        target = oriented(small_before, turn, mirror)
        if not _is_upright(matrix):
            continue
        score = _score(target, small_after, matrix)
        if score > best_score and _displacement(target, small_after, matrix) > MOVED:
            best, best_score = (turn, mirror, matrix), score
    plain = Geometry(size, turns=turns, mirrored=mirrored, found=full_score > 0.1)
    plain = _with_filter(before, after, _pure_crop(before, after, plain) or plain)
    if best is None:
        return plain
    turns, mirrored, matrix = best
    native = _in_native_pixels(matrix, scale_before, scale_after)
    placed = _placed(before, after, Geometry(size, turns=turns, mirrored=mirrored), native)
    errors = [_filter_error(before, after, geometry, geometry.filter) for geometry in (placed, plain)]
    return placed if errors[0] < MOVED_ERROR * errors[1] else plain


def _candidates(
    before: np.ndarray, after: np.ndarray, orientation: tuple[int, bool], full: np.ndarray, score: float
) -> Iterator[tuple[int, bool, np.ndarray]]:
    """Yield orientations and positions to compare with the full frame, whose score is ``score``."""
    if score > SURE:
        return
    target = oriented(before, *orientation)
    refined = _correlated(target, after, full)
    if refined is not None:
        yield *orientation, refined
        score = max(score, _score(target, after, refined))
    if score < UNSURE:
        yield from _positions(before, after)


def _small(image: Image) -> tuple[np.ndarray, float]:
    """Return the grayscale image at the working size, and its scale."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, WORKING_SIDE / max(gray.shape))
    if scale < 1:
        size = [max(8, round(side * scale)) for side in (gray.shape[1], gray.shape[0])]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return gray.astype(np.float32), scale


def _orientation(before: np.ndarray, after: np.ndarray) -> tuple[int, bool, float]:
    """Return the quarter turns and mirroring with the highest correlation of thumbnails, and this correlation."""
    target = _thumbnail(after)
    scores = {
        (turns, mirrored): abs(float((_thumbnail(oriented(before, turns, mirrored)) * target).mean()))
        for turns in range(4)
        for mirrored in (False, True)
    }
    # Symmetric images have several orientations with nearly equal correlations.
    scores[0, False] += 0.02
    portrait = (before.shape[0] > before.shape[1]) != (after.shape[0] > after.shape[1])
    for turns, mirrored in scores:
        scores[turns, mirrored] += 0.02 * ((turns % 2 == 1) == portrait)
    turns, mirrored = max(scores, key=scores.__getitem__)
    return turns, mirrored, scores[turns, mirrored]


def _thumbnail(gray: np.ndarray) -> np.ndarray:
    small = cv2.resize(gray, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return (small - small.mean()) / max(1e-6, float(small.std()))


def _full_frame(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the matrix that maps pixels of ``after`` to ``before`` if both show the full frame."""
    x, y = before.shape[1] / after.shape[1], before.shape[0] / after.shape[0]
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5]], np.float32)


def _warp(before: np.ndarray, after: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``before`` in the frame of ``after``, and which of its pixels are inside ``before``."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale > 1.2:  # blur first, so that detail beyond the resolution of `after` does not disturb
        before = cv2.GaussianBlur(before, (0, 0), 0.4 * scale)
    size, flags = (after.shape[1], after.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(np.ones_like(before), matrix, size, flags=flags)
    return cv2.warpAffine(before, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101), inside > 0.99


def _score(before: np.ndarray, after: np.ndarray, matrix: np.ndarray) -> float:
    """Return the absolute correlation of local contrasts. Changes of tone hardly affect it."""
    warped, inside = _warp(before, after, matrix)
    if inside.mean() < 0.3:
        return 0.0
    a, b = (_contrast(image)[inside] for image in (warped, after))
    return abs(float((a * b).mean() / max(1e-9, np.sqrt((a * a).mean() * (b * b).mean())))) * _coverage(inside)


def _coverage(inside: np.ndarray) -> float:
    return min(1.0, 0.5 + float(inside.mean()) / 1.6)


def _contrast(gray: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(gray, (0, 0), 1.0) - cv2.GaussianBlur(gray, (0, 0), 4.0)


def _displacement(before: np.ndarray, after: np.ndarray, matrix: np.ndarray) -> float:
    """Return the largest displacement of a corner, in pixels of ``after``, from its position in the full frame."""
    height, width = after.shape
    corners = np.array([(0, 0, 1), (width - 1, 0, 1), (0, height - 1, 1), (width - 1, height - 1, 1)], np.float32)
    moved = corners @ (matrix - _full_frame(before, after)).T
    return float(np.abs(moved).max() / max(before.shape[0] / height, before.shape[1] / width))


def _positions(before: np.ndarray, after: np.ndarray) -> Iterator[tuple[int, bool, np.ndarray]]:
    """Yield possible orientations and positions of ``after`` in ``before``, found by local features."""
    for mirrored in (False, True):
        for matrix in _matched(oriented(before, 0, mirrored), after):
            turns = round(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))) / 90) % 4
            for turn in {turns, -turns % 4}:
                # The same position relative to the turned original
                target = oriented(before, turn, mirrored)
                moved = _turned(matrix, oriented(before, 0, mirrored).shape, turn if not mirrored else -turn)
                if not _is_upright(moved):
                    continue
                yield turn, mirrored, moved
                if (refined := _correlated(target, after, moved)) is not None:
                    yield turn, mirrored, refined


def _is_upright(matrix: np.ndarray) -> bool:
    """Return whether a map neither mirrors the image nor rotates it by more than 45°."""
    return bool(np.linalg.det(matrix[:, :2]) > 0 and matrix[0, 0] > abs(matrix[1, 0]))


def _turned(matrix: np.ndarray, shape: tuple[int, ...], turns: int) -> np.ndarray:
    """Return ``matrix``, which maps to an image of ``shape``, for that image after quarter turns counterclockwise."""
    height, width = shape
    for _ in range(turns % 4):  # (x, y) becomes (y, width - 1 - x)
        matrix = np.array([matrix[1], -matrix[0] + [0, 0, width - 1]], np.float32)
        height, width = width, height
    return np.ascontiguousarray(matrix, np.float32)


def _matched(before: np.ndarray, after: np.ndarray) -> Iterator[np.ndarray]:
    """Yield maps from ``after`` to ``before`` that fit matching local features: a similarity, and an affine map."""
    sift = cv2.SIFT.create(600)
    (points_before, before_features), (points_after, after_features) = (
        sift.detectAndCompute(np.clip(image, 0, 255).astype(np.uint8), None) for image in (before, after)
    )
    if before_features is None or after_features is None or min(len(before_features), len(after_features)) < 2:
        return
    pairs = cv2.BFMatcher().knnMatch(after_features, before_features, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance]
    if len(good) < MIN_MATCHES:
        return
    source = np.array([points_after[match.queryIdx].pt for match in good], np.float32)
    target = np.array([points_before[match.trainIdx].pt for match in good], np.float32)
    for estimate in (cv2.estimateAffinePartial2D, cv2.estimateAffine2D):
        cv2.setRNGSeed(0)
        matrix, inliers = estimate(source, target, ransacReprojThreshold=2.0)
        if matrix is not None and inliers.sum() >= MIN_MATCHES:
            yield matrix.astype(np.float32)


def _correlated(before: np.ndarray, after: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Refine a position by maximizing the enhanced correlation coefficient, or return None if it does not converge."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
    try:
        everywhere = np.full(before.shape, 255, np.uint8)
        _, matrix = cv2.findTransformECC(after, before, start.copy(), cv2.MOTION_AFFINE, criteria, everywhere, 5)
    except cv2.error:  # it diverged, or one of the images is uniform
        return None
    return matrix if np.isfinite(matrix).all() else None


def _in_native_pixels(matrix: np.ndarray, scale_before: float, scale_after: float) -> np.ndarray:
    """Convert a matrix between images of the working size to one between full images (pixel centers are at 0.5)."""
    linear = matrix[:, :2].astype(np.float64)
    native = linear * scale_after / scale_before
    centers = linear @ np.full(2, 0.5 * scale_after - 0.5) + matrix[:, 2]
    return np.hstack([native, ((centers + 0.5) / scale_before - 0.5)[:, None]])


def _placed(before: Image, after: Image, geometry: Geometry, matrix: np.ndarray) -> Geometry:
    """Return ``geometry`` with the crop or the rotation that ``matrix`` describes."""
    angle = float(np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])))
    skew = float(np.hypot(matrix[0, 0] - matrix[1, 1], matrix[0, 1] + matrix[1, 0]))
    if skew > MAX_SKEW and abs(matrix[0, 1]) + abs(matrix[1, 0]) > MAX_SKEW:
        return geometry
    if abs(angle) > SMALLEST_ANGLE:
        cubic = replace(geometry, angle=angle, matrix=matrix.astype(np.float32))
        return min((cubic, replace(cubic, is_linear=True)), key=lambda one: _filter_error(before, after, one, ""))
    height, width = after.shape[:2]
    target = oriented(before, geometry.turns, geometry.mirrored)
    left, right = (matrix[0, 0] * (x - 0.5) + matrix[0, 2] + 0.5 for x in (0, width))
    top, bottom = (matrix[1, 1] * (y - 0.5) + matrix[1, 2] + 0.5 for y in (0, height))
    box = _snapped(target, after, np.array([left, top, right, bottom]))
    cropped = _with_filter(before, after, replace(geometry, box=_in_original(box, before, geometry)))
    if not cropped.filter:
        return cropped
    first = (_with_filter(before, after, inner) for inner in _resized_first(target, geometry, matrix))
    return min((cropped, *first), key=lambda one: _filter_error(before, after, one, one.filter))


def _resized_first(target: Image, geometry: Geometry, matrix: np.ndarray) -> Iterator[Geometry]:
    """Yield geometries in which the original is resized before it is cropped, as by most data loaders."""
    height, width = target.shape[:2]
    guess = width / matrix[0, 0], height / matrix[1, 1]
    if (
        abs(matrix[0, 0] / matrix[1, 1] - 1) > 0.03
        or min(guess[0] - geometry.size[0], guess[1] - geometry.size[1]) < -1
    ):
        return
    shorter = round(min(guess))
    for side in (shorter, shorter - 1, shorter + 1):
        longer = side * max(height, width) / min(height, width)
        for long in {int(longer), round(longer)}:
            wide, high = (side, long) if width <= height else (long, side)
            left = round((matrix[0, 2] - 0.5 * matrix[0, 0] + 0.5) * wide / width)
            top = round((matrix[1, 2] - 0.5 * matrix[1, 1] + 0.5) * high / height)
            if left >= 0 and top >= 0 and left + geometry.size[0] <= wide and top + geometry.size[1] <= high:
                yield replace(geometry, inner=(wide, high, left, top))


def _snapped(before: Image, after: Image, box: np.ndarray) -> np.ndarray:
    """Return the integer box (left, top, right, bottom) around ``box`` whose content correlates most with ``after``."""
    height, width = after.shape[:2]
    limits = np.array([before.shape[1], before.shape[0]] * 2)
    start = np.clip(np.rint(box), 0, limits).astype(int)
    sizes = box[2:] - box[:2]
    if np.abs(sizes - (width, height)).max() < max(1.0, 0.006 * max(width, height)):  # cropped, but not resized
        start[2:] = start[0] + width, start[1] + height
        start -= np.maximum(0, start[2:] - limits[2:])[[0, 1, 0, 1]]
        moves = [np.array([x, y, x, y]) for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        return _climb(before, after, start, limits, [*moves, *(2 * move for move in moves)])
    moves = [sign * np.eye(4, dtype=int)[side] for side in range(4) for sign in (-1, 1)]
    moves += [sign * np.array(move) for move in ((1, 0, 1, 0), (0, 1, 0, 1)) for sign in (-1, 1)]
    coarse = max(1, round(max(sizes) / WORKING_SIDE))
    for step in sorted({coarse, max(1, coarse // 3), 1}, reverse=True):
        start = _climb(before, after, start, limits, [step * move for move in moves])
    return start


def _climb(before: Image, after: Image, box: np.ndarray, limits: np.ndarray, moves: list[np.ndarray]) -> np.ndarray:
    """Move the sides of ``box`` while the correlation with ``after`` increases."""
    target = cv2.cvtColor(after, cv2.COLOR_RGB2GRAY)
    shrink = min(1.0, 4 * WORKING_SIDE / max(target.shape))
    size = (round(target.shape[1] * shrink), round(target.shape[0] * shrink))
    wanted = _contrast(cv2.resize(target, size, interpolation=cv2.INTER_AREA).astype(np.float32)).ravel()
    gray = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY)
    scores: dict[tuple[int, ...], float] = {}

    def score(box: np.ndarray) -> float:
        key = tuple(int(side) for side in box)
        if key not in scores:
            left, top, right, bottom = key
            if left < 0 or top < 0 or right > limits[0] or bottom > limits[1] or right - left < 8 or bottom - top < 8:
                scores[key] = -1.0
            else:
                part = gray[top:bottom, left:right]
                method = cv2.INTER_AREA if size[0] < part.shape[1] else cv2.INTER_CUBIC
                content = _contrast(cv2.resize(part, size, interpolation=method).astype(np.float32)).ravel()
                norm = np.linalg.norm(content) * np.linalg.norm(wanted)
                scores[key] = abs(float(content @ wanted)) / max(1e-9, float(norm))
        return scores[key]

    for _ in range(12):
        better = max((box + move for move in moves), key=score)
        if score(better) <= score(box) + 1e-6:
            break
        box = better
    return box


def _in_original(box: np.ndarray, before: Image, geometry: Geometry) -> tuple[int, int, int, int] | None:
    """Convert a box in the turned and mirrored original to a box in the original; None for the full image."""
    left, top, right, bottom = map(int, box)
    height, width = before.shape[:2]
    wide = height if geometry.turns % 2 else width
    if geometry.mirrored:
        left, right = wide - right, wide - left
    for turns in range(geometry.turns, 0, -1):  # undo one turn after the other
        across = height if (turns - 1) % 2 else width
        left, top, right, bottom = across - bottom, left, across - top, right
    return None if (left, top, right, bottom) == (0, 0, width, height) else (left, top, right, bottom)


def _pure_crop(before: Image, after: Image, geometry: Geometry) -> Geometry | None:
    """Return a crop by a few pixels that leaves a smaller error than resizing, or None."""
    target = oriented(before, geometry.turns, geometry.mirrored)
    height, width = after.shape[:2]
    down, across = target.shape[0] - height, target.shape[1] - width
    if min(down, across) < 0 or max(down, across) == 0 or down > 0.1 * height or across > 0.1 * width:
        return None
    rows, columns = _center(after)
    part = target[rows.start : rows.stop + down, columns.start : columns.stop + across]
    matched = cv2.matchTemplate(part, np.ascontiguousarray(after[rows, columns]), cv2.TM_CCOEFF_NORMED)
    top, left = np.unravel_index(int(matched.argmax()), matched.shape)
    box = np.array([left, top, left + width, top + height])
    cropped = replace(geometry, box=_in_original(box, before, geometry))
    errors = [cv2.norm(one.apply(before)[0], after, cv2.NORM_L1) for one in (cropped, geometry)]
    return cropped if errors[0] < errors[1] else None


def _center(image: Image) -> tuple[slice, slice]:
    """Return the rows and columns of the central part of at most `COMPARED_SIDE` pixels a side."""
    starts = [max(0, (side - COMPARED_SIDE) // 2) for side in image.shape[:2]]
    rows, columns = (
        slice(start, min(side, start + COMPARED_SIDE)) for start, side in zip(starts, image.shape, strict=False)
    )
    return rows, columns


def _with_filter(before: Image, after: Image, geometry: Geometry) -> Geometry:
    """Return ``geometry`` with the resize filter that leaves the smallest error, if the size changed."""
    if geometry.factor(before) == (1.0, 1.0):
        return geometry
    return replace(geometry, filter=min(FILTERS, key=lambda name: _filter_error(before, after, geometry, name)))


def _filter_error(before: Image, after: Image, geometry: Geometry, filter: str) -> float:
    """Return the squared error with a filter after a change of tone, as the part that is not linear in the original."""
    part = _center(after)
    image, valid = replace(geometry, filter=filter).apply(before)
    inside = slice(None) if valid is None else valid[part].reshape(-1) > 0
    image = image[part].reshape(-1, 3)[inside].reshape(-1).astype(np.float32)
    wanted = after[part].reshape(-1, 3)[inside].reshape(-1).astype(np.float32)
    image, wanted = image - image.mean(), wanted - wanted.mean()
    return 1 - float(image @ wanted) ** 2 / max(1e-9, float(image @ image) * float(wanted @ wanted))

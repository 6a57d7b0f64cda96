"""Find the images of a collection that show the same photograph, such as resized or cropped copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor

import cv2
import numpy as np

from probing_core.diffs.registration import register
from probing_core.images import Image

COMPARED_SIDE = 192
"""Longer side in pixels of the images that are compared."""

MIN_CORRELATION = 0.65
"""Minimum correlation of normalized details after registration for two images of the same photograph.

Of 870 photographs in the reference corpus, no pair among the most similar ones exceeds 0.55.
"""

DETAIL, SURROUNDINGS = 1.5, 6.0
"""Scales in pixels between which details are compared, and over which their contrast is normalized."""

FAINT = 4.0
"""Contrast of details, on a scale from 0 to 255, below which they are attenuated."""

PATIENCE = 24
"""Number of consecutive pairs of different photographs after which less similar pairs are not compared anymore."""


def same_photograph(first: Image, second: Image) -> bool:
    """Return whether one image is a copy of the other, even if it was resized, cropped, mirrored, turned or edited."""
    before, after = _small(first), _small(second)
    # The smaller part is found in the larger one, and it is unknown which of the images was cropped.
    return _correlation(before, after) >= MIN_CORRELATION or _correlation(after, before) >= MIN_CORRELATION


def _small(image: Image) -> Image:
    scale = min(1.0, COMPARED_SIDE / max(image.shape[:2]))
    size = [max(8, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _correlation(before: Image, after: Image) -> float:
    registered, valid = register(before, after).apply(before)
    inside = slice(None) if valid is None else valid > 0
    a, b = (_normalized_detail(image)[inside] for image in (registered, after))
    return abs(float((a * b).sum())) / max(1e-9, float(np.sqrt((a * a).sum() * (b * b).sum())))


def _normalized_detail(image: Image) -> np.ndarray:
    """Return the details of an image. Without normalization, borders would outweigh everything else."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = cv2.GaussianBlur(gray, (0, 0), DETAIL) - cv2.GaussianBlur(gray, (0, 0), SURROUNDINGS)
    return detail / (np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), SURROUNDINGS)) + FAINT)


def photographs_of(
    count: int, similarities: Iterable[np.ndarray], is_same: Callable[[int, int], bool], pool: Executor
) -> np.ndarray:
    """Assign images to photographs.

    For each matrix of similarities, the most similar pairs of images are compared, until `PATIENCE` consecutive pairs
    are different photographs.

    Args:
        count: number of images N.
        similarities: matrices (N, N), such as cosine similarities from several models.
        is_same: function that compares two images.
        pool: executor for comparisons.

    Returns:
        (N,) number of the photograph of each image.
    """
    from scipy.cluster.hierarchy import DisjointSet

    groups: DisjointSet = DisjointSet(range(count))
    compared: dict[tuple[int, int], bool] = {}

    def compare(pairs: Sequence[tuple[int, int]]) -> bool:
        new = [pair for pair in pairs if pair not in compared]
        compared.update(zip(new, pool.map(lambda pair: is_same(*pair), new), strict=True))
        for pair in pairs:
            if compared[pair]:
                groups.merge(*pair)
        return any(compared[pair] for pair in pairs)

    for matrix in similarities:
        waiting: list[tuple[int, int]] = []
        for pair in _most_similar(matrix):
            if groups.connected(*pair):
                continue
            waiting.append(pair)
            if len(waiting) == PATIENCE:
                if not compare(waiting):
                    break
                waiting = []
        else:
            compare(waiting)
    numbers = {groups[image]: number for number, image in enumerate(range(count))}
    return np.array([numbers[groups[image]] for image in range(count)])


def _most_similar(matrix: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of different rows, most similar first."""
    first, second = np.triu_indices(len(matrix), 1)
    order = np.argsort(-matrix[first, second], kind="stable")
    yield from ((int(first[i]), int(second[i])) for i in order)

"""The ``photos`` corpus: color photographs from the project's dependencies.

Each photograph is cut into up to twenty square crops at several positions and scales.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from probing_core.corpora.corpus import Corpus, CorpusKind, content_digest, fingerprint, make_rows
from probing_core.errors import BadCorpus, BadImage
from probing_core.images import Image, read_image
from probing_core.images.quality import NEAR_GRAY

MIN_SQUARE_SIDE = 176
"""Minimum side of a crop in pixels: the default view of 128 px plus the margin for geometric transformations."""

VIEWS_BY_SCALE = (2, 3, 4, 5, 6)
"""Number of crops at each size, from the shorter side of the photograph (first) down to the minimum side. If one size
yields too few crops, the next size yields more."""

MIN_DEVIATION = 7.0
"""Standard deviation of gray values (0 to 255) below which a quarter of a crop counts as empty, such as sky."""


@dataclass(frozen=True)
class Photograph:
    """A photograph and its author.

    Attributes:
        name: ``base_id`` of the crops.
        split: fixed split, which does not change if other photographs are missing.
        package, path: import name of the package that includes the photograph, and the file path in it.
    """

    name: str
    split: str
    package: str
    path: str
    author: str
    license: str
    source: str

    def read_bytes(self) -> bytes:
        spec = importlib.util.find_spec(self.package)  # locate the folder without importing the package
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(self.package)
        return Path(spec.submodule_search_locations[0], self.path).read_bytes()


# fmt: off
PHOTOGRAPHS = (
    Photograph("astronaut", "train", "skimage", "data/astronaut.png", "NASA", "public domain (NASA)",
               "NASA Great Images, Eileen Collins; scikit-image"),
    Photograph("chelsea", "test", "skimage", "data/chelsea.png", "Stefan van der Walt", "CC0-1.0", "scikit-image"),
    Photograph("china", "train", "sklearn", "datasets/images/china.jpg", "danielbuechele", "CC-BY-2.0",
               "flickr.com/photos/danielbuechele/6061409035; scikit-learn"),
    Photograph("coffee", "val", "skimage", "data/coffee.png", "Rachel Michetti", "CC0-1.0",
               "courtesy of Pikolo Espresso Bar; scikit-image"),
    Photograph("flower", "train", "sklearn", "datasets/images/flower.jpg", "vultilion", "CC-BY-2.0",
               "flickr.com/photos/vultilion/6056698931; scikit-learn"),
    Photograph("grace-hopper", "train", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg",
               "James S. Davis, United States Navy", "public domain (United States government)", "Matplotlib"),
    Photograph("immunohistochemistry", "val", "skimage", "data/ihc.png",
               "Center for Microscopy and Molecular Imaging (CMMI)", "no known copyright restrictions",
               "scikit-image"),
    Photograph("motorcycle", "train", "skimage", "data/motorcycle_left.png",
               "N. Nesic, P. Westling, X. Wang, Y. Kitajima, G. Krathwohl, D. Scharstein",
               "distributed with scikit-image (BSD-3-Clause); the Middlebury 2014 benchmark asks to be cited",
               "vision.middlebury.edu/stereo/data/scenes2014; scikit-image"),
    Photograph("retina", "train", "skimage", "data/retina.jpg", "Mikael Häggström", "CC0-1.0",
               "Wikimedia Commons, Fundus photograph of normal left eye; scikit-image"),
    Photograph("rocket", "test", "skimage", "data/rocket.jpg", "SpaceX", "public domain (SpaceX)",
               "flickr.com/photos/spacexphotos/16511594820; scikit-image"),
)
# fmt: on


class PhotosCorpus(Corpus):
    """Crops of photographs from installed packages. The decoded photographs are kept in memory."""

    name = "photos"

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []
        self._bytes: dict[str, bytes] = {}
        self._images: dict[str, Image] = {}
        self._squares: dict[str, tuple[int, int, int]] = {}
        views = []
        for photograph in PHOTOGRAPHS:
            try:
                data = photograph.read_bytes()
                image = read_image(data, photograph.name)
            except (OSError, BadImage):
                reason = f"the installed {photograph.package} does not include {photograph.path}"
                self.skipped.append((photograph.name, reason))
                continue
            self._bytes[photograph.name], self._images[photograph.name] = data, image
            for number, square in enumerate(spread_squares(image)):
                views.append((f"{photograph.name}/{number:02d}", photograph))
                self._squares[views[-1][0]] = square
        if not views:
            raise BadCorpus(
                "The packaged photographs are missing. Reinstall scikit-image, scikit-learn and matplotlib."
            )
        self.rows = make_rows(
            {
                "image_id": [image_id for image_id, _ in views],
                "base_id": [photograph.name for _, photograph in views],
                "label": [photograph.name for _, photograph in views],
                "split": [photograph.split for _, photograph in views],
                "license": [f"{photograph.license}; {photograph.author}" for _, photograph in views],
            }
        )
        self.description = f"{len(views)} crops of {len(self._images)} photographs from installed packages"
        if self.skipped:
            self.description += f" ({', '.join(name for name, _ in self.skipped)} missing)"

    @cached_property
    def fingerprint(self) -> str:
        sources = [*self._bytes.values(), repr(list(self._squares.items())).encode()]
        return fingerprint(self.rows, map(content_digest, sources))

    def load(self, image_id: str) -> Image:
        top, left, side = self._squares[image_id]
        photograph = self._images[image_id.partition("/")[0]]
        return photograph[top : top + side, left : left + side].copy()

    def photographs(self) -> list[tuple[str, Image]]:
        return list(self._images.items())


def spread_squares(image: Image) -> list[tuple[int, int, int]]:
    """Select up to twenty square crops (top, left, side) of ``image`` with little overlap.

    Candidates are on a grid. Nearly uniform and gray candidates are excluded. Crops are selected greedily by the
    smallest maximum overlap (intersection over union) with previously selected crops.
    """
    height, width = image.shape[:2]
    largest = min(height, width)
    sides = np.geomspace(largest, min(MIN_SQUARE_SIDE, largest), len(VIEWS_BY_SCALE)).round().astype(int)
    grid = [
        (top, left, side)
        for side in sides
        for top in _places(height - side, side)
        for left in _places(width - side, side)
    ]
    candidates = np.array(grid)
    candidates = candidates[_has_content(image, candidates)]
    selected = np.empty((0, 3), dtype=int)
    for side, count in zip(sides, np.cumsum(VIEWS_BY_SCALE), strict=True):
        squares = candidates[candidates[:, 2] == side]
        overlap = np.zeros(len(squares))
        for square in selected:
            overlap = np.maximum(overlap, _overlap(squares, square))
        while len(selected) < count and overlap.size and overlap.min() < 1:
            best = squares[overlap.argmin()]
            selected = np.vstack([selected, best])
            overlap = np.maximum(overlap, _overlap(squares, best))
    return [(int(top), int(left), int(side)) for top, left, side in selected]


def _places(room: int, side: int) -> np.ndarray:
    return np.unique(np.linspace(0, room, 1 + int(np.ceil(room / (side / 8)))).round().astype(int))


def _has_content(image: Image, squares: np.ndarray) -> np.ndarray:
    red, green, blue = cv2.split(image)
    chroma = _sums(cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue))
    gray = (red.astype(np.float32) + green + blue) / np.float32(3)
    values, squared = _sums(gray), _sums(gray**2)
    top, left, side = squares.T
    half = side // 2
    content = _means(chroma, squares) >= NEAR_GRAY
    for down, right in ((0, 0), (0, half), (half, 0), (half, half)):
        quarter = np.stack([top + down, left + right, half], axis=1)
        content &= _means(squared, quarter) - _means(values, quarter) ** 2 >= MIN_DEVIATION**2
    return content


def _sums(values: np.ndarray) -> np.ndarray:
    return cv2.integral(values, sdepth=cv2.CV_64F)


def _means(sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
    top, left, side = squares.T
    bottom, right = top + side, left + side
    return (sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]) / side**2


def _overlap(squares: np.ndarray, square: np.ndarray) -> np.ndarray:
    low = np.maximum(squares[:, :2], square[:2])
    high = np.minimum(squares[:, :2] + squares[:, 2:], square[:2] + square[2])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    return common / (squares[:, 2] ** 2 + square[2] ** 2 - common)


KIND = CorpusKind(
    name="photos",
    description="Crops of the color photographs included in the project's dependencies; no other files are required.",
    license="CC0, CC-BY-2.0 and public domain, by photograph",
    open=lambda argument: PhotosCorpus(),
)

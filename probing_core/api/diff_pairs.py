"""Pairs of images for `probing_core.diff`: matching of files, and reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as pillow

from probing_core.api.scan_sources import find_files
from probing_core.errors import BadConfig, BadImage, one_line
from probing_core.images import Image, inspect, is_one_image, read_bytes, to_image
from probing_core.images.file_facts import FileFacts, file_facts
from probing_core.paths import user_path
from probing_core.run.files import require_regular

TABLES = (".csv", ".parquet")
"""Endings of files with two columns of paths."""

COLUMNS = ("before", "after")
"""Names of the columns of paths. If they are missing, the first two columns are used."""


@dataclass(frozen=True, eq=False)
class Source:
    """A pair of images that has not been read.

    Attributes:
        name: name of the pair for messages and tables.
        before, after: file paths or images in memory. ``after`` may be a function of the decoded ``before``.
    """

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, eq=False)
class Side:
    """One image of a pair.

    Attributes:
        image: decoded image; None if it cannot be read.
        data: bytes of the file; empty for an image in memory.
        notes: remarks on how the file was decoded.
        error: reason why the image cannot be read.
    """

    image: Image | None
    data: bytes = b""
    facts: FileFacts | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Matched:
    """Pairs, and the names of files without a partner."""

    pairs: tuple[Source, ...]
    unmatched: tuple[str, ...] = ()


def match(before: Any, after: Any) -> Matched:
    """Match images before and after an edit.

    Args:
        before: a path, an image, or a sequence of paths or images. A folder is matched with the folder ``after`` by
            relative path without its ending. A CSV or Parquet file has two columns of paths, and ``after`` is None.
        after: like ``before``, or a function that maps an image (H, W, 3) ``uint8`` to the edited image.

    Raises:
        BadConfig: the arguments cannot be matched.
    """
    if isinstance(before, str | Path):
        place = user_path(before)
        if after is None:
            return _of_table(place)
        if place.is_dir():
            return _of_folders(place, after)
        if isinstance(after, str | Path) and user_path(after).is_dir():
            raise BadConfig(f"'{after}' is a folder, but '{before}' is not. Pass two images or two folders.")
        return Matched((Source(place.name, place, _path_or_image(after)),))
    if not _is_sequence(before):
        return Matched((Source("image", before, _path_or_image(after)),))
    befores = list(before)
    if not callable(after) and is_one_image(after):
        raise BadConfig(
            "before contains several images, but after is a single image. Pass one image after for each image before."
        )
    afters = [after] * len(befores) if callable(after) else list(after)
    if len(befores) != len(afters):
        raise BadConfig(f"Before and after must have the same number of images; got {len(befores)} and {len(afters)}.")
    if not befores:
        raise BadConfig("There are no images. Pass at least one pair.")
    pairs = zip(befores, afters, strict=True)
    return Matched(tuple(Source(_name(b, i), _path_or_image(b), _path_or_image(a)) for i, (b, a) in enumerate(pairs)))


def _is_sequence(images: Any) -> bool:
    if isinstance(images, list | tuple | pd.Series):
        return True
    shape = getattr(images, "shape", ())
    return len(shape) == 4  # a batch, as an array or a tensor


def _name(image: Any, number: int) -> str:
    return Path(image).name if isinstance(image, str | Path) else f"image {number}"


def _path_or_image(image: Any) -> Any:
    return user_path(image) if isinstance(image, str | Path) else image


def _of_table(place: Path) -> Matched:
    if place.suffix.lower() not in TABLES:
        raise BadConfig(
            f"'{place}' has no counterpart. Pass the edited image or folder, too, or a CSV or Parquet file with two "
            f"columns of paths."
        )
    try:
        require_regular(place)
        table = pd.read_csv(place, dtype=str) if place.suffix.lower() == ".csv" else pd.read_parquet(place)
        columns = COLUMNS if set(COLUMNS) <= set(table.columns) else tuple(table.columns[:2])
        rows = table[list(columns)].dropna().astype(str).to_numpy()
    except Exception as error:  # pandas and Arrow raise many kinds of errors
        raise BadConfig(f"'{place}' cannot be read as a table ({one_line(error).rstrip('.')}).") from None
    if len(columns) < 2 or not len(rows):
        raise BadConfig(f"'{place}' must have two columns of paths, called before and after, and at least one row.")
    pairs = tuple(Source(b, place.parent / _listed(b), place.parent / _listed(a)) for b, a in rows)
    empty = len(table) - len(pairs)
    return Matched(pairs, (f"{empty} rows without a path",) if empty else ())


def _listed(text: str) -> Path:
    """Convert a path in a table. An unknown home folder is an error of this pair, when its file is read."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _of_folders(before: Path, after: Any) -> Matched:
    if callable(after):
        files = find_files(before, excluded=before / ".none")
        return Matched(tuple(Source(file.name, Path(file.path), after) for file in files))
    if not isinstance(after, str | Path) or not user_path(after).is_dir():
        raise BadConfig(f"'{before}' is a folder, but '{after}' is not. Pass two images or two folders.")
    after = user_path(after)
    sides = [_by_stem(before, excluded=after), _by_stem(after, excluded=before)]
    pairs, unmatched = [], []
    for key in sorted(set(sides[0]) | set(sides[1])):
        first, second = (side.get(key, {}) for side in sides)
        if len(first) == len(second) == 1:
            partners = list(zip(first, second, strict=True))
        else:  # several files with this name: the ending decides
            partners = [(name, name) for name in first if name in second]
        pairs += [Source(b, first[b], second[a]) for b, a in partners]
        unmatched += [f"before: {name}" for name in first if name not in {b for b, _ in partners}]
        unmatched += [f"after: {name}" for name in second if name not in {a for _, a in partners}]
    if not pairs:
        raise BadConfig(f"No file in '{before}' has a counterpart in '{after}'. Files are matched by name.")
    return Matched(tuple(pairs), tuple(unmatched))


def _by_stem(folder: Path, excluded: Path) -> dict[str, dict[str, Path]]:
    files = defaultdict[str, dict[str, Path]](dict)
    for file in find_files(folder, excluded=excluded):
        files[str(PurePosixPath(file.name).with_suffix(""))][file.name] = Path(file.path)
    return files


def read_pair(source: Source) -> tuple[Side, Side]:
    """Read both images. An image that cannot be read has an error instead of pixels."""
    before = read_side(source.before, source.name)
    if not callable(source.after):
        return before, read_side(source.after, source.name)
    if before.image is None:
        return before, Side(None, error="there is nothing to apply the function to")
    return before, _of_memory(_called(source.after, before.image))


def _called(function: Callable[[Image], Any], image: Image) -> Any:
    return function(image.copy())


def read_side(image: Any, name: str) -> Side:
    """Read a file, or an image in memory. An image that cannot be read has an error instead of pixels."""
    if not isinstance(image, Path):
        return _of_memory(image)
    try:
        data = read_bytes(image, image.name)
        picture, facts = inspect(data, image.name), file_facts(data, image.name)
    except BadImage as error:
        return Side(None, error=str(error))
    return Side(picture.image, data, facts, picture.notes)


def _of_memory(image: Any) -> Side:
    try:
        pixels = np.ascontiguousarray(to_image(image))
    except BadImage as error:
        return Side(None, error=str(error))
    mode = image.mode if isinstance(image, pillow.Image) else "RGB"
    return Side(pixels, b"", FileFacts("array", pixels.shape[1], pixels.shape[0], mode))

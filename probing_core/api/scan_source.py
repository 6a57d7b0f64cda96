"""Interface for sources of images for a scan.

Images are read one part at a time, and are not copied. A part is the unit in which a scan is resumed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

PART = 64
"""Mean or maximum number of images per part."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image to scan.

    Attributes:
        name: path or ID of the image in the source.
        content: path of the file, its content, or a function that reads it.
        error: reason why the image cannot be read, or an empty string.
    """

    name: str
    content: Path | bytes | Callable[[], bytes] = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Images that are measured together.

    Attributes:
        key: JSON-serializable values that change if the images change.
        count: expected number of images.
        place: where the source finds the images.
    """

    key: tuple[Any, ...]
    count: int
    place: Any = None


@dataclass(frozen=True)
class Loaded:
    """The images of a part.

    Attributes:
        index: index of the part.
        items: the images.
        columns: table with one row per image, or None if the source has no columns.
    """

    index: int
    items: list[Item]
    columns: pa.Table | None = None


class Source(ABC):
    """Images of a scan. The object can be pickled.

    Attributes:
        title: name for display.
        parts: all images, in a reproducible order.
        has_columns: whether parts may have columns.
    """

    title: str
    parts: list[Part]
    has_columns: bool = False

    def groups(self) -> list[list[int]]:
        """Return the indices of parts that are read one after the other, because this is faster."""
        return [[index] for index in range(len(self.parts))]

    @abstractmethod
    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        """Read parts of one group. The indices are in increasing order.

        Raises:
            BadCorpus: the source cannot be accessed. Images that cannot be read are items with an error instead.
        """


def stamp_of(facts: dict[str, Any]) -> tuple[Any, ...]:
    """Return values that change if a file in object storage changes."""
    times = (facts.get(name) for name in ("ETag", "etag", "LastModified", "mtime", "created"))
    return facts.get("size"), str(next((value for value in times if value is not None), ""))

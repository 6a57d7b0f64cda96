"""Named arrays and one JSON entry in a safetensors file: the format of stored probes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from probing_core.errors import BadArray, BadRun


def to_bytes(arrays: Mapping[str, np.ndarray], entry: str, about: Mapping[str, Any]) -> bytes:
    """Serialize ``arrays`` and ``about``, as JSON under the name ``entry``; equal input gives equal bytes.

    Numbers are written as ``float32``; arrays of ``uint8``, which are another file's bytes, unchanged.
    """
    from safetensors.numpy import save

    # One metadata entry: safetensors writes several in no fixed order.
    metadata = {entry: json.dumps(about, sort_keys=True)}
    stored = {
        name: np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)
        for name, array in arrays.items()
    }
    return save(stored, metadata=metadata)


def from_bytes(data: bytes, entry: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the JSON entry that `to_bytes` wrote; call it within `expected`."""
    from safetensors.numpy import load

    arrays = load(data)
    header, _ = read_header(io.BytesIO(data))
    return arrays, json.loads(header["__metadata__"][entry])


def read_header(file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the position at which its data begin.

    The library returns neither the metadata of bytes in memory nor the place of an array in a file.
    """
    size = int.from_bytes(file.read(8), "little")
    return json.loads(file.read(size)), 8 + size


@contextmanager
def expected(what: str) -> Iterator[None]:
    """Guard reading ``what`` from bytes.

    Raises:
        BadRun: they are damaged or something else.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (BadArray, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadRun(
            f"{what} was expected, but the file is damaged or something else; `probing run` makes it again."
        ) from error

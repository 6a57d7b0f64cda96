"""Format of stored probes: named arrays and one JSON entry in a safetensors file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from probing_core.errors import BadArray, BadRun


def to_bytes(arrays: Mapping[str, np.ndarray], entry: str, about: Mapping[str, Any]) -> bytes:
    """Serialize ``arrays``, and ``about`` as JSON under the name ``entry``. Equal inputs yield equal bytes.

    Arrays of ``uint8`` (the bytes of a file) are written unchanged, and all other arrays as ``float32``.
    """
    from safetensors.numpy import save

    # Use a single metadata entry, because safetensors does not write several entries in a fixed order.
    metadata = {entry: json.dumps(about, sort_keys=True)}
    stored = {
        name: np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)
        for name, array in arrays.items()
    }
    return save(stored, metadata=metadata)


def from_bytes(data: bytes, entry: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the JSON entry that `to_bytes` wrote. Call this function within `expected`."""
    from safetensors.numpy import load

    arrays = load(data)
    header, _ = read_header(io.BytesIO(data))
    return arrays, json.loads(header["__metadata__"][entry])


def read_header(file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the byte offset of its data.

    The library provides neither the metadata of bytes in memory nor the file offset of an array.
    """
    size = int.from_bytes(file.read(8), "little")
    return json.loads(file.read(size)), 8 + size


@contextmanager
def expected(what: str) -> Iterator[None]:
    """Raise `BadRun` if reading ``what`` from bytes fails within the context.

    Args:
        what: description of the expected content, for the message.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (BadArray, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadRun(
            f"{what} was expected, but the file is corrupted or has a different format.",
            hint="Run `probing run` to recompute it.",
        ) from error

"""Format of stored probes: named arrays and one JSON entry in a safetensors file."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from probing_core.errors import BadRun

MAPPED = {"F32": "<f4", "F16": "<f2"}
"""Safetensors data types that NumPy can memory-map -> NumPy data types."""

MAX_HEADER_BYTES = 100 * 2**20
"""Maximum size of the header of a safetensors file, as in the library."""


@dataclass(frozen=True)
class ArrayEntry:
    """Type, shape and place of an array in a safetensors file.

    Attributes:
        start, end: position of the array in bytes, relative to the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


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
    metadata, _, _ = read_header(io.BytesIO(data))
    return arrays, json.loads(metadata[entry])


def read_header(file: IO[bytes]) -> tuple[dict[str, str], dict[str, ArrayEntry], int]:
    """Read the header of a safetensors file.

    The library provides neither the metadata of bytes in memory nor the file offset of an array.

    Returns:
        The metadata, the arrays by name, and the byte offset of the data.

    Raises:
        ValueError: the header is invalid, or does not match the size of the file.
    """
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= min(MAX_HEADER_BYTES, total - 8):
        raise ValueError(f"the header has an invalid size of {size:,} bytes")
    try:
        header = json.loads(file.read(size))
        metadata = header.pop("__metadata__", {})
        entries = {name: _entry(value, total - 8 - size) for name, value in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the header is invalid: {type(error).__name__}") from error
    if not isinstance(metadata, dict):
        raise ValueError("the metadata in the header are invalid")
    return metadata, entries, 8 + size


def _entry(value: Mapping[str, Any], available: int) -> ArrayEntry:
    start, end = value["data_offsets"]
    entry = ArrayEntry(value["dtype"], tuple(value["shape"]), start, end)
    numbers = (start, end, *entry.shape)
    if not isinstance(entry.dtype, str) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise TypeError
    if not start <= end <= available:
        raise ValueError
    if entry.dtype in MAPPED and math.prod(entry.shape) * np.dtype(MAPPED[entry.dtype]).itemsize != end - start:
        raise ValueError
    return entry


@contextmanager
def expected(what: str) -> Iterator[None]:
    """Raise `BadRun` if reading ``what`` from bytes fails within the context.

    Libraries raise many kinds of errors for corrupted files.

    Args:
        what: description of the expected content, for the message.
    """
    try:
        yield
    except Exception as error:
        raise BadRun(
            f"{what} was expected, but the file is corrupted or has a different format.",
            hint="Run `probing run` to recompute it.",
        ) from error

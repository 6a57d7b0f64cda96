"""Selections of samples: in the address, by name, and from the points of a chart."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

MAX_LISTED_SAMPLES = 40
"""Samples that an address lists at most; larger selections are a compressed bit for each sample of the run."""


MAX_ADDRESS_CHARACTERS = 4000
"""Characters of a selection in an address at most: servers and browsers refuse much longer ones."""

NOTHING = np.empty(0, np.int64)


def encode(samples: ArrayLike) -> str:
    """Return ``samples`` as short text for an address."""
    numbers = np.asarray(samples, np.int64)
    bits = np.zeros(numbers.max(initial=-1) + 1, bool)
    bits[numbers] = True
    if bits.sum() <= MAX_LISTED_SAMPLES:
        return ".".join(map(str, np.flatnonzero(bits)))
    return "z" + base64.urlsafe_b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode().rstrip("=")


def decode(text: str, total: int) -> np.ndarray:
    """Return the samples of a text of `encode` that are below ``total``; an invalid text selects nothing."""
    try:
        if not text.startswith("z"):
            found = np.array([int(number) for number in text.split(".") if number], np.int64)
        else:
            packed = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
            # The size is bounded by the run's, whatever the address holds.
            raw = zlib.decompressobj().decompress(packed, total // 8 + 1)
            found = np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8)))
    except (ValueError, OverflowError, binascii.Error, zlib.error):
        return NOTHING
    return found[(found >= 0) & (found < total)]


def samples_of(picked: Sequence[Any], total: int) -> np.ndarray:
    """Return the samples among the values that points of a chart carry, without values that are none of ``total``."""
    return np.array(sorted({s for s in picked if isinstance(s, int) and 0 <= s < total}), np.int64)

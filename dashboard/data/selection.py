"""Selections of samples: in the address, by name, and from the points of a chart."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

LISTED = 40
"""Up to this many samples an address lists them; more are a compressed bit for each sample of the run."""


def encode(samples: Sequence[int]) -> str:
    """``samples`` as text for an address: about 1 kB for any selection among 6,000."""
    samples = sorted(set(map(int, samples)))
    if len(samples) <= LISTED:
        return ".".join(map(str, samples))
    bits = np.zeros(samples[-1] + 1, np.uint8)
    bits[samples] = 1
    return "z" + base64.urlsafe_b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode().rstrip("=")


def decode(text: str, total: int) -> list[int]:
    """The samples of `encode`, those below ``total``; an address that makes no sense selects nothing."""
    try:
        if not text.startswith("z"):
            found = [int(number) for number in text.split(".") if number]
        else:
            packed = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
            # The size is bounded by the run's, whatever the address holds.
            raw = zlib.decompressobj().decompress(packed, total // 8 + 1)
            found = np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8))).tolist()
    except (ValueError, binascii.Error, zlib.error):
        return []
    return [s for s in found if 0 <= s < total]


def samples_of(picked: Sequence[Any], total: int) -> list[int]:
    """The samples among what points of a chart carry; what is none, or none of ``total``, is left out."""
    return sorted({s for s in picked if isinstance(s, int) and 0 <= s < total})

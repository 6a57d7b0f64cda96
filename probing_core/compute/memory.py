"""Shares of the machine's memory."""

from __future__ import annotations

import psutil

MODELS = 0.6
"""Up to which a run loads models to embed with, one beside the other."""

LIVE_MODELS = 0.5
"""Up to which live predictions keep models loaded, beside the server's pages."""

TRAINING = 0.25
"""For the embeddings that a probe learns from; it decides how many samples those are."""


def is_taken(share: float) -> bool:
    """Return whether this process holds more than ``share`` of the machine's memory."""
    return psutil.Process().memory_info().rss > share * psutil.virtual_memory().total


def bytes_of(share: float) -> float:
    """Return how many bytes ``share`` of the machine's memory is."""
    return share * psutil.virtual_memory().total

"""Equivariance of all held-out images together, from the parts that the product keeps image by image."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from probing_core.measures.embedding_space import held_out


def equivariance(clean: np.ndarray, transformed: np.ndarray, train: np.ndarray) -> SimpleNamespace:
    """``identity``, ``offset``, ``ridge`` (R2) and ``reciprocal_rank``; arguments as in `held_out`."""
    parts = held_out(clean, transformed, train)
    r2 = {kind: 1 - getattr(parts, kind).sum() / parts.total.sum() for kind in ("identity", "offset", "ridge")}
    return SimpleNamespace(**r2, reciprocal_rank=parts.reciprocal_rank.mean())

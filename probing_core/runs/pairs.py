"""The ordered pairs of the composition series: chosen before any result was seen, and frozen.

Both orders of ten pairs whose order shows (noise that is grayed is gray, gray that is made noisy is colored), and ten
in one order alone. Every group is in some pair. A geometric transformation comes first: it is the one warp of its view,
and a second warp would have nothing to read beyond the edges. Each pair is declared by its first transform, with its
place in the series (`Transform.followed_by`).
"""

from __future__ import annotations

from collections.abc import Iterable

from probing_core.transforms import bank
from probing_core.transforms.base import Transform


def pairs_among(transforms: Iterable[Transform]) -> list[tuple[str, str]]:
    """(applied first, applied to its result) of all pairs whose transforms are both among ``transforms``, in order."""
    by_name = {transform.name: transform for transform in transforms}
    declared = [(place, t.name, second) for t in by_name.values() for place, second in t.followed_by]
    return [(first, second) for _, first, second in sorted(declared) if second in by_name]


PAIRS = tuple(pairs_among(bank()))
"""The pairs of the whole bank, thirty of them."""

"""The ordered pairs of the composition series: chosen before any result was seen, and frozen.

Both orders of ten pairs whose order shows (noise that is grayed is gray, gray that is made noisy is colored), and ten
in one order alone. Every group has a part. A geometric transformation comes first: it is the one warp of its view, and
a second warp would have nothing to read beyond the edges.
"""

from __future__ import annotations

BOTH_ORDERS = (
    ("desaturate", "speckle"),
    ("gaussian-blur", "gaussian-noise"),
    ("jpeg", "defocus-blur"),
    ("contrast", "salt-and-pepper"),
    ("text", "motion-blur"),
    ("fog", "pixelate"),
    ("style-3", "jpeg"),
    ("sepia", "posterize"),
    ("brighten", "rain"),
    ("border", "hue-shift"),
)

ONE_ORDER = (
    ("rotate", "gaussian-noise"),
    ("rotate", "sepia"),
    ("perspective", "jpeg"),
    ("perspective", "text"),
    ("swirl", "gaussian-blur"),
    ("swirl", "gamma"),
    ("stylization", "contrast"),
    ("pencil-sketch", "icons"),
    ("emboss", "snow"),
    ("style-16", "salt-and-pepper"),
)

PAIRS: tuple[tuple[str, str], ...] = (
    *(pair for first, second in BOTH_ORDERS for pair in ((first, second), (second, first))),
    *ONE_ORDER,
)
"""(applied first, applied to its result), thirty of them."""

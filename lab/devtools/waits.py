"""How times are summed up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def median_and_p95(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, and the smallest time that 95 % of ``seconds`` do not exceed; nothing where there are none."""
    if not seconds:
        return {}
    p95 = np.quantile(seconds, 0.95, method="inverted_cdf")
    return {"median_s": round(float(np.median(seconds)), 3), "p95_s": round(float(p95), 3)}

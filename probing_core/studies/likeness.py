"""tables/cka.parquet: how alike the spaces of every two models are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.measures.geometry import cka

FEWEST = 2000
"""Images from which debiased CKA is steady (the protocol's number)."""

FEWEST_AT_ALL = 4


def cka_table(clean: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Debiased linear CKA of every two models, both ways and with itself.

    Args:
        clean: model -> (n, D) embeddings of the same untouched images.
    """
    names = list(clean)
    images = len(clean[names[0]])
    note = "" if images >= FEWEST else f"{images} images; from {FEWEST} on the estimate is steady"
    table = []
    for i, a in enumerate(names):
        for b in names[i:]:
            value = cka(clean[a], clean[b])
            for one, other in dict.fromkeys(((a, b), (b, a))):
                table.append({"model_a": one, "model_b": other, "value": value, "images": images, "note": note})
    return pd.DataFrame(table)

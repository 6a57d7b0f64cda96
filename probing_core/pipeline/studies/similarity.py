"""tables/cka.parquet: how alike the spaces of every two models are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.measures.cka import cka_of, space_of
from probing_core.pipeline.caveats import joined, too_few
from probing_core.runs.progress import Progress

STEADY = 2000
"""Images from which debiased CKA is steady (the protocol's number); no more are compared."""

FEWEST_AT_ALL = 4


def cka_table(clean: Mapping[str, np.ndarray], bases: np.ndarray, progress: Progress) -> pd.DataFrame:
    """Debiased linear CKA of every two models, both ways and with itself.

    Args:
        clean: model -> (n, D) embeddings of the same untouched images.
        bases: (n,) their base photographs.
    """
    names, images = list(clean), len(bases)
    spaces = {name: space_of(X, bases) for name, X in clean.items()}
    few = "" if images >= STEADY else f"{images} images; from {STEADY} on the estimate is steady"
    table = []
    for i, a in enumerate(names):
        progress.update("likeness", i, len(names), f"Likeness of {a} to the others")
        for b in names[i:]:
            found = cka_of(spaces[a], spaces[b])
            row = found.columns | {"images": images, "note": joined(too_few(found.clusters), few)}
            for one, other in dict.fromkeys(((a, b), (b, a))):
                table.append({"model_a": one, "model_b": other} | row)
    progress.update("likeness", len(names), len(names), "Likeness of the models' spaces")
    return pd.DataFrame(table)

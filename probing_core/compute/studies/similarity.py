"""tables/cka.parquet: how alike the spaces of every two models are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.corpora import limit_rows
from probing_core.measures.cka import cka_of, space_of

STEADY = 2000
"""Images from which debiased CKA is steady (the protocol's number); no more are compared."""

MIN_IMAGES = 4
"""Images without which spaces are not compared."""


def untouched_rows(samples: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """Return the positions in ``samples`` of at most `STEADY` images untouched, of all splits: nothing is learned."""
    chosen = limit_rows(images[images["used"]], STEADY)["image_id"]
    first = (samples["draw"] == 0) & (samples["repetition"] == 0) & (samples["transform"] == "identity")
    return np.flatnonzero(first & samples["image_id"].isin(chosen))


def cka_table(
    clean: Mapping[str, np.ndarray], bases: np.ndarray, report: Callable[[str, int, int], None]
) -> pd.DataFrame:
    """Return debiased linear CKA of every two models, both ways and with itself.

    Args:
        clean: model -> (n, D) embeddings of the same untouched images.
        bases: (n,) their base photographs.
        report: called with a message, what is done and the total.
    """
    names, images = list(clean), len(bases)
    spaces = {name: space_of(X, bases) for name, X in clean.items()}
    few = "" if images >= STEADY else f"{images} images; from {STEADY} on the estimate is steady"
    table = []
    for i, a in enumerate(names):
        report(f"Likeness of {a} to the others", i, len(names))
        for b in names[i:]:
            found = cka_of(spaces[a], spaces[b])
            row = found.columns | {"images": images, "note": joined(too_few(found.clusters), few)}
            for one, other in dict.fromkeys(((a, b), (b, a))):
                table.append({"model_a": one, "model_b": other} | row)
    return pd.DataFrame(table)

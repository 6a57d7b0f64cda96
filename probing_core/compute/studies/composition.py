"""tables/composition.parquet: does a probe of single transformations find both of two in a row?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.names import COMPOSITION
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import EmbeddedRows, SeriesData, measured
from probing_core.compute.tasks import codes
from probing_core.measures.cluster_sums import mean
from probing_core.measures.pair_hits import pair_hits
from probing_core.probes import sigmoid

FOUND = {"first": "composition-first", "second": "composition-last", "both": "composition-both"}


def composition_table(series: SeriesData) -> pd.DataFrame:
    """Fit a yes-or-no probe of every single transformation, on images under two."""
    data = series.main
    singles = data.classes[1:]  # identity is first, and not to be found
    learned, validated = data.learned, data.validated
    probe = sigmoid.fit(
        learned.X,
        _yes(learned, len(singles)),
        classes=singles,
        validation=(validated.X, _yes(validated, len(singles))),
    )
    scores = probe.logits(series.X)
    table, of_probe = pair_table(series.rows, scores, singles), data.note(probe.facts)
    return table.assign(model=data.model, note=[joined(note, of_probe) for note in table["note"]])[["model", *COLUMNS]]


COLUMNS = (
    "first",
    "second",
    *(f"{name}_{end}" for name in FOUND for end in ("hit", "low", "high")),
    "images",
    "bases",
    "interval",
    "note",
)


def pair_table(rows: pd.DataFrame, scores: np.ndarray, singles: tuple[str, ...]) -> pd.DataFrame:
    """Return the hits of every pair, from ``scores`` (n, K) of the single transformations for the series' ``rows``."""
    hits = pair_hits(scores, codes(rows["first"], singles), codes(rows["second"], singles))
    hit = {"first": hits.first, "second": hits.last, "both": hits.both}
    table = []
    indices: dict[Any, Any] = rows.groupby(["first", "second"], sort=False).indices
    for (first, second), at in indices.items():
        bases = rows["base_id"].to_numpy()[at]
        row = {"first": first, "second": second, "images": len(at)}
        for name, measure in FOUND.items():
            found = measured(measure, mean(hit[name][at].astype(float), bases))
            row |= {f"{name}_hit": found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        few = too_few(found["bases"])
        table.append(row | {"bases": found["bases"], "interval": found["interval"], "note": few})
    return pd.DataFrame(table)


def _yes(samples: EmbeddedRows, singles: int) -> np.ndarray:
    """Return (n, K - 1) whether a row is of each single transformation; of none for identity."""
    return samples.y[:, None] == np.arange(1, singles + 1)


STUDY = Study(name="composition", make=composition_table, series=COMPOSITION)

"""Predictions of the run's fine probe for the strength series: the tables of strengths and thresholds rest on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.caveats import note_of_fits
from probing_core.compute.tasks import codes
from probing_core.measures.embedding_space import shift
from probing_core.probes.base import LinearProbe


@dataclass(frozen=True, eq=False)
class Sweep:
    """The strength series as one model embeds it.

    Attributes:
        rows: of ``series/strength.parquet``, with ``right`` (bool, the probe named the transformation), ``detected``
            (bool, it found the transformation more probable than identity) and ``shift``.
        alarms: image_id x transform, the share of the image's untouched versions of which the probe found that
            transformation more probable than identity.
        note: what a reader must know of the probe's fit.
    """

    rows: pd.DataFrame
    alarms: pd.DataFrame
    note: str = ""


def sweep_of(
    rows: pd.DataFrame, X: np.ndarray, clean_rows: pd.DataFrame, clean: np.ndarray, probe: LinearProbe
) -> Sweep:
    """Return the sweep of embeddings ``X`` (n, D) of ``rows``, and ``clean`` (m, D) of the same images untouched."""
    identity = probe.classes.index("identity")
    truth = codes(rows["transform"], probe.classes)
    logits = probe.logits(X)
    own = logits[np.arange(len(logits)), truth]
    first = np.flatnonzero((clean_rows["draw"] == 0) & (clean_rows["repetition"] == 0))
    place = pd.Series(first, index=clean_rows["image_id"].to_numpy()[first])
    moved = np.empty(len(rows))
    for _, at in rows.groupby(["transform", "strength"], sort=False).indices.items():
        moved[at] = shift(clean[place[rows["image_id"].iloc[at]].to_numpy()], X[at])
    calm = probe.logits(clean)
    alarms = pd.DataFrame(calm > calm[:, [identity]], columns=list(probe.classes))
    return Sweep(
        rows.assign(right=logits.argmax(1) == truth, detected=own > logits[:, identity], shift=moved),
        alarms.groupby(clean_rows["image_id"].to_numpy()).mean(),
        note_of_fits((probe.facts,)),
    )

"""tables/uses.parquet: what uses of an embedding need, photograph by photograph, so that models are compared."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData
from probing_core.compute.studies.neighborhood import RAW, altered_alike, content_told
from probing_core.compute.tasks import content_labels
from probing_core.measures.neighbors import NEAREST, UNRELATED

ORIGINAL, DUPLICATES, CONTENT, ALTERED = "original", "duplicates", "content", "altered"
"""Finding the original of a copy, telling copies from other pictures, retrieval by content, and finding altered
pictures."""


def uses_table(data: ModelData) -> pd.DataFrame:
    """Return the mean of each use over the versions of a photograph.

    ``original``: whether the original of an altered copy is the nearest; ``duplicates``: whether a copy lies above the
    threshold that 0.1 % of unrelated pairs exceed; ``content``: whether its label is told by neighbors of random look;
    ``altered``: the share of the nearest pictures of other photographs under the same transformation.
    """
    parts = [_originals(data), _copies(data), _content(data), _altered(data)]
    return pd.concat(parts, ignore_index=True).assign(model=data.model)[COLUMNS]


def _originals(data: ModelData) -> pd.DataFrame:
    found = data.retrieved
    rows = found.rows[["base_id", "transform"]].assign(value=found.ranks.found(1))
    altered = rows[rows["transform"] != "identity"]
    return altered.groupby("base_id")["value"].mean().reset_index().assign(use=ORIGINAL)


def _copies(data: ModelData) -> pd.DataFrame:
    copies = data.copies[RAW]
    if UNRELATED not in copies.thresholds:
        return pd.DataFrame(columns=COLUMNS)
    rows = copies.rows[["base_id", "transform"]].assign(value=copies.cosines > copies.thresholds[UNRELATED])
    altered = rows[rows["transform"] != "identity"]
    return altered.groupby("base_id")["value"].mean().reset_index().assign(use=DUPLICATES)


def _content(data: ModelData) -> pd.DataFrame:
    labels = content_labels(data.images)
    if not labels:
        return pd.DataFrame(columns=COLUMNS)
    return content_told(data.crossed, data.crossed_train, labels, data.seed).assign(use=CONTENT)


def _altered(data: ModelData) -> pd.DataFrame:
    alike = altered_alike(data.crossed, data.seed)[:, 1:]  # identity is not to be found
    return pd.DataFrame({"base_id": data.crossed.bases, "value": alike.mean(1) / NEAREST, "use": ALTERED})


COLUMNS = ["model", "use", "base_id", "value"]


STUDY = Study(name="uses", make=uses_table)

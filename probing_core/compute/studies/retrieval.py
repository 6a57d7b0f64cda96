"""tables/retrieval.parquet: is the original of an altered picture found among untouched photographs?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.compute.studies.neighborhood import Retrieved
from probing_core.measures.cluster_sums import mean
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP, Interval
from probing_core.measures.retrieval import MAX_TIMES, Ranks, extrapolated

KS = (1, 10)
"""Numbers of nearest pictures among which the original is looked for."""

SMALLEST = 25
"""Pictures of the smallest gallery; larger ones double up to the whole."""

TIMES = (2, 5, MAX_TIMES)
"""Galleries to which recall is extrapolated, in times the one that was searched."""

ALL = "all"
"""Every altered picture, in place of one transformation."""


def retrieval_table(data: ModelData) -> pd.DataFrame:
    """Compute recall by transformation, and of all of them by size of the gallery.

    Identity's is that of its second draw: what the sub-pixel warp of every view costs, and the most that is to be had.
    """
    found = data.retrieved
    table = []
    for transform in data.classes:
        of_one = found.rows["transform"].to_numpy() == transform
        note = "untouched, drawn a second time: the ceiling" if transform == "identity" else ""
        table += rows_of(found, of_one, {"model": data.model, "transform": transform}, note=note)
    altered = found.rows["transform"].to_numpy() != "identity"
    about = {"model": data.model, "transform": ALL}
    for gallery in galleries(found.gallery):
        table += rows_of(found, altered, about, gallery)
    return pd.DataFrame([*table, *_beyond(found, altered, about)])


def galleries(most: int) -> list[int]:
    """Return sizes from `SMALLEST` on, each twice the one before, and the whole one."""
    return [*(SMALLEST * 2**i for i in range(most.bit_length()) if SMALLEST * 2**i < most), most]


def rows_of(
    found: Retrieved, chosen: np.ndarray, about: dict[str, Any], gallery: int | None = None, note: str = ""
) -> list[dict[str, Any]]:
    """Return a row of recall for each of `KS`, of the queries that are ``chosen``."""
    some = Ranks(found.ranks.ahead[chosen], found.ranks.others[chosen])
    rows = found.rows[chosen]
    size = None if gallery == found.gallery else gallery
    table = []
    for k in KS:
        recall = measured("original-found", mean(some.found(k, size), rows["base_id"].to_numpy()))
        table.append(
            about
            | {"k": k, "gallery": gallery or found.gallery, "extrapolated": False}
            | recall
            | {
                "images": rows["image_id"].nunique(),
                "chance": min(k / (gallery or found.gallery), 1.0),
                "note": joined(note, too_few(recall["bases"])),
            }
        )
    return table


def _beyond(found: Retrieved, chosen: np.ndarray, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows of galleries that are larger than the run's; none where it is too small to tell."""
    if found.gallery < SMALLEST:
        return []
    some, rows = Ranks(found.ranks.ahead[chosen], found.ranks.others[chosen]), found.rows[chosen]
    sizes = [found.gallery * times for times in TIMES]
    recall: dict[tuple[int, int], Interval] = extrapolated(
        some, rows["base_id"].to_numpy(), rows["transform"].to_numpy(), KS, sizes
    )
    return [
        about
        | {"k": k, "gallery": gallery, "extrapolated": True}
        | interval.columns
        | {
            "images": rows["image_id"].nunique(),
            "chance": k / gallery,
            "note": joined(
                f"extrapolated from {found.gallery} pictures", too_few(interval.clusters, MIN_CLUSTERS_FOR_BOOTSTRAP)
            ),
        }
        for (k, gallery), interval in recall.items()
    ]


STUDY = Study(name="retrieval", make=retrieval_table, revision=1, trains=False)

"""Studies: tables beyond the scores, made by the evaluate stage.

A study looks at one model at a time. Studies need a run with splits. Of a model with all its layers, only the last one
is studied: every layer would take as long as a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probing_core.compute.names import LAYERS, STRENGTH
from probing_core.compute.samples import has_splits
from probing_core.compute.studies import tables

MIN_SPLIT = {"train": 3, "val": 1, "test": 4}
"""Images of each split without which no study is made."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A table of a run beyond the scores.

    Attributes:
        name: ``tables/<name>.parquet``.
        make: `StudiedModel` -> its rows; `SeriesData` -> its rows, where it reads a series.
        series: the series that it reads in addition to the main samples.
        probe: whether it reads the fine probe of the run.
        revision: raised where the bytes of this study alone change; `run.graph` has that of all studies.
    """

    name: str
    make: Callable[[Any], pd.DataFrame]
    series: str = ""
    probe: bool = False
    revision: int = 0


STUDIES = (
    Study(name="duplicates", make=tables.duplicates_table, revision=1),
    Study(name="geometry", make=tables.geometry_table, revision=1),
    Study(name="layers", make=tables.layers_table, series=LAYERS, revision=1),
    Study(name="retrieval", make=tables.retrieval_table, series=STRENGTH, revision=2),
    Study(name="selectivity", make=tables.selectivity_table),
    Study(name="strength", make=lambda s: tables.strength_table(s.main.model, s.sweep), series=STRENGTH, probe=True),
    Study(
        name="thresholds",
        make=lambda s: tables.threshold_table(s.main.model, s.sweep, s.main.transforms),
        series=STRENGTH,
        probe=True,
    ),
    Study(name="uses", make=tables.uses_table),
    Study(name="variance", make=tables.variance_table),
)


def studies_of(images: pd.DataFrame) -> tuple[Study, ...]:
    """Return the studies that a run over ``images`` (its table) can have."""
    splits = images.loc[images["used"], "split"].value_counts()
    enough = all(splits.get(split, 0) >= count for split, count in MIN_SPLIT.items())
    return STUDIES if has_splits(images) and enough else ()

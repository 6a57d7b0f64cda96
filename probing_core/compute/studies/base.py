"""What a study is: a table of a run beyond the scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Study:
    """One table.

    Attributes:
        name: ``tables/<name>.parquet``.
        make: `ModelData` -> its rows; `SeriesData` -> its rows, where it reads a series.
        series: the series it reads, besides the main samples.
        probe: whether it reads the fine probe of the run.
        revision: raised where its bytes change alone; those of every study are `runs.revisions.STUDIES`.
    """

    name: str
    make: Callable[[Any], pd.DataFrame]
    series: str = ""
    probe: bool = False
    revision: int = 0

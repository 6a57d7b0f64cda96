"""tables/strength.parquet: how often a transformation is named, and how far it moves, at each strength."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.names import STRENGTH
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import measured
from probing_core.compute.studies.sweep import Sweep
from probing_core.measures.statistics import mean


def strength_table(model: str, found: Sweep) -> pd.DataFrame:
    table = []
    for (transform, strength), rows in found.rows.groupby(["transform", "strength"], sort=False):
        bases = rows["base_id"].to_numpy()
        hits = measured("recall", mean(rows["right"].to_numpy(float), bases))
        moved = measured("shift", mean(rows["shift"].to_numpy(), bases))
        table.append(
            {
                "model": model,
                "transform": transform,
                "strength": strength,
                "images": len(rows),
                "bases": hits["bases"],
                "hit_rate": hits["value"],
                "hit_low": hits["low"],
                "hit_high": hits["high"],
                "shift": moved["value"],
                "shift_low": moved["low"],
                "shift_high": moved["high"],
                "interval": hits["interval"],
                "note": joined(too_few(hits["bases"]), found.note),
            }
        )
    return pd.DataFrame(table)


STUDY = Study(name="strength", make=lambda s: strength_table(s.main.model, s.sweep), series=STRENGTH, probe=True)

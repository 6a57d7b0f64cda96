"""tables/robustness.parquet: do the nearest pictures share the content or the look?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, measured
from probing_core.compute.studies.neighborhood import OTHERS
from probing_core.measures.content_or_look import NEAREST


def robustness_table(data: ModelData) -> pd.DataFrame:
    """Compute the robustness index of PathoROB over one version a photograph and transformation."""
    tested = data.crossed
    bases = tested.bases.repeat(len(tested.transforms))
    table = []
    for by, kinds in data.neighborhoods.items():
        if by == OTHERS:
            continue
        counts = {"both": kinds.both, "content": kinds.content, "look": kinds.look, "neither": kinds.neither}
        seen = np.sum(list(counts.values()))
        found = measured("robustness-index", kinds.index(bases))
        table.append(
            {"model": data.model, "by": by}
            | found
            | {"images": len(tested.images), "k": NEAREST, "chance": kinds.chance}
            | {name: float(count.sum() / seen) for name, count in counts.items()}
            | {"note": too_few(found["bases"])}
        )
    return pd.DataFrame(table)


STUDY = Study(name="robustness", make=robustness_table, trains=False)

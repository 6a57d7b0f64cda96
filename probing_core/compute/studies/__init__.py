"""Compute studies, which are additional results of a run. `probing_core.run.studies` lists them."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.sampling.samples import has_splits

MIN_SPLIT = {"train": 3, "val": 1, "test": 4}
"""Minimum number of images from each split that studies require."""


def can_study(images: pd.DataFrame) -> bool:
    """Return whether a run with the image table ``images`` has enough images in each split for studies."""
    splits = images.loc[images["used"], "split"].value_counts()
    return has_splits(images) and all(splits.get(split, 0) >= count for split, count in MIN_SPLIT.items())

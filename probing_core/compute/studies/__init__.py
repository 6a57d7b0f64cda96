"""Studies: tables beyond the scores, each in a file of its own, made by the evaluate stage.

A study looks at one model at a time. They are made where a run has splits. Of a model that was asked for all its
layers, the last one is studied: every layer would take as long as a model.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import pandas as pd

from probing_core.compute.samples import has_splits
from probing_core.compute.studies.base import Study

__all__ = ["STUDIES", "Study", "studies_of"]

MIN_SPLIT = {"train": 3, "val": 1, "test": 4}
"""Images of each split without which no study is made."""


def _studies() -> tuple[Study, ...]:
    """Return the ``STUDY`` of every module of this package that has one, so that a study is one file."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return tuple(module.STUDY for module in modules if hasattr(module, "STUDY"))


STUDIES = _studies()


def studies_of(images: pd.DataFrame) -> tuple[Study, ...]:
    """Return the studies that a run over ``images`` (its table) can have."""
    splits = images.loc[images["used"], "split"].value_counts()
    enough = all(splits.get(split, 0) >= count for split, count in MIN_SPLIT.items())
    return STUDIES if has_splits(images) and enough else ()

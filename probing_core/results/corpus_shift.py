"""What a change of corpus costs: the same probes where they learned, and on pictures from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from probing_core.results.ranking import measure_of
from probing_core.results.run import Run
from probing_core.run.recipe import Recipe, load_transforms, source_among

COMPARED = (("fine", "seen"), ("group-0", "unseen"), ("group-1", "unseen"), ("group-2", "unseen"))
"""(task, subset) of the scores that are compared."""


def _learned(recipe: Recipe) -> set[str]:
    """Return names of the transforms that probes of ``recipe`` learn."""
    return {t.name for t in load_transforms(recipe) if not t.far}


def source_of(run: Run, others: Iterable[Run]) -> Run | None:
    """Return the one of ``others`` whose probes ``run`` took, if it is among them."""
    return source_among(others, run.recipe)


def change_of_corpus(here: Run, there: Run) -> pd.DataFrame:
    """Return scores of the models that both runs have, under the same probes.

    Columns: ``model``, ``task``, ``subset``, ``there`` (the corpus that the probes learned from, its test split),
    ``here``, and their ``difference`` with its 95 % interval ``low`` to ``high``. The two corpora share no photograph,
    so the interval is made of those of the two scores (Zou & Donner 2008, *Statistics in Medicine* 27, "MOVER"); NaN
    where one of them has none. No rows where the runs have the same corpus or other transformations: such scores mean
    other things.
    """
    columns = ["model", "task", "subset", "value", "low", "high"]
    wanted = pd.DataFrame(
        [(task, subset, measure_of(subset)) for task, subset in COMPARED], columns=["task", "subset", "measure"]
    )
    comparable = here.recipe.fingerprint != there.recipe.fingerprint and _learned(here.recipe) == _learned(there.recipe)
    if here.scores.empty or there.scores.empty or not comparable:
        return pd.DataFrame(columns=["model", "task", "subset", "there", "here", "difference", "low", "high"])
    new, old = (run.scores.merge(wanted)[columns].set_index(columns[:3]) for run in (here, there))
    both = old.merge(new, left_index=True, right_index=True, suffixes=("_there", "_here")).reset_index()
    difference = both["value_here"] - both["value_there"]
    down = np.hypot(both["value_here"] - both["low_here"], both["high_there"] - both["value_there"])
    up = np.hypot(both["high_here"] - both["value_here"], both["value_there"] - both["low_there"])
    return both[columns[:3]].assign(
        there=both["value_there"],
        here=both["value_here"],
        difference=difference,
        low=difference - down,
        high=difference + up,
    )

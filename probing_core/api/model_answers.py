"""Tables of model answers for the test photographs of a run and for images from other collections.

For test photographs, answers come from probes that were not trained on the same photograph. Answers for images from
other collections are included in the package data (computed by ``python -m lab.evidence.answers``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.answers.answer import Posterior
from probing_core.answers.calibration import scores_behind
from probing_core.answers.crops import DIRECT
from probing_core.paths import data_dir, reference_run
from probing_core.results.run import Run
from probing_core.run.live import read_fitted_posterior, read_posteriors
from probing_core.transforms import resolve

OUTSIDE = "answers.parquet"
"""File in the package data with the answers of the reference run's models for images from other collections."""


def live_posterior(run: Run, model: str) -> Posterior:
    """Return the calibration of ``model`` for images that are embedded without tiles.

    If the run has no such calibration, the result converts every score to the prior.
    """
    return read_posteriors(run.store, model).get(DIRECT, Posterior())


def tested_scores(run: Run, model: str, altered: pd.Series) -> np.ndarray:
    """Recover the edit scores (N,) from the probabilities ``altered`` (N,), which may be NaN.

    The probabilities must have been computed with the posterior from training.
    """
    fitted = read_fitted_posterior(run.store, model) or Posterior()
    p = altered.to_numpy(np.float64)
    return np.where(np.isnan(p), np.nan, scores_behind(p, fitted))


def held_out(run: Run, models: Sequence[str]) -> pd.DataFrame:
    """Return the answers for the test samples of ``run``, from probes that were not trained on the same photographs.

    The columns are ``model``, ``photograph``, ``operation``, ``group``, ``altered`` (probability that the image was
    edited) and ``named`` (most probable group given an edit). Models without these predictions are omitted.
    """
    parts = []
    for model in models:
        rows = run.predictions(model, "fine", ("base_id", "group", "transform"))
        if "altered" not in rows:
            continue
        rows = rows[rows["altered"].notna()]  # samples without a probability are not part of the task
        named = rows["named"].astype(str)
        groups = {name: resolve(name).group for name in named.unique()}
        columns = {"photograph": rows["base_id"], "operation": rows["transform"], "group": rows["group"]}
        # --calibrate-on may have changed the calibration since the table was written.
        scores = tested_scores(run, model, rows["altered"])
        probabilities = np.where(np.isnan(scores), rows["altered"], live_posterior(run, model).probability(scores))
        answers = {"model": model, "altered": probabilities, "named": named.map(groups)}
        parts.append(pd.DataFrame({name: column.astype(str) for name, column in columns.items()} | answers))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def outside(run: Run) -> pd.DataFrame:
    """Return the answers for images from other collections.

    The table has the columns of `held_out` and ``source``. It is empty unless ``run`` is the reference run.
    """
    path = data_dir() / OUTSIDE
    is_reference = run.path.resolve() == reference_run().resolve()
    return pd.read_parquet(path) if is_reference and path.exists() else pd.DataFrame()

"""Features of photographs that were not used to train a run's detector, and output to docs/detector.md.

The features of all views are cached, so the detector of another run can score the same views quickly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import publish
from probing_core import Predictor
from probing_core.answers.crops import Crops
from probing_core.compute.runtime.parallel import in_chunks, one_core_threads
from probing_core.cores import cores
from probing_core.corpora.corpus import Corpus
from probing_core.detector.features import features
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import Interval, interval
from probing_core.paths import reference_run
from probing_core.run import calibrate
from probing_core.run.layout import VERDICT_PHOTOGRAPHS
from probing_core.run.run_files import digest
from probing_core.transforms.transformation import Image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "detector.md"

PURPOSES = {"learn": "training", "choose": "model selection", "calibrate": "calibration", "report": "testing"}
"""Role of photographs in the detector's table -> purpose."""

PHOTOGRAPHS = 16

REVISION = calibrate.PHOTOGRAPHS_CODE_VERSION

Measured = tuple[np.ndarray, pd.DataFrame]
"""Features (P, D) of crops, and one row per image with the range of its crops, ``start`` (full image) to ``stop``."""


def share(hits: np.ndarray, photographs: np.ndarray) -> Interval:
    """Return the fraction of ``hits`` (n,) bool with its 95% confidence interval over photographs."""
    truth = np.zeros(len(hits), np.int64)
    return interval(balanced_accuracy(truth, np.where(hits, 0, 1), np.asarray(photographs)), low=0, high=1)


def measured(
    corpus: Corpus,
    rows: pd.DataFrame,
    views_of: Callable[[Image, dict], Sequence[tuple[Crops, dict]]],
    cache: Path | None,
    settings: Sequence[object],
) -> Measured:
    """Compute the features of the crops that ``views_of`` returns for each photograph, or read them from the cache.

    Args:
        rows: rows of ``corpus``.
        views_of: function that maps an image and its row to pairs of crops and their row in the table.
        cache: folder of the cached features; None disables the cache.
        settings: all settings that affect the result of ``views_of``; part of the cache key.
    """
    ids = digest(rows["image_id"].tolist())
    name = digest([corpus.fingerprint, ids, list(map(str, settings)), REVISION])[:16]
    if cache is not None and (cache / f"{name}.parquet").exists():
        return np.load(cache / f"{name}.npy"), pd.read_parquet(cache / f"{name}.parquet")

    def measure(row: dict) -> list[tuple[np.ndarray, dict]]:
        return [(features(crops.images), facts) for crops, facts in views_of(corpus.load(row["image_id"]), row)]

    records = rows.to_dict("records")
    chunks = [records[i : i + PHOTOGRAPHS] for i in range(0, len(records), PHOTOGRAPHS)]
    views: list[tuple[np.ndarray, dict]] = []
    with one_core_threads(cores()) as pool:
        for _, results in in_chunks(pool, measure, chunks):
            views += [view for of_photograph in results for view in of_photograph]
            print(f"Measured {len(views)} images", file=sys.stderr, flush=True)
    counts = np.array([len(X) for X, _ in views])
    stop = counts.cumsum()
    table = pd.DataFrame([facts for _, facts in views]).assign(start=stop - counts, stop=stop)
    X = np.concatenate([X for X, _ in views])
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        np.save(cache / f"{name}.npy", X)
        table.to_parquet(cache / f"{name}.parquet")
    return X, table


def publish_about(predictor: Predictor, module: str, text: str, write: bool) -> None:
    """Print ``text`` after a sentence about the run. With ``write``, update the part of ``module`` on the page."""
    mark = f"<!-- generated: python -m lab.evidence.{module} -->"
    publish(PAGE, mark, f"{about(predictor)}\n\n{text}", write)


def about(predictor: Predictor) -> str:
    """Return a sentence that names the run of the detector and the numbers of its photographs."""
    photographs = predictor.store.read_table(VERDICT_PHOTOGRAPHS)
    counts = photographs[photographs["first"]].groupby("role")["base_id"].nunique()
    first, *others = (f"{counts.get(role, 0):,}{{}} for {purpose}" for role, purpose in PURPOSES.items())
    parts = [first.format(" photographs"), *(other.format("") for other in others)]
    is_reference = predictor.store.root.resolve() == reference_run().resolve()
    run = "the reference run" if is_reference else f"a run (recipe {digest(predictor.recipe.to_toml())[:8]})"
    return f"Detector of {run}: {', '.join(parts)}."

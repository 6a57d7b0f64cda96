"""Writes docs/precision.md: what bfloat16 changes, for every network that comes with the product.

    python -m lab.evidence.precision [MODEL ...]

Sixty packaged views under every transformation are embedded in float32 and in bfloat16; then the fine task is learned
from each, by cross-validation over photographs. About a minute a model on two quiet cores. With names, only their rows
are measured, and the others stay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import put_row
from probing_core.compute.sampling.samples import choose_images, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.compute.training.probe_training import MAX_FOLDS
from probing_core.corpora import assign_groups, open_corpus
from probing_core.measures import Interval, interval
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import in_percent
from probing_core.models import CATALOG, bundled, find_spec, load_embedder
from probing_core.probes.linear import fit, fixed_penalty
from probing_core.run.recipe import Recipe
from probing_core.transforms import Image, bank

PAGE = Path(__file__).resolve().parents[2] / "docs" / "precision.md"
BEGIN = "<!-- generated: python -m lab.evidence.precision -->"
VIEWS = 60
HEAD = (
    "| model | mean cosine similarity | minimum cosine similarity | fine task, float32 | fine task, bfloat16 "
    "| within interval |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def main(names: Sequence[str]) -> None:
    available = networks()
    pictures, samples = transformed_samples()
    order = [f"`{name}`" for name in dict.fromkeys((*available, *names))]
    for name in names or available:  # written after each: a minute's work is not lost with the next
        put_row(PAGE, BEGIN, HEAD, order, f"`{name}`", cells_of(name, pictures, samples))


def networks() -> list[str]:
    """Return the bundled models that compute in a precision of their own, and every encoder of the zoo that is here."""
    zoo = [s.name for s in CATALOG if s.name.startswith("zoo/") and s.check().available]
    names = dict.fromkeys((*bundled(), *zoo))
    return [name for name in names if find_spec(name).family != "baseline" or name == "baseline/random-vit"]


def transformed_samples() -> tuple[list[Image], pd.DataFrame]:
    corpus = open_corpus("photos")
    recipe = Recipe(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        transforms=tuple(t.name for t in bank()),
        models=("baseline/pixels",),
        limit=VIEWS,
    )
    planned = plan_samples(recipe.design, choose_images(recipe.design, corpus, lambda completed, total: None))
    with ThreadPoolExecutor(recipe.threads) as pool:
        return make_samples(MAIN, recipe.design, corpus, planned, pool)


def cells_of(name: str, pictures: Sequence[Image], samples: pd.DataFrame) -> str:
    full, half = (_embed(name, precision, pictures) for precision in ("float32", "bfloat16"))
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    exact, rounded = (_accuracy(X, samples) for X in (full, half))
    within = "yes" if exact.low <= rounded.value <= exact.high else "no"
    return f"{cosine.mean():.5f} | {cosine.min():.5f} | {_cell(exact)} | {_cell(rounded)} | {within}"


def _embed(name: str, precision: str, pictures: Sequence[Image]) -> np.ndarray:
    embedder = load_embedder(name, precision=precision)
    try:
        return embedder.embed(pictures)
    finally:
        embedder.close()


def _accuracy(X: np.ndarray, samples: pd.DataFrame) -> Interval:
    """Return the balanced accuracy of the fine task, each photograph predicted by a probe that never saw it."""
    classes, y = np.unique(samples["transform"], return_inverse=True)
    photographs = samples["base_id"].to_numpy()
    groups = assign_groups(photographs.tolist(), 0, MAX_FOLDS)
    predicted = np.empty_like(y)
    for group in np.unique(groups):
        train, test = groups != group, groups == group
        held_out = X[test], y[test]
        probe = fit(
            X[train], y[train], classes=classes.tolist(), validation=held_out, penalties=(fixed_penalty(X.shape[1]),)
        )
        predicted[test] = probe.probabilities(X[test]).argmax(1)
    return interval(balanced_accuracy(y, predicted, photographs), low=0.0, high=1.0)


def _cell(interval: Interval) -> str:
    return f"{in_percent(interval.value, 1)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


if __name__ == "__main__":
    main(sys.argv[1:])

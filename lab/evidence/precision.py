"""Write the effect of bfloat16 on the included networks to docs/precision.md.

    python -m lab.evidence.precision [MODEL ...]

Sixty packaged views under every transformation are embedded in float32 and in bfloat16, and probes for the task `fine`
are cross-validated over photographs. This takes about a minute per model on two idle cores. If models are specified,
only their rows are updated.
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
from probing_core.compute.training.model_samples import MAX_FOLDS
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
    for name in names or available:  # written after each model, so that an interruption loses little
        put_row(PAGE, BEGIN, HEAD, order, f"`{name}`", cells_of(name, pictures, samples))


def networks() -> list[str]:
    """Return the bundled models that are networks, and all zoo encoders whose weights are available."""
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
    """Return the cross-validated balanced accuracy of the task `fine`, with its 95% interval over photographs."""
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

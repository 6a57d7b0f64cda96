"""The deployment probe: it learns from the renderings as well, and its penalty is chosen on them.

A probe that is best on the bank's own samples of other photographs is not best where another program did the work.
So the penalty and the temperature of live predictions are those that tell the renderings of the val split best, by a
probe that learned from the train split alone; then the probe of that penalty learns from both splits. All samples of
a class weigh the same, and the bank's own are those of the first repetition: what users bring was not made by us.
Embeddings that have no negative numbers may enter as they are or as square roots, whichever tells those renderings
better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from probing_core.probes.base import LinearProbe, square_root
from probing_core.probes.linear import GRID, fit
from probing_core.runs.embeddings import has_embeddings, read_embeddings
from probing_core.runs.layout import RENDERING, series_table
from probing_core.runs.lazy_rows import LazyRows
from probing_core.runs.model_samples import ModelSamples, predict
from probing_core.runs.tasks import Task


@dataclass(frozen=True, eq=False)
class Deployment:
    """A probe for live predictions, and what tells how sure it may be.

    Attributes:
        probe: learned from the train and val splits; not yet calibrated.
        choosing: learned from the train split alone, at the same penalty.
        held_out: probabilities (n, K) by ``choosing`` and truth (n,) of samples of the val split.
    """

    probe: LinearProbe
    choosing: LinearProbe
    held_out: tuple[np.ndarray, np.ndarray]


def fit_deployment(
    work: ModelSamples, task: Task, probe: LinearProbe, train: np.ndarray, val: np.ndarray
) -> Deployment:
    """The deployment probe of ``task``.

    Args:
        probe: of the main samples ``train``, its penalty chosen on ``val``: what a run without renderings goes by.
        train, val: positions of the samples that may be learned from.
    """
    both = np.concatenate([train, val])
    if not has_embeddings(work.store, work.model, RENDERING):
        fitted = fit(
            work.X.at(both),
            task.truth[both],
            classes=task.classes,
            validation=(work.X.at(val), task.truth[val]),
            penalties=(probe.penalty,),
        )
        return Deployment(_as_chosen(fitted, probe), probe, (predict(probe, work.X.at(val)), task.truth[val]))
    table = work.store.read_table(series_table(RENDERING), ["transform", "split"])
    rendered = read_embeddings(work.store, work.model, series=RENDERING)
    truth = table["transform"].map(task.classes.index).to_numpy(np.int64)
    held = (table["split"] == "val").to_numpy()
    first = work.samples["repetition"].to_numpy() == 0
    train, both = train[first[train]], both[first[both]]
    validation = (rendered[held], truth[held])

    def learned_from(main: np.ndarray, others: np.ndarray, root: bool, penalties: Sequence[float]) -> LinearProbe:
        y = np.concatenate([task.truth[main], truth[others]])
        return fit_rooted(
            work.X.at(main).then(LazyRows((rendered[others],))),
            y,
            classes=task.classes,
            weights=class_weights(y),
            validation=validation,
            penalties=penalties,
            root=root,
        )

    rooted = rendered.min() >= 0 and all(rows.min() >= 0 for rows in work.X.at(both).blocks())
    roots = (False, True) if rooted else (False,)
    candidates = [learned_from(train, ~held, root, GRID) for root in roots]
    choosing = min(candidates, key=lambda candidate: candidate.facts.validation_loss)
    fitted = learned_from(both, np.ones(len(truth), bool), choosing.root, (choosing.penalty,))
    return Deployment(_as_chosen(fitted, choosing), choosing, (choosing.probabilities(rendered[held]), truth[held]))


def _as_chosen(fitted: LinearProbe, choosing: LinearProbe) -> LinearProbe:
    """``fitted`` with what is known of its penalty, which ``choosing`` found on pictures that it never saw."""
    facts = replace(choosing.facts, converged=fitted.facts.converged, iterations=fitted.facts.iterations)
    return replace(fitted, facts=facts)


def fit_rooted(
    X: LazyRows,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    weights: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    penalties: Sequence[float] = GRID,
    root: bool,
) -> LinearProbe:
    """As `fit`, on the square roots of the embeddings if ``root``."""
    Xv, yv = validation
    if root:
        X, Xv = X.changed(square_root), square_root(Xv)
    probe = fit(X, y, classes=classes, weights=weights, validation=(Xv, yv), penalties=penalties)
    return replace(probe, root=root)


def class_weights(truth: np.ndarray) -> np.ndarray:
    """(n,) weights of samples of classes ``truth`` (n,), 1 on average: every class weighs the same."""
    weights = 1 / np.bincount(truth)[truth]
    return weights * len(truth) / weights.sum()

"""What an encoder holds of the look, measured in a moment: discriminant analysis on a frozen set of views."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from probing_core.compute.frozen_views import FrozenViews
from probing_core.compute.names import GROUP_SUBSET
from probing_core.compute.tasks import CONTENT, MIN_TO_LEARN, MIN_TO_TEST
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.embedding_space import shift
from probing_core.measures.statistics import ClusterSums, interval, mean, numbered
from probing_core.probes.linear import fit_discriminant

FINE, UNTOUCHED_SHIFT = "fine", "untouched-shift"

COLUMNS = ("name", "measure", "value", "low", "high", "photographs", "chance")

Score = tuple[str, str, ClusterSums, float]
"""Name, measure, sums by photograph, chance."""


def look_scores(X: np.ndarray, views: FrozenViews) -> pd.DataFrame:
    """Return what the embeddings of a frozen set of views hold, all of it measured on photographs held out.

    Args:
        X: (V, D) embeddings of the views, in order; finite.

    Returns:
        One row a score, with `COLUMNS`: ``fine`` (balanced accuracy over all transforms), ``group:...`` (recall of
        a group's members, as the fine probe names them), ``content`` (balanced accuracy over labels, on untouched
        views; absent where the photographs have no two labels to learn) and ``untouched-shift`` (how far the sub-pixel
        warp that every view undergoes moves an embedding; 1: as far as another photograph lies), each with its 95 %
        interval over ``photographs`` and what guessing gives (NaN for the shift).
    """
    rows = []
    for name, measure, sums, chance in (*_of_look(X, views), *_of_content(X, views)):
        found = interval(sums, low=0.0, high=None if measure == "shift" else 1.0)
        rows.append((name, measure, found.value, found.low, found.high, found.clusters, chance))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_look(X: np.ndarray, views: FrozenViews) -> Iterator[Score]:
    table = views.table.loc[views.table["look"], ["transform", "group", "split", "base_id", "draw"]]
    X, (transform, group, split, base, draw) = X[table.index], (table[column].to_numpy() for column in table)
    classes, truth = numbered(transform)
    learned, held = (split == "train") & (draw == 0), (split == "val") & (draw == 0)
    predicted = fit_discriminant(X[learned], truth[learned], classes=list(classes)).logits(X[held]).argmax(1)
    truth, chance = truth[held], 1 / len(classes)
    yield FINE, "balanced-accuracy", balanced_accuracy(truth, predicted, base[held]), chance
    for name in dict.fromkeys(group):
        mine = group[held] == name
        hits = np.where(predicted[mine] == truth[mine], truth[mine], -1)
        yield GROUP_SUBSET + name, "recall", balanced_accuracy(truth[mine], hits, base[held][mine]), chance
    first, second = ((split == "val") & (transform == "identity") & (draw == d) for d in (0, 1))
    yield UNTOUCHED_SHIFT, "shift", mean(shift(X[first], X[second]), base[first]), float("nan")


def _of_content(X: np.ndarray, views: FrozenViews) -> Iterator[Score]:
    rows = views.table.query("transform == 'identity' and draw == 0 and label != ''")
    counts = rows.groupby(["label", "split"])["base_id"].nunique().unstack(fill_value=0)
    counts = counts.reindex(columns=["train", "val"], fill_value=0)
    labels = tuple(counts.index[(counts["train"] >= MIN_TO_LEARN) & (counts["val"] >= MIN_TO_TEST)])
    if len(labels) < 2:
        return
    rows = rows[rows["label"].isin(labels)]
    X, truth = X[rows.index], pd.Index(labels).get_indexer(pd.Index(rows["label"]))
    learned, held = ((rows["split"] == split).to_numpy() for split in ("train", "val"))
    predicted = fit_discriminant(X[learned], truth[learned], classes=labels).logits(X[held]).argmax(1)
    bases = rows["base_id"].to_numpy()[held]
    yield CONTENT, "balanced-accuracy", balanced_accuracy(truth[held], predicted, bases), 1 / len(labels)

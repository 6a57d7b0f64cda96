"""Score an encoder within seconds, using discriminant analysis on a fixed set of views.

The views are the same for every model and every step of a training run, so that scores are comparable.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.score_rows import joined, too_few, undefined_shift
from probing_core.compute.runtime.parallel import image_pool
from probing_core.compute.sampling.probe_tasks import CONTENT, MIN_TO_LEARN, MIN_TO_TEST, codes, photographs_by_label
from probing_core.compute.sampling.samples import LEARNED, Design, OnProgress, choose_images, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import FINE, MAIN
from probing_core.corpora import assign_splits, drawn
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadCorpus
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.embedding_space import shift
from probing_core.measures.notation import GROUP_SUBSET
from probing_core.measures.statistics import ClusterSums, interval, mean, numbered
from probing_core.probes.linear import fit_discriminant
from probing_core.transforms.transformation import Image

MIN_SPLIT_PHOTOGRAPHS = 2
"""Minimum number of photographs in each of the two splits, training and held-out."""

IMAGES_PER_REPORT = 16
"""Number of images between two progress reports."""


@dataclass(frozen=True, eq=False)
class FixedViews:
    """A fixed set of views and their labels.

    Attributes:
        images: V arrays of shape (view, view, 3) and type ``uint8``.
        table: V rows with ``image_id``, ``base_id``, ``label``, ``split`` (``train``, or ``val`` for held-out
            photographs), ``transform``, ``group``, ``draw`` (identity is drawn twice) and ``appearance``.
            ``appearance`` is False for clean views of additional photographs, which are only used for the content
            score.
    """

    images: tuple[Image, ...]
    table: pd.DataFrame


def make_views(design: Design, corpus: Corpus, learn: int, held_out: int, progress: OnProgress) -> FixedViews:
    """Select images, and compute their views under every transformation in ``design``.

    For the content score, a clean view of each remaining labeled image is added. A corpus without splits is split by
    photograph. The ``test`` split is never read.

    Args:
        design: design of the views.
        corpus: corpus with the images.
        learn: maximum number of images from the ``train`` split.
        held_out: maximum number of images from the ``val`` split.
        progress: callback with the number of completed images and the total number.

    Raises:
        BadCorpus: a split has fewer than `MIN_SPLIT_PHOTOGRAPHS` usable photographs.
    """
    learned, rows = copy(corpus), corpus.rows
    if (rows["split"] == "").any():
        rows = rows.assign(split=assign_splits(rows["base_id"].tolist(), design.seed))
    learned.rows = rows[rows["split"].isin(LEARNED)].reset_index(drop=True)
    images = choose_images(design, learned, lambda completed, total: None)
    images = images[images["used"]].reset_index(drop=True)
    order = images.loc[drawn(images)]
    counts = {"train": learn, "val": held_out}
    chosen = pd.Index([i for split, count in counts.items() for i in order.index[order["split"] == split][:count]])
    for split in counts:
        count = images.loc[chosen].query("split == @split")["base_id"].nunique()
        if count < MIN_SPLIT_PHOTOGRAPHS:
            raise BadCorpus(
                f"At least {MIN_SPLIT_PHOTOGRAPHS} training and {MIN_SPLIT_PHOTOGRAPHS} held-out photographs are "
                f"required, but the number of usable photographs in the '{split}' split of '{corpus.name}' is {count}. "
                f"Use more images."
            )
    content = images.drop(chosen).query("label != ''")
    clean = Design(view=design.view, transforms=design.transforms[:1], seed=design.seed, threads=design.threads)
    plans = [
        plan_samples(design, images.loc[chosen]).assign(appearance=True),
        plan_samples(clean, content).query("draw == 0").assign(appearance=False) if len(content) else pd.DataFrame(),
    ]
    table = pd.concat(plans, ignore_index=True).drop(columns="sample")
    ids = table["image_id"].unique()
    pictures: list[Image] = []
    with image_pool(len(table)) as pool:
        for start in range(0, len(ids), IMAGES_PER_REPORT):
            batch = table[table["image_id"].isin(ids[start : start + IMAGES_PER_REPORT])]
            pictures += make_samples(MAIN, design, corpus, batch, pool)[0]
            progress(min(start + IMAGES_PER_REPORT, len(ids)), len(ids))
    return FixedViews(tuple(pictures), table)


CLEAN_SHIFT = "clean-shift"

ONLINE_COLUMNS = ("name", "measure", "value", "low", "high", "photographs", "chance", "note")

Score = tuple[str, str, ClusterSums, float]
"""Name, measure, sums by photograph, and chance level of a score."""


def online_scores(X: np.ndarray, views: FixedViews) -> pd.DataFrame:
    """Compute scores from embeddings of a fixed set of views, measured on held-out photographs.

    Args:
        X: (V, D) embeddings of the views, in order. All values must be finite.

    Returns:
        Table with `ONLINE_COLUMNS` and one row per score. ``fine`` is the balanced accuracy over all transformations.
        ``group:...`` is the recall of a group, averaged over its transformations. ``content`` is the balanced accuracy
        over labels on clean views. It is omitted if fewer than two labels have enough photographs. ``clean-shift`` is
        the mean embedding shift between two clean views that differ in their sub-pixel warp, in units of the mean
        distance between photographs. ``low`` and ``high`` are the 95% CI over photographs, and ``chance`` is the
        accuracy of random guessing (NaN for the shift). ``note`` says why a value or an interval is missing.
    """
    rows = []
    for name, measure, sums, chance in (*_appearance_scores(X, views), *_content_scores(X, views)):
        estimate = interval(sums, low=0.0, high=None if measure == "shift" else 1.0)
        note = joined(too_few(estimate.clusters), undefined_shift(estimate.value) if measure == "shift" else "")
        rows.append((name, measure, estimate.value, estimate.low, estimate.high, estimate.clusters, chance, note))
    return pd.DataFrame(rows, columns=list(ONLINE_COLUMNS))


def _appearance_scores(X: np.ndarray, views: FixedViews) -> Iterator[Score]:
    table = views.table.loc[views.table["appearance"], ["transform", "group", "split", "base_id", "draw"]]
    X, (transform, group, split, base, draw) = X[table.index], (table[column].to_numpy() for column in table)
    classes, truth = numbered(transform)
    learned, held_out = (split == "train") & (draw == 0), (split == "val") & (draw == 0)
    predicted = fit_discriminant(X[learned], truth[learned], classes=list(classes)).logits(X[held_out]).argmax(1)
    truth, chance = truth[held_out], 1 / len(classes)
    yield FINE, "balanced-accuracy", balanced_accuracy(truth, predicted, base[held_out]), chance
    for name in dict.fromkeys(group):
        in_group = group[held_out] == name
        hits = np.where(predicted[in_group] == truth[in_group], truth[in_group], -1)
        yield GROUP_SUBSET + name, "recall", balanced_accuracy(truth[in_group], hits, base[held_out][in_group]), chance
    first, second = ((split == "val") & (transform == "identity") & (draw == d) for d in (0, 1))
    yield CLEAN_SHIFT, "shift", mean(shift(X[first], X[second]), base[first]), float("nan")


def _content_scores(X: np.ndarray, views: FixedViews) -> Iterator[Score]:
    rows = views.table.query("transform == 'identity' and draw == 0 and label != ''")
    counts = photographs_by_label(rows)
    labels = tuple(counts.index[(counts["train"] >= MIN_TO_LEARN) & (counts["val"] >= MIN_TO_TEST)])
    if len(labels) < 2:
        return
    rows = rows[rows["label"].isin(labels)]
    X, truth = X[rows.index], codes(rows["label"], labels)
    learned, held_out = ((rows["split"] == split).to_numpy() for split in ("train", "val"))
    predicted = fit_discriminant(X[learned], truth[learned], classes=labels).logits(X[held_out]).argmax(1)
    bases = rows["base_id"].to_numpy()[held_out]
    yield CONTENT, "balanced-accuracy", balanced_accuracy(truth[held_out], predicted, bases), 1 / len(labels)

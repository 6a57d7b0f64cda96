"""The gate: whether a trained encoder knows more about content, and about transforms, than the same network untrained.

This file measures content; `fine_gate` measures the fine task.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lab.pretraining.fine_gate import FineGate
from probing_core.corpora.base import Corpus
from probing_core.errors import BadCorpus
from probing_core.models.base import LoadedEmbedder

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties of the linear probe; one is chosen by cross-validation within train, none on val."""

NEIGHBORS = 20
CHUNK = 256


@dataclass(frozen=True)
class Gate:
    """Content accuracy of an encoder and of its untrained start, in percent, and the fine task; ``train`` to ``val``.

    Attributes:
        linear, linear_untrained: of a linear probe on standardized embeddings.
        knn, knn_untrained: of 20 nearest neighbors by cosine.
        needed: points by which ``linear`` must exceed ``linear_untrained``.
        train, val: numbers of pictures.
        classes: number of labels; all of them were seen in pretraining.
        fine: the second half.
    """

    linear: float
    linear_untrained: float
    knn: float
    knn_untrained: float
    needed: float
    train: int
    val: int
    classes: int
    fine: FineGate

    @property
    def margin(self) -> float:
        return self.linear - self.linear_untrained

    @property
    def content_passed(self) -> bool:
        return self.margin >= self.needed

    @property
    def passed(self) -> bool:
        return self.content_passed and self.fine.passed


def measure(trained: LoadedEmbedder, untrained: LoadedEmbedder, corpus: Corpus, needed: float, fine: FineGate) -> Gate:
    """Measure the gate of ``trained``, with its second half as measured by `fine_gate.measure_fine`.

    Raises:
        BadCorpus: no pictures of the splits train and val with a label of the split pretrain.
    """
    train, val = seen_rows(corpus, "train"), seen_rows(corpus, "val")
    scores = {}
    for name, embedder in (("trained", trained), ("untrained", untrained)):
        x_train, x_val = (_embed(embedder, corpus, rows) for rows in (train, val))
        y_train, y_val = train["label"].to_numpy(str), val["label"].to_numpy(str)
        scores[name] = (_linear(x_train, y_train, x_val, y_val), _knn(x_train, y_train, x_val, y_val))
    return Gate(
        linear=scores["trained"][0],
        linear_untrained=scores["untrained"][0],
        knn=scores["trained"][1],
        knn_untrained=scores["untrained"][1],
        needed=needed,
        train=len(train),
        val=len(val),
        classes=train["label"].nunique(),
        fine=fine,
    )


def seen_rows(corpus: Corpus, split: str) -> pd.DataFrame:
    """Return the rows of ``split`` whose label occurs among the rows of split ``pretrain``."""
    rows = corpus.rows
    seen = rows.loc[rows["split"] == "pretrain", "label"].unique()
    chosen = rows[(rows["split"] == split) & rows["label"].isin(seen)]
    if chosen.empty:
        raise BadCorpus(
            f"The gate needs pictures of the splits pretrain, train and val that share labels; "
            f"'{corpus.name}' has none of split '{split}'."
        )
    return chosen


def _embed(embedder: LoadedEmbedder, corpus: Corpus, rows: pd.DataFrame) -> np.ndarray:
    ids = list(rows["image_id"])
    chunks = (ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK))
    return np.concatenate([embedder.embed([corpus.load(image_id) for image_id in chunk]) for chunk in chunks])


def _linear(x_train: np.ndarray, y_train: np.ndarray, x_val: np.ndarray, y_val: np.ndarray) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(probe, {"logisticregression__C": PENALTIES}, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the weakest penalty, which is not the one chosen
        search.fit(x_train, y_train)
    return 100 * float(search.score(x_val, y_val))


def _knn(x_train: np.ndarray, y_train: np.ndarray, x_val: np.ndarray, y_val: np.ndarray) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    knn = KNeighborsClassifier(min(NEIGHBORS, len(x_train)), metric="cosine", weights="distance")
    return 100 * float(knn.fit(x_train, y_train).score(x_val, y_val))

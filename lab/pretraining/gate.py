"""Quality gate: a trained encoder must encode more about content and transformations than the untrained network.

For transformations, a linear probe for the task `fine` is trained on a few photographs in the split ``train`` and
scored on photographs in ``val``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.sampling.samples import choose_images, cut_units, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadCorpus
from probing_core.images import Image
from probing_core.measures import Interval, interval
from probing_core.measures.classification import balanced_accuracy
from probing_core.models.embedder import LoadedEmbedder
from probing_core.probes.linear import fit
from probing_core.run.recipe import Recipe
from probing_core.transforms import bank

PHOTOGRAPHS = {"train": 240, "val": 150}
"""Maximum number of photographs per split. Every transformation is applied once to each photograph."""

CHOOSING = 4
"""Step between the photographs in ``train`` that select the penalty. The others are used for training."""

UNTRAINED = 3
"""Seeds of the untrained networks with which the encoder is compared."""


@dataclass(frozen=True)
class FineGate:
    """Balanced accuracy for the task `fine`.

    Attributes:
        trained: accuracy of the encoder with its 95% interval over photographs.
        untrained: accuracy of the network with random weights, for each seed.
        classes: number of transformations, including identity.
    """

    trained: Interval
    untrained: tuple[float, ...]
    classes: int

    @property
    def reference(self) -> float:
        return float(np.mean(self.untrained))

    @property
    def passed(self) -> bool:
        """Whether the interval is entirely above the mean accuracy of the untrained networks."""
        return self.trained.low > self.reference


class OneSplit(Corpus):
    """A corpus with only the rows of one split."""

    def __init__(self, corpus: Corpus, split: str) -> None:
        self.name, self.description, self._corpus = corpus.name, corpus.description, corpus
        self.rows = corpus.rows[corpus.rows["split"] == split].reset_index(drop=True)

    @property
    def fingerprint(self) -> str:
        return self._corpus.fingerprint

    def load(self, image_id: str) -> Image:
        return self._corpus.load(image_id)


def measure_fine(
    trained: Mapping[str, LoadedEmbedder], untrained: Sequence[LoadedEmbedder], corpus: Corpus
) -> dict[str, FineGate]:
    """Measure the transformation accuracy of each encoder in ``trained``. All encoders embed the same images.

    Args:
        trained: name -> encoder.
        untrained: networks with random weights, for several seeds.
        corpus: corpus with the splits ``train`` and ``val``.

    Raises:
        BadCorpus: a split has no usable photographs.
    """
    embedders = {**trained, **{f"untrained {number}": embedder for number, embedder in enumerate(untrained)}}
    X_train, train = _embed_changed(embedders, corpus, "train")
    X_val, val = _embed_changed(embedders, corpus, "val")
    scores = {name: _score(X_train[name], train, X_val[name], val) for name in embedders}
    random = tuple(scores[f"untrained {number}"].value for number in range(len(untrained)))
    classes = train["transform"].nunique()
    return {name: FineGate(scores[name], random, classes) for name in trained}


def _embed_changed(
    embedders: Mapping[str, LoadedEmbedder], corpus: Corpus, split: str
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    recipe = Recipe(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        transforms=tuple(transform.name for transform in bank()),
        models=("baseline/pixels",),
        limit=PHOTOGRAPHS[split],
    )
    photographs = OneSplit(corpus, split)
    if photographs.rows.empty:
        raise BadCorpus(f"The gate needs pictures of the splits train and val; '{corpus.name}' has none of '{split}'.")
    planned = plan_samples(recipe.design, choose_images(recipe.design, photographs, lambda completed, total: None))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in embedders}
    with ThreadPoolExecutor(recipe.threads) as pool:
        for unit in cut_units(recipe.design, planned):
            rows = planned.iloc[unit.start : unit.stop]
            pictures, _ = make_samples(MAIN, recipe.design, photographs, rows, pool)
            for name, embedder in embedders.items():
                parts[name].append(embedder.embed(pictures))
    return {name: np.concatenate(part) for name, part in parts.items()}, planned


def _score(X_train: np.ndarray, train: pd.DataFrame, X_val: np.ndarray, val: pd.DataFrame) -> Interval:
    classes = tuple(train["transform"].unique())
    y_train, y_val = (_numbers(rows["transform"], classes) for rows in (train, val))
    choosing = np.unique(train["base_id"], return_inverse=True)[1] % CHOOSING == 0
    held_out = X_train[choosing], y_train[choosing]
    probe = fit(X_train[~choosing], y_train[~choosing], classes=classes, validation=held_out)
    predicted = probe.logits(X_val).argmax(axis=1)
    return interval(balanced_accuracy(y_val, predicted, val["base_id"].to_numpy()), low=0.0, high=1.0)


def _numbers(names: pd.Series, classes: Sequence[str]) -> np.ndarray:
    return names.map({name: number for number, name in enumerate(classes)}).to_numpy(np.int64)


PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Candidate inverse penalties of the linear probe. One is selected by cross-validation on the split ``train``."""

NEIGHBORS = 20
CHUNK = 256


@dataclass(frozen=True)
class Gate:
    """Content accuracy of an encoder and the untrained network in percent, and accuracy for the task `fine`.

    Attributes:
        linear, linear_untrained: accuracy of a linear probe on standardized embeddings.
        knn, knn_untrained: accuracy of 20 nearest neighbors by cosine.
        needed: percentage points by which ``linear`` must exceed ``linear_untrained``.
        train, val: numbers of images.
        classes: number of labels, all of which occur in the pretraining data.
        fine: accuracy for the task `fine`.
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
    """Return the rows of ``split`` whose label occurs in the split ``pretrain``."""
    rows = corpus.rows
    known_labels = rows.loc[rows["split"] == "pretrain", "label"].unique()
    chosen = rows[(rows["split"] == split) & rows["label"].isin(known_labels)]
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

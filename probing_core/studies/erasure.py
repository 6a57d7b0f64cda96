"""tables/erasure.parquet: what is left of transformation and content when the transformation is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from probing_core.measures.erasure import fit_eraser
from probing_core.measures.statistics import balanced_accuracy
from probing_core.probes import knn
from probing_core.probes.base import FitFacts, Probe
from probing_core.studies.subject import Part, Subject, fit_probe, joined, measured, too_few
from probing_core.tasks import content_labels

Change = Callable[[np.ndarray], np.ndarray]

NEIGHBORS = "knn"


def erasure_table(subject: Subject) -> pd.DataFrame:
    """Accuracies before and after the linear subspace of the transformations is erased.

    ``random`` erases as many directions, chosen for labels in random order: what is lost by the loss of dimensions.
    Nearest neighbors tell what is left beyond the reach of a linear probe. The content is learned from untouched
    images and told on untouched images.
    """
    learned = subject.learned
    shuffled = np.random.default_rng(0).permutation(learned.y)
    changes: dict[str, Change] = {
        "nothing": lambda X: X,
        "transformation": fit_eraser(learned.X, learned.y),
        "random": fit_eraser(learned.X, shuffled),
    }
    table = []
    for erased, change in changes.items():
        for task, kind, part, truth, predicted, classes, facts in _told(subject, change, erased == "nothing"):
            found = measured("balanced-accuracy", balanced_accuracy(truth, predicted, part.bases))
            note = subject.note(facts) if kind == "linear" and task == "fine" else ""
            table.append(
                {"model": subject.model, "task": task, "probe": kind, "erased": erased}
                | found
                | {"images": part.images, "chance": 1 / classes, "note": joined(too_few(found["bases"]), note)}
            )
    return pd.DataFrame(table)


def _told(
    subject: Subject, change: Change, unchanged: bool
) -> Iterator[tuple[str, str, Part, np.ndarray, np.ndarray, int, FitFacts]]:
    """(task, probe, tested part, truth, predicted, classes, facts) of every probe."""
    learned, validated, tested = subject.learned, subject.validated, subject.tested
    X, Xv, Xt = (change(part.X) for part in (learned, validated, tested))
    probe: Probe = subject.fine if unchanged else fit_probe(X, learned.y, Xv, validated.y, subject.classes)
    yield "fine", "linear", tested, tested.y, probe.probabilities(Xt).argmax(1), len(subject.classes), probe.facts
    near = knn.fit(X, learned.y, classes=subject.classes, validation=(Xv, validated.y))
    yield "fine", NEIGHBORS, tested, tested.y, near.probabilities(Xt).argmax(1), len(subject.classes), near.facts
    labels = content_labels(subject.images)
    if not labels:
        return
    place = {label: i for i, label in enumerate(labels)}
    clean = subject.clean.where(subject.clean.rows["label"].isin(labels))
    truth = clean.rows["label"].map(place).to_numpy(np.int64)
    split, Z = clean.rows["split"].to_numpy(), change(clean.X)
    train, val, test = (split == name for name in ("train", "val", "test"))
    content = fit_probe(Z[train], truth[train], Z[val], truth[val], labels)
    part = clean.where(test)
    yield "content", "linear", part, truth[test], content.probabilities(Z[test]).argmax(1), len(labels), content.facts

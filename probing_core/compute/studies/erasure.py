"""tables/erasure.parquet: what is left of transformation and content when the transformation is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, note_of_fits, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, fit_probe, measured
from probing_core.compute.tasks import CONTENT, codes, content_labels
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.cluster_sums import ClusterSums, average
from probing_core.measures.leace import fit_eraser
from probing_core.probes import knn
from probing_core.probes.base import FitFacts, Probe

Change = Callable[[np.ndarray], np.ndarray]

NEIGHBORS = "knn"

SEEDS = (0, 1, 2)
"""Of the random subspaces that are erased in turn; their accuracies are averaged."""


@dataclass(frozen=True)
class ProbeResult:
    """How one probe did on the tested images.

    Attributes:
        task, probe: which; the latter is "linear" or "knn".
        right: balanced accuracy.
        images: how many were tested.
        classes: of the task.
        facts: of the fit.
    """

    task: str
    probe: str
    right: ClusterSums
    images: int
    classes: int
    facts: FitFacts


def erasure_table(data: ModelData) -> pd.DataFrame:
    """Compute accuracies before and after the linear subspace of the transformations is erased.

    ``random`` erases as many directions, chosen for labels in random order: what is lost by the loss of dimensions,
    in the mean over `SEEDS`. Nearest neighbors show what is left beyond the reach of a linear probe. The
    content is learned from untouched images and tested on untouched images.
    """
    learned = data.learned
    orders = [np.random.default_rng(seed).permutation(learned.y) for seed in SEEDS]
    changes: dict[str, Sequence[Change]] = {
        "nothing": [lambda X: X],
        "transformation": [fit_eraser(learned.X, learned.y)],
        "random": [fit_eraser(learned.X, order) for order in orders],
    }
    table = []
    for erased, draws in changes.items():
        for same in zip(*(_results(data, change, erased == "nothing") for change in draws), strict=True):
            result, facts = same[0], [one.facts for one in same]
            found = measured("balanced-accuracy", average([one.right for one in same]))
            note = joined(
                too_few(found["bases"]),
                data.note(*facts) if result.task == "fine" else note_of_fits(facts),
                f"mean of {len(same)} random subspaces" if len(same) > 1 else "",
            )
            table.append(
                {"model": data.model, "task": result.task, "probe": result.probe, "erased": erased}
                | found
                | {"images": result.images, "chance": 1 / result.classes, "note": note}
            )
    return pd.DataFrame(table)


def _results(data: ModelData, change: Change, unchanged: bool) -> Iterator[ProbeResult]:
    learned, validated, tested = data.learned, data.validated, data.tested
    classes = len(data.classes)
    X, Xv, Xt = (change(rows.X) for rows in (learned, validated, tested))
    linear: Probe = data.fine if unchanged else fit_probe(X, learned.y, Xv, validated.y, data.classes)
    near = knn.fit(X, learned.y, classes=data.classes, validation=(Xv, validated.y))
    for kind, probe in (("linear", linear), (NEIGHBORS, near)):
        right = balanced_accuracy(tested.y, probe.probabilities(Xt).argmax(1), tested.bases)
        yield ProbeResult("fine", kind, right, tested.images, classes, probe.facts)
    labels = content_labels(data.images)
    if not labels:
        return
    clean = data.clean.where(data.clean.rows["label"].isin(labels))
    truth = codes(clean.rows["label"], labels)
    split, Z = clean.rows["split"].to_numpy(), change(clean.X)
    train, val, test = (split == name for name in ("train", "val", "test"))
    content = fit_probe(Z[train], truth[train], Z[val], truth[val], labels)
    clean = clean.where(test)
    right = balanced_accuracy(truth[test], content.probabilities(Z[test]).argmax(1), clean.bases)
    yield ProbeResult(CONTENT, "linear", right, clean.images, len(labels), content.facts)


STUDY = Study(name="erasure", make=erasure_table)

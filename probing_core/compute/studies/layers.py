"""tables/layers.parquet: where in a network the transformation is known, where the content, and how much of a block's
variance is content and how much look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, note_of_fits, too_few
from probing_core.compute.names import LAYERS, VARIANCE
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, SeriesData, fit_probe, measured, predict
from probing_core.compute.studies.neighborhood import crossed_rows
from probing_core.compute.studies.variance import part_rows
from probing_core.compute.tasks import CONTENT, codes, content_labels
from probing_core.measures.classification import balanced_accuracy


def layers_table(series: SeriesData) -> pd.DataFrame:
    """Compute accuracy at the fine and the content task of every block, pooled in every way that the network allows,
    and the parts of its variance over the test images: tasks ``variance-content``, ``variance-look`` and so on.

    ``chosen`` is the block and pooling with the lowest loss on the val split, by task: the score of the best layer is
    its own, never the highest of the test split.
    """
    data, rows = series.main, series.rows
    tasks = _tasks(data, rows)
    tested = np.flatnonzero(rows["split"] == "test")
    _, crossed = crossed_rows(rows.iloc[tested], data.classes)
    bases, split = rows["base_id"].to_numpy(), rows["split"].to_numpy()
    table = []
    for block, embeddings in series.blocks.items():
        X = embeddings[:]
        layer, pooling = block.split(".")
        for task, (truth, classes) in tasks.items():
            train, val, test = ((truth >= 0) & (split == name) for name in ("train", "val", "test"))
            probe = fit_probe(X[train], truth[train], X[val], truth[val], classes)
            found = measured("balanced-accuracy", balanced_accuracy(truth[test], predict(probe, X[test]), bases[test]))
            table.append(
                {"model": data.model, "layer": int(layer), "pooling": pooling, "task": task}
                | found
                | {
                    "images": int(rows.loc[test, "image_id"].nunique()),
                    "chance": 1 / len(classes),
                    "validation_loss": probe.facts.validation_loss,
                    "note": joined(
                        too_few(found["bases"]),
                        f"learned from {rows.loc[train, 'image_id'].nunique()} images",
                        note_of_fits((probe.facts,)),
                    ),
                }
            )
        parts = part_rows(X[tested[crossed].ravel()].reshape(*crossed.shape, -1))
        about = {"model": data.model, "layer": int(layer), "pooling": pooling, "chance": np.nan}
        table += [about | {"task": f"{VARIANCE}{part}"} | row for part, row in parts]
    made = pd.DataFrame(table)
    best = made["validation_loss"] == made.groupby("task")["validation_loss"].transform("min")  # NaN is none
    made.insert(list(made).index("note"), "chosen", best)
    return made


def _tasks(data: ModelData, rows: pd.DataFrame) -> dict[str, tuple[np.ndarray, Sequence[str]]]:
    """Return task -> class of each row, -1 where the task leaves it out, and the classes."""
    versions = rows.groupby("image_id")["transform"].transform("size")
    # Images that are there for their content alone have one version; classes are paired.
    fine = np.where(versions > 1, codes(rows["transform"], data.classes), -1)
    tasks: dict[str, tuple[np.ndarray, Sequence[str]]] = {"fine": (fine, data.classes)}
    # Labels of which enough was drawn: of a large corpus, not all its images are here.
    if labels := content_labels(data.images[data.images["image_id"].isin(rows["image_id"])]):
        tasks[CONTENT] = (np.where(rows["transform"] == "identity", codes(rows["label"], labels), -1), labels)
    return tasks


STUDY = Study(name="layers", make=layers_table, series=LAYERS, revision=1)

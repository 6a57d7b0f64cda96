"""Compute the tables of the studies that `probing_core.run.studies` lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.score_rows import joined, measured, note_of_fits, too_few
from probing_core.compute.sampling.probe_tasks import CONTENT, codes, content_labels
from probing_core.compute.studies.study_data import (
    FIT_IMAGES,
    RAW,
    Retrieved,
    SeriesData,
    StudiedModel,
    crossed_rows,
    fit_probe,
    predict,
)
from probing_core.compute.task_names import ALL, VARIANCE
from probing_core.measures import interval
from probing_core.measures.classification import balanced_accuracy, control_labels
from probing_core.measures.embedding_space import MIN_VARIANCE_PHOTOGRAPHS, shift, variance_parts
from probing_core.measures.neighbors import NEAREST, UNRELATED, content_accuracy, directions, same_look
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_BOOTSTRAP, ClusterSums, difference, mean

TYPES_PER_CLASS = 8
"""Maximum average number of clusters per class of the control task."""

MIN_PER_TYPE = 8
"""Minimum average number of training samples per cluster, unless there are as few clusters as classes."""


def selectivity_table(data: StudiedModel) -> pd.DataFrame:
    """Compute the selectivity of a probe: accuracy on the fine task minus accuracy on a control task.

    In the control task (Hewitt & Liang 2019), each k-means cluster of the training embeddings is assigned a random
    class. The number of classes is the same as in the fine task.
    """
    learned, validated, tested = data.of_fine_task("train", FIT_IMAGES), *map(data.of_fine_task, ("val", "test"))
    fine = fit_probe(learned.X, learned.y, validated.X, validated.y, data.classes)
    k = len(data.classes)
    types = max(k, min(TYPES_PER_CLASS * k, len(learned.X) // MIN_PER_TYPE))
    assigned = clusters([learned.X, validated.X, tested.X], types, data.seed)
    labels = control_labels(np.concatenate(assigned), k, data.seed)
    y, yv, yt = np.split(labels, np.cumsum([len(clusters_of) for clusters_of in assigned])[:-1])
    control = fit_probe(learned.X, y, validated.X, yv, data.classes)
    task_sums = balanced_accuracy(tested.y, predict(fine, tested.X), tested.bases)
    control_sums = balanced_accuracy(yt, predict(control, tested.X), tested.bases)
    columns = measured("selectivity", difference(task_sums, control_sums))
    available = (data.images["used"] & (data.images["split"] == "train")).sum()
    note = "" if available == learned.images else f"trained on {learned.images} of {available} images"
    row = {
        "model": data.model,
        **columns,
        "accuracy": task_sums.value,
        "control": control_sums.value,
        "types": types,
        "images": tested.images,
        "note": joined(too_few(columns["bases"]), note, note_of_fits((fine.facts, control.facts))),
    }
    return pd.DataFrame([row])


def clusters(matrices: list[np.ndarray], count: int, seed: int) -> list[np.ndarray]:
    """Fit k-means to the standardized first matrix, and return the cluster of every row of each matrix."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    mean, spread = matrices[0].mean(0), np.maximum(matrices[0].std(0), 1e-12)
    scaled = [((X - mean) / spread).astype(np.float32) for X in matrices]
    with threadpool_limits(1):  # with several threads, the order of summation is not deterministic
        model = KMeans(count, n_init=1, max_iter=20, random_state=seed).fit(scaled[0])
        return [model.predict(X) for X in scaled]


def geometry_table(data: StudiedModel) -> pd.DataFrame:
    """Compute the mean embedding shift of the test images for each transformation.

    For identity, this is the shift between its two draws, which is caused by the sub-pixel warp of every view.
    """
    test = data.of_split("test")
    clean = test.of("identity")
    table = []
    for transform in data.classes:
        moved = test.of(transform, draw=1 if transform == "identity" else 0)
        columns = measured("shift", mean(shift(clean.X, moved.X), clean.bases))
        note = "between its two draws: effect of the sub-pixel warp" if transform == "identity" else ""
        note = joined(note, "undefined: all clean embeddings are equal" if np.isnan(columns["value"]) else "")
        about = {"model": data.model, "transform": transform}
        table.append(about | columns | {"images": clean.images, "note": joined(too_few(columns["bases"]), note)})
    return pd.DataFrame(table)


def variance_table(data: StudiedModel) -> pd.DataFrame:
    columns = ["model", "part", "value", "low", "high", "interval", "bases", "images", "repetitions", "note"]
    rows = [
        {"model": data.model, "part": part, "repetitions": data.crossed.X.shape[2]} | row
        for part, row in part_rows(data.crossed.X)
    ]
    return pd.DataFrame(rows, columns=columns)


def part_rows(X: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
    """Decompose the variance of ``X`` (P, T, R, D).

    Returns:
        Name and table row of each variance component, or an empty list if there are fewer than
        `MIN_VARIANCE_PHOTOGRAPHS` photographs.
    """
    photographs, repetitions = X.shape[0], X.shape[2]
    if photographs < MIN_VARIANCE_PHOTOGRAPHS:
        return []
    note = "" if repetitions > 1 else "one repetition: the rest includes the interaction of content and appearance"
    parts = variance_parts(X)
    undefined = any(np.isnan(share.value) for share in parts.values())
    note = joined(too_few(photographs), note, "undefined: the embeddings do not vary" if undefined else "")
    return [(part, share.columns | {"images": photographs, "note": note}) for part, share in parts.items()]


def layers_table(series: SeriesData) -> pd.DataFrame:
    """Compute the accuracy on the fine and content tasks, and fractions of variance, for every layer and pooling.

    Fractions of variance over the test images are rows with tasks such as ``variance-content``. ``chosen`` marks the
    layer and pooling with the lowest loss on the val split for each task. ``difference`` is the accuracy minus the
    accuracy of the last layer with the same pooling, with the 95% confidence interval ``difference_low`` to
    ``difference_high``, paired by photograph.
    """
    data, rows = series.main, series.rows
    tasks = _tasks(data, rows)
    tested = np.flatnonzero(rows["split"] == "test")
    _, crossed = crossed_rows(rows.iloc[tested], data.classes)
    bases, split = rows["base_id"].to_numpy(), rows["split"].to_numpy()
    table, accuracies = [], dict[tuple[str, str, int], ClusterSums]()
    for block, embeddings in series.blocks.items():
        X = embeddings[:]
        layer, pooling = block.split(".")
        for task, (truth, classes) in tasks.items():
            train, val, test = ((truth >= 0) & (split == name) for name in ("train", "val", "test"))
            probe = fit_probe(X[train], truth[train], X[val], truth[val], classes)
            sums = balanced_accuracy(truth[test], predict(probe, X[test]), bases[test])
            accuracies[pooling, task, int(layer)] = sums
            columns = measured("balanced-accuracy", sums)
            table.append(
                {"model": data.model, "layer": int(layer), "pooling": pooling, "task": task}
                | columns
                | {
                    "images": int(rows.loc[test, "image_id"].nunique()),
                    "chance": 1 / len(classes),
                    "validation_loss": probe.facts.validation_loss,
                    "note": joined(
                        too_few(columns["bases"]),
                        f"trained on {rows.loc[train, 'image_id'].nunique()} images",
                        note_of_fits((probe.facts,)),
                    ),
                }
            )
        parts = part_rows(X[tested[crossed].ravel()].reshape(*crossed.shape, -1))
        about = {"model": data.model, "layer": int(layer), "pooling": pooling, "chance": np.nan}
        table += [about | {"task": f"{VARIANCE}{part}"} | row for part, row in parts]
    layers = pd.DataFrame(table)
    best = layers["validation_loss"] == layers.groupby("task")["validation_loss"].transform(
        "min"
    )  # NaN is never the minimum
    layers.insert(list(layers).index("note"), "chosen", best)
    gaps = [
        _minus_last(accuracies, *key) for key in zip(layers["pooling"], layers["task"], layers["layer"], strict=True)
    ]
    at = list(layers).index("interval")
    for place, (name, values) in enumerate(zip(DIFFERENCES, zip(*gaps, strict=True), strict=True)):
        layers.insert(at + place, name, values)
    return layers


DIFFERENCES = ("difference", "difference_low", "difference_high")
"""Columns of the layer table for the difference from the last layer and its confidence interval."""


def _minus_last(
    accuracies: Mapping[tuple[str, str, int], ClusterSums], pooling: str, task: str, layer: int
) -> tuple[float, float, float]:
    """Subtract the accuracy of the last layer from the accuracy of a layer.

    Returns:
        The difference and the bounds of its confidence interval, or NaN for rows that are not accuracies.
    """
    if (pooling, task, layer) not in accuracies:
        return np.nan, np.nan, np.nan
    last = max(block for pooled, of, block in accuracies if (pooled, of) == (pooling, task))
    if layer == last:
        return 0.0, 0.0, 0.0
    gap = interval(difference(accuracies[pooling, task, layer], accuracies[pooling, task, last]), low=-1, high=1)
    return gap.value, gap.low, gap.high


def _tasks(data: StudiedModel, rows: pd.DataFrame) -> dict[str, tuple[np.ndarray, Sequence[str]]]:
    versions = rows.groupby("image_id")["transform"].transform("size")
    # Images with a single version are only used for the content task, because classes of the fine task are paired.
    fine = np.where(versions > 1, codes(rows["transform"], data.classes), -1)
    tasks: dict[str, tuple[np.ndarray, Sequence[str]]] = {"fine": (fine, data.classes)}
    # Only labels with enough images in this experiment, which may not include all images of the corpus.
    if labels := content_labels(data.images[data.images["image_id"].isin(rows["image_id"])]):
        tasks[CONTENT] = (np.where(rows["transform"] == "identity", codes(rows["label"], labels), -1), labels)
    return tasks


KS = (1, 10)
"""Numbers of nearest images for which recall is computed (recall at k)."""


def retrieval_table(series: SeriesData) -> pd.DataFrame:
    """Compute the retrieval recall for each transformation and strength.

    The table has rows for the main samples, in which ``strength`` is NaN, and for each strength in the strength
    experiment. The recall for identity is computed with its second draw. It measures the effect of the sub-pixel warp
    and is an upper bound for all other transformations.
    """
    data, retrieved, swept = series.main, series.main.retrieved, series.main.retrieve(series.rows, series.X)
    table, transforms = [], retrieved.rows["transform"].to_numpy()
    for transform in (*data.classes, ALL):
        chosen = np.flatnonzero(transforms != "identity" if transform == ALL else transforms == transform)
        note = "second draw of the clean sample: upper bound" if transform == "identity" else ""
        table += _recall_rows(
            retrieved, chosen, {"model": data.model, "transform": transform, "strength": np.nan}, note
        )
    at: dict[Any, Any] = swept.rows.reset_index(drop=True).groupby(["transform", "strength"], sort=False).indices
    for (transform, strength), chosen in at.items():
        table += _recall_rows(swept, chosen, {"model": data.model, "transform": transform, "strength": strength})
    return pd.DataFrame(table)


def _recall_rows(
    retrieved: Retrieved, chosen: np.ndarray, about: dict[str, Any], note: str = ""
) -> list[dict[str, Any]]:
    rows, ahead, table = retrieved.rows.iloc[chosen], retrieved.ahead[chosen], []
    for k in KS:
        recall = measured("original-found", mean(ahead < k, rows["base_id"].to_numpy()))
        table.append(
            about
            | {"k": k, "gallery": retrieved.gallery}
            | recall
            | {
                "images": rows["image_id"].nunique(),
                "chance": min(k / retrieved.gallery, 1.0),
                "note": joined(note, too_few(recall["bases"])),
            }
        )
    return table


def duplicates_table(series: SeriesData) -> pd.DataFrame:
    """Compute the recall of copies at each false-positive rate, for each transformation and for all edited copies.

    Copies in the framing experiment have their own rows. They are not included in the rows for all edited copies, which
    can be compared between runs with and without this experiment. Intervals do not include the uncertainty of the
    estimated threshold.
    """
    data, table = series.main, []
    for kind, copies in data.copies.items():
        sampled = f"pairs of {copies.chosen} of {copies.images} images" if copies.chosen < copies.images else ""
        by_edit = _cosines_by_edit(series, kind)
        for share, threshold in copies.thresholds.items():
            about = {
                "model": data.model,
                "cosine": kind,
                "unrelated": share,
                "threshold": threshold.value,
                "threshold_low": threshold.low,
                "threshold_high": threshold.high,
                "pairs": copies.pairs,
            }
            few_clusters = too_few(threshold.clusters, MIN_CLUSTERS_FOR_BOOTSTRAP)
            for edit, (rows, cosines) in by_edit.items():
                recall = measured("copies-kept", mean(cosines > threshold.value, rows["base_id"].to_numpy()))
                ceiling = "second draw of the clean sample: upper bound" if edit == "identity" else ""
                note = joined(ceiling, few_clusters or too_few(recall["bases"]), sampled)
                images = {"images": rows["image_id"].nunique(), "note": note}
                table.append(about | {"transform": edit} | recall | images)
    return pd.DataFrame(table, columns=DUPLICATE_COLUMNS)


def _cosines_by_edit(series: SeriesData, kind: str) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Return the sample rows of the copies with each edit, and their similarities to their originals."""
    data, copies = series.main, series.main.copies[kind]

    def parts(rows: pd.DataFrame, cosines: np.ndarray) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
        of_edits = rows.reset_index(drop=True).groupby("transform", sort=False)
        return {str(edit): (of_edit, cosines[of_edit.index]) for edit, of_edit in of_edits}

    edited = np.flatnonzero(copies.rows["transform"] != "identity")
    return {
        **parts(copies.rows, copies.cosines),
        ALL: (copies.rows.iloc[edited], copies.cosines[edited]),
        **parts(series.rows, data.original_cosines(kind, series.rows, series.X)),
    }


DUPLICATE_COLUMNS = [
    *("model", "cosine", "unrelated", "threshold", "threshold_low", "threshold_high", "pairs"),
    *("transform", "value", "low", "high", "interval", "bases", "images", "note"),
]


ORIGINAL = "original"
"""Task name for retrieving the original of a copy."""

DUPLICATES = "duplicates"
"""Task name for distinguishing copies from unrelated images."""

BY_CONTENT = "content"
"""Task name for retrieving images with the same content."""

ALTERED = "altered"
"""Task name for retrieving images with the same transformation."""


def uses_table(data: StudiedModel) -> pd.DataFrame:
    """Compute the mean score of each photograph for several tasks.

    - ``original``: fraction of transformed versions whose nearest clean image is their original.
    - ``duplicates``: fraction of transformed copies whose similarity to their original exceeds the threshold at a
      false-positive rate of 0.1%.
    - ``content``: fraction of versions whose label is predicted correctly from neighbors under random transformations.
    - ``altered``: fraction of the nearest images of other photographs that have the same transformation.
    """
    originals = _by_photograph(ORIGINAL, data.retrieved.rows, data.retrieved.ahead < 1)
    parts = [originals, _copies(data), _content(data), _same_transformation(data)]
    return pd.concat(parts, ignore_index=True).assign(model=data.model)[USE_COLUMNS]


def _by_photograph(use: str, rows: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    values = rows[["base_id", "transform"]].assign(value=scores)
    transformed = values[values["transform"] != "identity"]
    return transformed.groupby("base_id")["value"].mean().reset_index().assign(use=use)


def _copies(data: StudiedModel) -> pd.DataFrame:
    copies = data.copies[RAW]
    if UNRELATED not in copies.thresholds:
        return pd.DataFrame(columns=USE_COLUMNS)
    return _by_photograph(DUPLICATES, copies.rows, copies.cosines > copies.thresholds[UNRELATED].value)


def _content(data: StudiedModel) -> pd.DataFrame:
    """Classify test photographs by their nearest neighbors among train photographs under random transformations.

    If every class has at least `NEAREST` train photographs, `NEAREST` neighbors vote. Otherwise, only the nearest
    neighbor is used (as in Ramos et al.).
    """
    labels = content_labels(data.images)
    if not labels:
        return pd.DataFrame(columns=USE_COLUMNS)
    tested, learned = data.crossed, data.crossed_train
    truth, gallery_truth = (codes(part.images["label"], labels) for part in (tested, learned))
    queries, gallery = truth >= 0, gallery_truth >= 0
    fewest = np.bincount(gallery_truth[gallery], minlength=len(labels)).min()
    k = NEAREST if fewest >= NEAREST else 1
    X, Y = (directions(part.X[mask, :, 0]) for part, mask in ((tested, queries), (learned, gallery)))
    hits = content_accuracy(X, Y, truth[queries], gallery_truth[gallery], k, data.seed)
    return pd.DataFrame({"base_id": tested.bases[queries], "value": hits, "use": BY_CONTENT})


def _same_transformation(data: StudiedModel) -> pd.DataFrame:
    photographs, looks = data.crossed.X.shape[:2]
    X = directions(data.crossed.X[:, :, 0].reshape(photographs * looks, -1))
    photograph, look = np.arange(photographs).repeat(looks), np.tile(np.arange(looks), photographs)
    matches = same_look(X, look, photograph, NEAREST, data.seed).reshape(photographs, looks)[:, 1:]  # exclude identity
    return pd.DataFrame({"base_id": data.crossed.bases, "value": matches.mean(1) / NEAREST, "use": ALTERED})


USE_COLUMNS = ["model", "use", "base_id", "value"]

"""Select scores of a run for charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from probing_core.compute.sampling.probe_tasks import MIN_TO_LEARN, MIN_TO_TEST, content_labels, labelled
from probing_core.compute.task_names import LAYERS
from probing_core.results.run_tables import RunTables
from probing_core.run import layout

VALUE_COLUMNS = ["value", "low", "high"]


def pick(scores: pd.DataFrame, **filters: str | int | Sequence[str]) -> pd.DataFrame:
    """Return the rows in which each column in ``filters`` has the given value or one of the given values.

    An empty table is returned unchanged.
    """
    for column, values in filters.items():
        if not scores.empty:
            scores = scores[scores[column].isin([values] if isinstance(values, str | int) else values)]
    return scores


def recalls(scores: pd.DataFrame, of: Literal["transform", "group"]) -> pd.DataFrame:
    """Return the recall of each transformation or group in the fine task, with its name in the column ``of``."""
    rows = pick(scores, task="fine", measure="recall")
    if rows.empty:
        return rows
    rows = rows[rows["subset"].str.startswith(f"{of}:")]
    return rows.assign(**{of: rows["subset"].str.removeprefix(f"{of}:")})


def members(run: RunTables, model: str) -> pd.DataFrame:
    """Return the recall of each transformation in every fold (``rotation``) of the group task.

    ``unseen`` is True in the fold in which the transformation was held out. Transformations that were never held out
    are omitted. Rows are sorted by group, as in `RunTables.transforms`.
    """
    from probing_core.transforms import bank

    rows = pick(run.scores, task=[t for t in run.tasks if t.startswith("group-")], measure="recall", model=model)
    if rows.empty:
        return rows
    rows = rows[rows["subset"].str.startswith("transform:")]
    rows = rows.assign(
        rotation=rows["task"].str.removeprefix("group-").astype(int),
        transform=rows["subset"].str.removeprefix("transform:"),
    )
    unseen_in = {t.name: t.unseen_in for t in bank()}
    rows = rows.assign(unseen=rows["transform"].map(unseen_in) == rows["rotation"])
    rows = rows[rows.groupby("transform")["unseen"].transform("any")]
    return run.transforms.merge(rows, on="transform")


def gaps(points: pd.DataFrame) -> pd.DataFrame:
    """Compare the seen and unseen recall of each transformation.

    Args:
        points: result of `members`.

    Returns:
        Table with the columns ``transform``, ``seen`` (mean over folds) and ``unseen``, sorted by ``unseen`` minus
        ``seen`` in ascending order.
    """
    seen = points[~points["unseen"]].groupby("transform", sort=False)["value"].mean()
    unseen = points[points["unseen"]].groupby("transform", sort=False)["value"].mean()
    table = pd.DataFrame({"seen": seen, "unseen": unseen}).rename_axis("transform").reset_index()
    order = (table["unseen"] - table["seen"]).sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def shifts(run: RunTables, model: str) -> pd.DataFrame:
    """Return the embedding shift (``value``) and the recall (``value_recall``) of each transformation for ``model``.

    The table is empty if shifts were not measured.
    """
    shift = pick(run.table(layout.table_path("geometry")), model=model)
    recall = recalls(pick(run.scores, model=model), "transform")
    if shift.empty or recall.empty:
        return shift[:0]
    points = shift.drop(columns="group", errors="ignore")
    points = points.merge(recall[["transform", "value"]], on="transform", suffixes=("", "_recall"))
    return points.merge(run.transforms, on="transform")


def substance(run: RunTables) -> pd.DataFrame:
    """Return the content accuracy on clean images and the transformation accuracy of each model.

    Returns:
        Table with the columns ``model``, ``content``, ``content_low``, ``content_high``, ``style``, ``style_low`` and
        ``style_high``. It is empty if there is no content task.
    """
    rows = pick(run.scores, subset="seen", measure="balanced-accuracy")
    content, style = pick(rows, task="content"), pick(rows, task="fine")
    if content.empty:
        return content
    merged = content[["model", *VALUE_COLUMNS]].merge(
        style[["model", *VALUE_COLUMNS]], on="model", suffixes=("_content", "_style")
    )
    names = {
        f"{c}_{task}": task if c == "value" else f"{task}_{c}" for task in ("content", "style") for c in VALUE_COLUMNS
    }
    return merged.rename(columns=names)


def content_classes(run: RunTables) -> str:
    """Describe the labels of the content task, and how many labels are omitted and why."""
    labels = content_labels(run.images)
    rows = labelled(run.images)
    restriction = " that no zoo encoder saw in pretraining" if rows["held_out"].any() else ""
    omitted = rows["label"].nunique() - len(labels)
    text = f"The content is one of {len(labels)} labels{restriction}"
    if omitted:
        text += (
            f". Labels with fewer than {MIN_TO_LEARN} training or {MIN_TO_TEST} test photographs are omitted "
            f"({omitted})"
        )
    return f"{text}."


def layers(run: RunTables) -> pd.DataFrame:
    """Return the scores of every layer on the tasks ``fine`` and ``content``.

    The columns are the columns of ``tables/layers.parquet`` and ``base``. ``base`` is the name of the model, followed
    by ``@pool=`` and the pooling if its layers were pooled in several ways. ``difference`` is the accuracy minus the
    accuracy of the last layer. ``chosen`` marks the layer with the lowest loss on validation photographs.
    """
    rows = pick(run.table(layout.table_path("layers")), task=("fine", "content"))
    if rows.empty:
        return rows
    several = rows.groupby("model")["pooling"].transform("nunique") > 1
    return rows.assign(base=rows["model"] + np.where(several, "@pool=" + rows["pooling"], ""))


def training_crops(run: RunTables) -> dict[str, int]:
    """Return the number of training crops for each task in `layers`. The result is empty if the run has no layers."""
    rows = run.table(layout.series_table(LAYERS))
    if rows.empty:
        return {}
    learned = rows[rows["split"] == "train"]
    versions = learned.groupby("image_id")["transform"].size()  # crops with one version are used only for content
    return {"fine": int((versions > 1).sum()), "content": len(versions)}

"""Retrieval results: recall of originals, recall of copies, and rankings of models by task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.task_names import ALL
from probing_core.measures.neighbors import SAME_COSINE, directions
from probing_core.measures.statistics import interval, mean, with_place
from probing_core.results.ranking import (
    AccuracySums,
    beside_best,
    has_place,
    in_order,
    is_baseline,
)
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import pick
from probing_core.run import layout


def ordered(run: RunTables, use: str, learned: bool = False) -> pd.DataFrame:
    """Rank the models by their score on a task in ``tables/uses.parquet``, best first.

    Models that differ only in their seed share a rank, as in `leaderboard`. Additional seeds are listed directly below
    their model and are not compared with other models.

    Args:
        use: name of the task.
        learned: whether to exclude baselines.

    Returns:
        Table with the columns ``model``, ``seed_of`` (the ranked model of an additional seed), ``value``, ``low`` and
        ``high`` (95% CI, only for the best model), ``p`` (comparison with the best model: paired sign flips by
        photograph, adjusted for all pairs, NaN if not tested) and ``apart`` (whether the difference is significant).
        The table is empty if the run has no scores for the task.
    """
    rows = pick(run.table(layout.table_path("uses")), use=use)
    if learned and not rows.empty:
        rows = rows[~is_baseline(rows["model"])]
    if rows.empty:
        return rows
    rows_by_model, sums = [], dict[str, AccuracySums]()
    for model, model_rows in rows.groupby("model", sort=False):
        base, bases = pd.factorize(model_rows["base_id"], sort=True)
        of_model = mean(model_rows["value"].to_numpy(float), base)
        sums[str(model)] = AccuracySums(np.asarray(bases, str), (of_model,))
        rows_by_model.append({"model": model, "value": of_model.value, "low": np.nan, "high": np.nan})
    board = in_order(pd.DataFrame(rows_by_model))
    around = interval(sums[board["model"].iloc[0]].sums, low=0.0, high=1.0)
    board.loc[0, ["low", "high"]] = around.low, around.high
    return beside_best(board, [sums[model] for model in board.loc[has_place(board), "model"]])


def originals(run: RunTables) -> pd.DataFrame:
    """Return the recall of originals, sorted by model (best first) and transformation (highest recall first).

    Clean samples (``identity``) are included as an upper bound. Rows that combine all transformations are excluded.
    """
    rows = run.table(layout.table_path("retrieval"))
    if rows.empty:
        return rows
    rows = rows[(rows["k"] == 1) & rows["strength"].isna() & (rows["transform"] != ALL)]
    by_transform = rows.groupby("transform")["value"].mean().to_dict() | {"identity": np.inf}
    by_model = rows[rows["transform"] != "identity"].groupby("model")["value"].mean()
    place = rows.assign(of_model=rows["model"].map(by_model), of_transform=rows["transform"].map(by_transform))
    return place.sort_values(["of_model", "of_transform", "model"], ascending=[False, False, True])


def recall_by_edit(run: RunTables, rate: float | None = None) -> pd.DataFrame:
    """Return the recall of originals, or of edited copies at a false-positive rate, by model and edit.

    Additional seeds and clean samples are excluded. `ALL` combines all edits.

    Args:
        rate: false-positive rate. If it is None, the recall of originals is returned.

    Returns:
        Table with the columns ``model``, ``transform``, ``value``, ``low``, ``high``, ``bases`` (number of photographs)
        and, for a false-positive rate, ``threshold`` (cosine similarity).
    """
    rows = run.table(layout.table_path("retrieval" if rate is None else "duplicates"))
    if rows.empty:
        return rows
    if rate is None:
        rows = rows[(rows["k"] == 1) & rows["strength"].isna()]
    else:
        rows = rows[(rows["cosine"] == "raw") & np.isclose(rows["unrelated"], rate)]
    rows = rows[(rows["transform"] != "identity") & rows["model"].isin(with_place(rows["model"]))]
    columns = ["model", "transform", "value", "low", "high", "bases"]
    return rows[columns if rate is None else [*columns, "threshold"]].reset_index(drop=True)


def recall_by_rate(run: RunTables, transform: str = ALL) -> pd.DataFrame:
    """Return the recall of copies with an edit, or of all edited copies, at each false-positive rate.

    Returns:
        Table with the columns ``model``, ``rate``, ``threshold``, ``value``, ``low`` and ``high``, sorted by model and
        rate.
    """
    columns = ["model", "rate", "threshold", "value", "low", "high"]
    rows = run.table(layout.table_path("duplicates"))
    if rows.empty:
        return pd.DataFrame(columns=columns)
    recalls = pick(rows, cosine="raw", transform=transform).rename(columns={"unrelated": "rate"})[columns]
    return recalls.sort_values(["model", "rate"], kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False)
class Near:
    """Nearest neighbors of an image in a gallery.

    Attributes:
        rows: (k,) positions in the gallery, nearest first. An original that was added has the last position.
        cosines: (k,) cosine similarities.
        original: position of the original in the gallery.
        cosine: cosine similarity to the original.
        place: rank of the original, starting at 1. Images with the same similarity rank above the original.
        size: number of images in the gallery, including an original that was added.
    """

    rows: np.ndarray
    cosines: np.ndarray
    original: int
    cosine: float
    place: int
    size: int

    @property
    def are_tied(self) -> bool:
        """Whether several neighbors have the same similarity."""
        return bool((-np.diff(self.cosines) <= SAME_COSINE).any())

    @property
    def in_words(self) -> str:
        return f"Rank of the original: {self.place:,} of {self.size:,}"


def search(gallery: LazyRows, query: np.ndarray, k: int, original: int | np.ndarray) -> Near:
    """Find the nearest neighbors of an image by cosine similarity, as in the retrieval tables.

    Args:
        gallery: (N, D) embeddings.
        query: (D,) embedding of the image.
        k: number of neighbors.
        original: position of the original in the gallery, or the embedding (D,) of an original to add to the gallery.
    """
    direction = directions(query[None])[0]
    cosines = np.concatenate([directions(block) @ direction for block in gallery.blocks()])
    if isinstance(original, np.ndarray):
        cosines, original = np.append(cosines, directions(original[None])[0] @ direction), len(cosines)
    order = np.argsort(-cosines, kind="stable")
    ahead = int((cosines >= cosines[original] - SAME_COSINE).sum()) - 1
    return Near(order[:k], cosines[order[:k]], original, float(cosines[original]), ahead + 1, len(cosines))


def clean_samples(run: RunTables) -> np.ndarray:
    """Return the positions of one clean sample per image of the run."""
    facts = run.sample_columns("transform", "draw", "repetition")
    return np.flatnonzero((facts["transform"] == "identity") & (facts["draw"] == 0) & (facts["repetition"] == 0))


def gallery(run: RunTables) -> np.ndarray:
    """Return the positions of the samples in the gallery of the retrieval tables.

    The gallery contains one clean sample per test image, or per image if the run has no splits.
    """
    clean = clean_samples(run)
    tested = (run.sample_columns("split")["split"].iloc[clean] == "test").to_numpy()
    return clean[tested] if tested.any() else clean

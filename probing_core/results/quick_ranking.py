"""Rank a model among the models of a run with the quick protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.errors import BadConfig
from probing_core.measures.notation import group_title, in_percent, in_points, interval_in_percent
from probing_core.measures.statistics import ClusterSums, interval, is_significant, mean_of_ratios
from probing_core.results.board_entry import BoardEntry
from probing_core.results.ranking import (
    ABOUT_SEEDS,
    AccuracySums,
    comparisons,
    differences_of,
    has_place,
    in_order,
    is_baseline,
)
from probing_core.results.titled_table import TitledTable

NAMED_GROUPS = 3
"""Maximum number of strongest groups and of weakest groups to list."""


def quick_accuracy(rows: pd.DataFrame) -> AccuracySums:
    """Compute the balanced accuracy of a model under the quick protocol.

    Args:
        rows: rows of the ``quick`` table for one model and one or more transformations.
    """
    correct, samples = (
        rows.pivot(index="base_id", columns="transform", values=column).fillna(0).sort_index()
        for column in ("correct", "samples")
    )
    sums = np.hstack([correct.to_numpy(np.float64), samples.to_numpy(np.float64)])
    return AccuracySums(np.asarray(correct.index, str), (ClusterSums(sums, mean_of_ratios),))


@dataclass(frozen=True, eq=False, repr=False)
class QuickRanking(TitledTable):
    """Rank of a model under the quick protocol, with a readable `repr`.

    Attributes:
        model: name of the model.
        board: one row per model, best first, with the columns ``model``, ``seed_of`` (as in `leaderboard`), ``value``
            (quick accuracy), ``low``, ``high``, ``difference`` (quick accuracy of ``model`` minus quick accuracy of the
            row), ``difference_low`` and ``difference_high`` (95% CI over photographs), and ``p`` (paired sign flips by
            photograph, adjusted for all comparisons). The columns of the comparison are NaN in the row of ``model``.
        groups: table with the columns ``group``, ``recall`` of the model, ``others`` (mean recall of the other
            encoders) and ``difference``, sorted by difference in descending order.
        photographs: number of test photographs.
        samples: number of samples that were embedded.
        full_samples: number of samples that ``--full`` embeds.
        entry: the result without its author, for `save`.
    """

    model: str
    board: pd.DataFrame
    groups: pd.DataFrame
    photographs: int
    samples: int
    full_samples: int
    entry: BoardEntry | None = None

    def save(self, path: Path | str, computed_by: str, name: str = "") -> None:
        """Write a result file for the board (see ``probing board``).

        Args:
            path: path of the file (``.json``).
            computed_by: your name or group, which the board shows.
            name: name of the model on the board, by default `model`.

        Raises:
            BadConfig: an argument contains characters that are not allowed on the board.
        """
        if self.entry is None:
            raise BadConfig("This ranking cannot be saved.", hint="Save a ranking that `rank` returned.")
        today = datetime.now(UTC).date().isoformat()
        model = name or self.entry.model
        replace(self.entry, model=model, computed_by=computed_by, date=today).write(Path(path))

    @property
    def places(self) -> tuple[int, int]:
        """Rank interval: the best and the worst rank of the model.

        The model ranks below all significantly better models and above all significantly worse models.
        """
        other_rows = self._other_rows[has_place(self._other_rows)]
        sure = is_significant(other_rows["p"])
        better, worse = (
            int((sure & side).sum()) for side in (other_rows["difference"] < 0, other_rows["difference"] > 0)
        )
        return 1 + better, 1 + len(other_rows) - worse

    @property
    def quick_accuracy(self) -> float:
        return float(self._own_row["value"])

    @property
    def row(self) -> dict[str, Any]:
        """The result as a JSON-serializable dictionary."""
        first, last = self.places
        other_rows = self._other_rows.astype(object).where(self._other_rows.notna(), None)
        return {
            "model": self.model,
            "protocol": "quick",
            "place_low": first,
            "place_high": last,
            "models": int(has_place(self.board).sum()),
            "quick_accuracy": self.quick_accuracy,
            "low": float(self._own_row["low"]),
            "high": float(self._own_row["high"]),
            "photographs": self.photographs,
            "groups": self.groups.to_dict("records"),
            "others": other_rows.to_dict("records"),
        }

    @cached_property
    def _own_row(self) -> pd.Series:
        return self.board[self.board["model"] == self.model].iloc[0]

    @cached_property
    def _other_rows(self) -> pd.DataFrame:
        return self.board[self.board["model"] != self.model]

    @property
    def _title(self) -> str:
        first, last = self.places
        place = f"{first}" if first == last else f"{first} to {last}"
        span = interval_in_percent(self._own_row["low"], self._own_row["high"])
        return (
            f"Rank of {self.model}: {place} of {int(has_place(self.board).sum())}. Quick accuracy: "
            f"{in_percent(self.quick_accuracy, 1)} ({span}, {self.photographs} test photographs)."
        )

    @property
    def _formatted(self) -> pd.DataFrame:
        return comparisons(self.board, "quick accuracy")

    @property
    def _notes(self) -> list[str]:
        notes = [] if has_place(self._other_rows).all() else [ABOUT_SEEDS]
        rows = list(zip(self.groups["group"], self.groups["difference"], strict=True))
        titled = [(group_title(group), gap) for group, gap in rows]
        strong = ", ".join(f"{group} ({in_points(gap)})" for group, gap in titled[:NAMED_GROUPS])
        weak = ", ".join(f"{group} ({in_points(gap)})" for group, gap in titled[::-1][:NAMED_GROUPS])
        if rows:
            notes.append(f"Recall compared with the mean of the other encoders: strongest {strong}; weakest {weak}.")
        return [
            *notes,
            "Difference: quick accuracy of this model minus quick accuracy of the other model, in percentage points, "
            "on the same photographs, with its uncorrected 95% CI. p: paired sign-flip test, corrected for all "
            "comparisons.",
            "Quick accuracy is not comparable with the accuracies on the Models page, because its probes are trained "
            "on fewer photographs.",
            f"--full embeds {self.full_samples:,} samples instead of {self.samples:,}. It narrows the rank interval "
            "and adds unseen transformations and styles, content, retrieval, layers and maps. The resulting run is "
            "available on every page of the dashboard.",
        ]


def quick_ranking(
    model: str,
    table: pd.DataFrame,
    quick: pd.DataFrame,
    groups: Mapping[str, str],
    samples: int,
    full_samples: int,
    entry: BoardEntry | None = None,
) -> QuickRanking:
    """Compare a model with the models of a run under the quick protocol.

    Args:
        model: name of the model. A model with this name in the run is ignored.
        table: ``quick`` table of the model.
        quick: ``quick`` table of the run.
        groups: transformation -> name of its group.
        samples: number of samples that were embedded.
        full_samples: number of samples in the run.
        entry: the result without its author, for `QuickRanking.save`.
    """
    other_tables = quick[quick["model"] != model]
    tables = {model: table} | {str(name): rows for name, rows in other_tables.groupby("model", sort=False)}
    sums = {name: quick_accuracy(rows) for name, rows in tables.items()}
    estimates = {name: interval(estimate.sums, low=0, high=1) for name, estimate in sums.items()}
    rows = [
        {"model": name, "value": estimate.value, "low": estimate.low, "high": estimate.high}
        for name, estimate in estimates.items()
    ]
    board = in_order(pd.DataFrame(rows), excluded=(model,))
    place = int((board["model"] == model).argmax())
    ordered = [sums[name] for name in board["model"]]
    differences = differences_of(ordered, place, has_place(board)).drop(columns="bases")
    return QuickRanking(
        model=model,
        board=board.join(differences),
        groups=group_recall(model, tables, groups),
        photographs=table["base_id"].nunique(),
        samples=samples,
        full_samples=full_samples,
        entry=entry,
    )


def group_recall(model: str, tables: Mapping[str, pd.DataFrame], groups: Mapping[str, str]) -> pd.DataFrame:
    """Compare the recall of a model in each group with the mean recall of the other models.

    Returns:
        Table with the columns ``group``, ``recall`` of ``model`` (mean over the transformations of the group),
        ``others`` (mean over the other encoders, or over all other models if there are no other encoders) and
        ``difference``, sorted by difference in descending order.
    """
    recall = {}
    for name, rows in tables.items():
        counts = rows.groupby("transform")[["correct", "samples"]].sum()
        of_transforms = counts["correct"] / counts["samples"]
        recall[name] = of_transforms.groupby(of_transforms.index.map(groups)).mean()
    table = pd.DataFrame(recall)
    other_models = table.drop(columns=model)
    encoders = other_models.loc[:, ~is_baseline(other_models.columns.to_series())]
    mean_recall = (encoders if encoders.shape[1] else other_models).mean(axis=1)
    recalls = pd.DataFrame({"group": table.index, "recall": table[model].to_numpy(), "others": mean_recall.to_numpy()})
    recalls["difference"] = recalls["recall"] - recalls["others"]
    return recalls.sort_values("difference", ascending=False, ignore_index=True)

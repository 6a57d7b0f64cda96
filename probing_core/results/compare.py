"""Compare models on the same photographs, within a run, between two runs or between two score files."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.arguments import COMPARABLE, NUMBER, checked
from probing_core.compute.sampling.probe_tasks import CONTENT, ROTATIONS, make_task
from probing_core.compute.sampling.samples import has_splits
from probing_core.compute.task_names import FINE
from probing_core.errors import BadConfig, BadRun, UnknownName, one_line
from probing_core.measures.notation import GROUP_SUBSET, in_percent, in_points, points_interval, text_table
from probing_core.measures.paired_tests import holm
from probing_core.measures.rare_differences import RareDifferences
from probing_core.measures.statistics import (
    MIN_CLUSTERS_FOR_T,
    SIGNIFICANCE,
    bootstrap,
    difference,
    is_significant,
    rare_differences,
)
from probing_core.paths import user_path
from probing_core.results.by_transform import recall_by_group
from probing_core.results.ranking import (
    RANKING_FACTS,
    AccuracySums,
    accuracy,
    accuracy_of,
    differences_of,
    has_place,
    in_order,
    mean_over,
    measure_of,
    of_subset,
    paired_p,
    scores_of,
)
from probing_core.results.run import Run, open_run
from probing_core.results.score_file import as_text, read_row
from probing_core.run.files import require_regular, write_atomically
from probing_core.run.layout import RECIPE, probe_path
from probing_core.run.run_files import digest
from probing_core.transforms.transformation import GROUPS

GROUP = "group"
"""Name of the group task, which combines the folds and evaluates unseen transformations."""


Tested = Callable[[str], pd.DataFrame]
"""Function that returns the predictions for a task, with the columns that `accuracy_of` and `of_subset` require."""

Contrasts = dict[tuple[str, str, str], AccuracySums]
"""(task, subset, measure) -> sums of the score."""

COMPARED = (
    "model", "other", "task", "subset", "measure", "value", "other_value", "difference", "low", "high", "p",
    "photographs",
)  # fmt: skip


def unseen_accuracy(tested: Tested, far: Collection[str]) -> AccuracySums:
    """Compute the recall of groups on unseen transformations of the bank, averaged over folds.

    Only photographs that were tested in all folds are used.

    Args:
        tested: function that returns the predictions for a task.
        far: names of the unseen styles, which are excluded.
    """
    tables = [tested(f"{GROUP}-{rotation}") for rotation in ROTATIONS]
    return mean_over([accuracy_of(of_subset(table, "unseen", far)) for table in tables if len(table)])


def place_among(run: Run, model: str) -> pd.DataFrame:
    """Rank the models of ``run`` on the fine task, and compare ``model`` with all other models.

    Models that differ only in their seed share a rank, as in `leaderboard`, but ``model`` always has a separate rank.

    Returns:
        One row per model, best first, with the columns ``model``, ``seed_of`` (as in `leaderboard`), ``place`` (rank
        starting at 1, missing for additional seeds), ``value`` (score), ``low``, ``high``, ``difference`` (score of
        ``model`` minus score of the row), ``difference_low`` and ``difference_high`` (95% CI over shared
        photographs), ``p`` (paired sign flips by photograph, adjusted for the comparisons with all ranked models) and
        ``bases`` (number of shared photographs). The columns of the comparison are NaN in the row of ``model``.

    Raises:
        UnknownName: the run has no score for ``model``.
    """
    board = scores_of(run, FINE, "all")
    if board.empty or model not in set(board["model"]):
        available = ", ".join(board["model"]) if not board.empty else "none"
        raise UnknownName(f"The run has no score for '{model}' on the task '{FINE}'. Available models: {available}.")
    board = in_order(board, excluded=(model,))
    placed = has_place(board)
    board["place"] = placed.cumsum().astype("Int64").where(placed)
    sums = [accuracy(run, name, FINE, "all") for name in board["model"]]
    itself = int((board["model"] == model).argmax())
    return board[["model", "seed_of", "place", "value", "low", "high"]].join(differences_of(sums, itself, placed))


def recall_beside(run: Run, model: str, other: str) -> pd.DataFrame:
    """Compare the recall of two models in each group of transformations.

    Returns:
        Table with the columns ``group``, ``recall`` (of ``model``), ``recall_other`` (of ``other``) and ``difference``,
        sorted by difference in descending order.
    """
    recall = recall_by_group(run).pivot(index="group", columns="model", values="value")
    table = recall.reindex(columns=[model, other]).set_axis(["recall", "recall_other"], axis=1)
    table["difference"] = table["recall"] - table["recall_other"]
    return table.sort_values("difference", ascending=False).reset_index()


def tested_by(run: Run, model: str) -> Tested:
    """Return a function that reads the predictions of a model for a task."""
    return partial(run.predictions, model, facts=RANKING_FACTS)


def contrasts(tested: Tested, far: Collection[str]) -> Contrasts:
    """Compute all scores of a model that can be compared with scores of other models.

    Args:
        tested: function that returns the predictions of the model for a task.
        far: names of the unseen styles.
    """
    by_score = Contrasts()
    fine, content = tested(FINE), tested(CONTENT)
    if len(fine):
        fine = of_subset(fine, "all")
        by_score[FINE, "all", measure_of("all")] = accuracy_of(fine)
        for group in (group for group in GROUPS if (fine["group"] == group).any()):
            # Predicted classes outside the group do not affect its recall.
            by_score[FINE, GROUP_SUBSET + group, "recall"] = accuracy_of(fine[fine["group"] == group])
    if (hidden := unseen_accuracy(tested, far)).probes:
        by_score[GROUP, "unseen", measure_of("unseen")] = hidden
    if len(content) and content["seen"].any():
        by_score[CONTENT, "seen", measure_of("seen")] = accuracy_of(of_subset(content, "seen"))
    return by_score


SCORES_FORMAT = 1
"""Version of the score file format."""

SUFFIX = ".json"

VAL = "val"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `compare`, with a readable `repr`.

    Attributes:
        table: one row per pair of models and score. ``model`` and ``other`` are the names of the models. ``task``,
            ``subset`` and ``measure`` identify the score: ``fine`` over ``all`` classes, the recall of each
            ``group:...``, ``group`` over ``unseen`` transformations averaged over folds, and ``content``. ``value`` and
            ``other_value`` are the scores on the photographs on which both models were tested. ``difference`` is the
            first score minus the second score, with the interval ``low`` to ``high`` and the two-sided p-value ``p``.
            ``photographs`` is the number of photographs. With ``max_drop``, there is also the column ``worse``.
        split: split on which models were compared, ``test`` or ``val``.
        max_drop: maximum allowed drop, or None.
    """

    table: pd.DataFrame = field(repr=False)
    split: str
    max_drop: float | None = None

    @property
    def worse(self) -> pd.DataFrame:
        """Rows in which the drop significantly exceeds the maximum allowed drop."""
        return self.table[self.table["worse"]] if self.max_drop is not None else self.table.iloc[:0]

    def __str__(self) -> str:
        parts = []
        for (model, other), rows in self.table.groupby(["model", "other"], sort=False):
            title = f"{model} minus {other}:" if model != other else f"{model}, A minus B:"
            parts.append(f"{title}\n{text_table(_formatted(rows))}\n")
        return "\n".join([*parts, self._explained])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = pd.concat([self.table[["model", "other"]], _formatted(self.table)], axis=1)
        return f"{table.to_html(index=False, border=0)}<p>{self._explained}</p>"

    @property
    def _explained(self) -> str:
        if self.max_drop is None:
            return (
                f"Difference in percentage points over shared {self.split} photographs, with its uncorrected 95% CI. "
                f"p: paired sign-flip test by photograph, Holm-corrected over the rows for a pair of models."
            )
        return (
            f"Difference in percentage points over {self.split} photographs, with a Holm-corrected interval. worse: "
            f"the interval is entirely above {in_points(self.max_drop)} ({len(self.worse)} of {len(self.table)} rows)."
        )


def _formatted(rows: pd.DataFrame) -> pd.DataFrame:
    spans = zip(rows["low"], rows["high"], strict=True)
    formatted = rows.assign(
        A=[in_percent(value, 1) for value in rows["value"]],
        B=[in_percent(value, 1) for value in rows["other_value"]],
        difference=rows["difference"].map(in_points),
        interval=[points_interval(low, high) for low, high in spans],
    )
    columns = ("task", "subset", "measure", "A", "B", "difference", "interval", "p", "photographs", "worse")
    return formatted[[column for column in columns if column in formatted]]


@checked(a=COMPARABLE, b=COMPARABLE, max_drop=NUMBER)
def compare(
    a: str | Path | Run, b: str | Path | Run, run: str | Path | Run | None = None, *, max_drop: float | None = None
) -> Comparison:
    """Compare two models of a run, the models of two runs, or two files written by `Scores.save`.

    If two runs share models, each shared model is compared between the runs. If they do not share models and each run
    has a single model, these two models are compared. Files contain scores on the ``val`` split. With ``max_drop``,
    models and runs are also compared on ``val``, so that repeated checks do not overfit the ``test`` split.

    Examples:
        >>> comparison = probing_core.compare("zoo/clip", "zoo/can")
        >>> round(float(comparison.table["difference"][0]), 2)
        0.06

    Args:
        a: name of the first model, or the first run or file. With ``max_drop``, this is the earlier version.
        b: name of the second model, or the second run or file. With ``max_drop``, this is the current version.
        run: run that contains the models, by default the reference run.
        max_drop: maximum allowed drop as a fraction from 0 to 1 (0.01 is one percentage point). If given, intervals
            (Student's t over photographs, or Tango if few photographs differ) have the levels of Holm's procedure
            (Holm 1979). If no drop exceeds ``max_drop``, the probability that any row is marked as worse is at most 5%.

    Returns:
        A `Comparison`. Without ``max_drop``, intervals are uncorrected 95% CIs over photographs. P-values come from
        paired sign-flip tests by photograph and are Holm-corrected over the scores of a pair of models.

    Raises:
        UnknownName: the run has no such model.
        BadConfig: ``a`` and ``b`` are of different kinds, ``run`` is given for runs or files, a file cannot be read,
            ``max_drop`` is not a fraction, or (with ``max_drop``) a score of ``a`` is missing for ``b`` or there are
            too few photographs for an interval.
        BadRun: the photographs, transformations or view sizes differ, the runs share no models, or (with ``max_drop``)
            a run has no splits or embeddings.
    """
    kinds = {_kind(a), _kind(b)}
    if len(kinds) > 1 or (kinds != {"model"} and run is not None):
        raise BadConfig(f"Only two models of a run, two runs or two score files can be compared; got '{a}' and '{b}'.")
    if max_drop is not None and not 0 <= max_drop <= 1:
        raise BadConfig(f"The maximum allowed drop must be a fraction from 0 to 1; got {max_drop}.")

    def of(opened: Run, name: str) -> tuple[str, Contrasts]:
        if max_drop is not None:
            return name, SavedScores.of(opened, name).contrasts
        opened.require_model(name)
        return name, contrasts(tested_by(opened, name), opened.far)

    if kinds == {"file"}:
        first_file, second_file = SavedScores.read(Path(str(a))), SavedScores.read(Path(str(b)))
        if first_file.measured != second_file.measured:
            raise BadRun(
                f"The scores of '{first_file.model}' and '{second_file.model}' are for different photographs, "
                f"transformations, view sizes or seeds. Save both scores with the same arguments."
            )
        pairs = [((first_file.model, first_file.contrasts), (second_file.model, second_file.contrasts))]
    elif kinds == {"run"}:
        first, second = open_run(a), open_run(b)
        _require_same_samples(first, second)
        pairs = [(of(first, model), of(second, other)) for model, other in _shared_models(first, second)]
    else:
        opened = open_run(run)
        pairs = [(of(opened, str(a)), of(opened, str(b)))]
    tables = [_table(*first_scores, *other, max_drop) for first_scores, other in pairs]
    split = "test" if max_drop is None and kinds != {"file"} else VAL
    return Comparison(pd.concat(tables, ignore_index=True), split, max_drop)


def _kind(source: str | Path | Run) -> str:
    if isinstance(source, Run):
        return "run"
    if str(source).endswith(SUFFIX):
        return "file"
    return "run" if isinstance(source, Path) or user_path(Path(source) / RECIPE).is_file() else "model"


def _require_same_samples(first: Run, second: Run) -> None:
    for entry in ("fingerprint", "transforms", "view"):
        if getattr(first.recipe, entry) != getattr(second.recipe, entry):
            raise BadRun(
                f"Runs can only be compared if they have the same photographs, transformations and view size, but "
                f"'{first.path}' and '{second.path}' differ in their "
                f"{'photographs' if entry == 'fingerprint' else entry}."
            )


def _shared_models(first: Run, second: Run) -> list[tuple[str, str]]:
    names = [list(run.models["name"]) for run in (first, second)]
    if common := [name for name in names[0] if name in names[1]]:
        return [(name, name) for name in common]
    if all(len(run_names) == 1 for run_names in names):
        return [(names[0][0], names[1][0])]
    raise BadRun(
        f"'{first.path}' and '{second.path}' do not share any models. They contain {', '.join(sorted(names[0]))} and "
        f"{', '.join(sorted(names[1]))}."
    )


def _table(
    model: str, contrasts: Contrasts, other: str, other_contrasts: Contrasts, max_drop: float | None
) -> pd.DataFrame:
    """Compare two models on each score that they share.

    Returns:
        Table with the columns `COMPARED` and, with ``max_drop``, the column ``worse``.
    """
    if max_drop is not None and (missing := [name for name in contrasts if name not in other_contrasts]):
        raise BadConfig(
            f"'{model}' has the score {', '.join(missing[0])}, but '{other}' does not. "
            f"Score both models with the same arguments."
        )
    shared = {
        name: sums.shared_with(other_contrasts[name]) for name, sums in contrasts.items() if name in other_contrasts
    }
    rows = []
    for name, (first, second) in shared.items():
        gap = first.minus(second)
        if gap.clusters:
            (p,) = paired_p([first, second], [(0, 1)])
            rows.append((*name, first.sums.value, second.sums.value, gap.value, gap.low, gap.high, p, gap.clusters))
    table = pd.DataFrame([(model, other, *row) for row in rows], columns=list(COMPARED))
    table = table.assign(p=holm(table["p"].to_numpy()))
    return table if max_drop is None else table.assign(**_drops(list(shared.values()), max_drop))


def _drops(pairs: Sequence[tuple[AccuracySums, AccuracySums]], allowed: float) -> dict[str, np.ndarray]:
    from scipy.special import stdtr, stdtrit

    freedom = np.array([len(first.bases) - 1 for first, _ in pairs])
    if len(pairs) and freedom.min() + 1 < MIN_CLUSTERS_FOR_T:
        raise BadConfig(
            f"An interval requires at least {MIN_CLUSTERS_FOR_T} photographs from the 'val' split, but a score is "
            f"based on {freedom.min() + 1}. Use a corpus with more photographs."
        )
    drops = [_Drop.of(first, second) for first, second in pairs]
    p = np.minimum(1, 2 * stdtr(freedom, [-drop.statistic(allowed) for drop in drops]))
    left = np.empty(len(p))
    left[np.argsort(p, kind="stable")] = np.arange(len(p), 0, -1)
    corrected = holm(p)
    t = stdtrit(freedom, 1 - SIGNIFICANCE / left / 2)
    intervals = np.array([drop.interval(limit) for drop, limit in zip(drops, t, strict=True)]).reshape(-1, 2)
    intervals = intervals.clip(-1, 1)
    return {"low": intervals[:, 0], "high": intervals[:, 1], "p": corrected, "worse": is_significant(corrected)}


@dataclass(frozen=True)
class _Drop:
    """Difference between two scores with its standard error, for tests of a drop."""

    value: float
    error: float

    @classmethod
    def of(cls, first: AccuracySums, second: AccuracySums) -> _Drop | RareDifferences:
        gap = difference(first.sums, second.sums)
        if (rare := rare_differences(gap)) is not None:
            return rare
        # If there are few photographs and their differences are equal, the bootstrap standard error is 0. t is
        # therefore limited to the value that corresponds to the smallest possible p-value of a sign-flip test.
        max_t = _largest_t(len(first.bases))
        return cls(gap.value, max(float(bootstrap(gap).std()), abs(gap.value) / max_t))

    def statistic(self, drop: float) -> float:
        return (self.value - drop) / self.error

    def interval(self, t: float) -> tuple[float, float]:
        return self.value - t * self.error, self.value + t * self.error


def _largest_t(photographs: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(photographs - 1, 1 - 2.0**-photographs))


@dataclass(frozen=True, eq=False)
class SavedScores:
    """Scores of one model on the ``val`` split, which can be saved to a file.

    Attributes:
        model: name of the model.
        measured: digest of the photographs and their samples. Only scores with equal digests can be compared.
        contrasts: sums for each score.
    """

    model: str
    measured: str
    contrasts: Contrasts = field(repr=False)

    @classmethod
    def of(cls, run: Run, model: str) -> SavedScores:
        """Score a model on the ``val`` split, on which the penalties of its probes were selected.

        Raises:
            UnknownName: the run has no such model.
            BadRun: the run has no splits, or no embeddings from the model.
        """
        run.require_model(model)
        if not has_splits(run.images):
            raise BadRun(
                f"Scores are computed on the 'val' split, but '{run.path}' has no splits because it has fewer than 30 "
                f"photographs. Use a corpus with more photographs."
            )
        transform_keys = [transform.key for transform in run.recipe.design.transforms]
        scores = contrasts(partial(_predicted, run, model), run.far)
        return cls(model, digest([run.recipe.without_models(), transform_keys]), scores)

    def write(self, path: Path | str) -> None:
        """Write the scores to a JSON file with one line per score."""
        rows = [
            {
                "task": task,
                "subset": subset,
                "measure": measure,
                "value": round(score_sums.sums.value, 6),
                "photographs": len(score_sums.bases),
                "bases": score_sums.bases.tolist(),
                "classes": [probe.sums.shape[1] // 2 for probe in score_sums.probes],
                "sums": score_sums.sums.sums.astype(int).tolist(),
            }
            for (task, subset, measure), score_sums in self.contrasts.items()
        ]
        head = json.dumps(
            {"format": SCORES_FORMAT, "model": self.model, "split": VAL, "measured": self.measured}, indent=1
        )
        lines = ",\n".join(json.dumps(row) for row in rows)
        write_atomically(Path(path), f'{head[:-2]},\n "scores": [\n{lines}\n ]\n}}\n'.encode())

    @classmethod
    def read(cls, path: Path) -> SavedScores:
        """Read a file written by `write`.

        Raises:
            BadConfig: the file does not exist or is not a valid score file.
        """
        try:
            require_regular(path)
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != SCORES_FORMAT:
                raise ValueError(f"the format is {content['format']!r:.20}, but this version expects {SCORES_FORMAT}")
            scores = list(map(read_row, content["scores"]))
            if len(dict(scores)) < len(scores) or not scores:
                raise ValueError("a score occurs twice, or there are no scores")
            return cls(as_text(content["model"]), as_text(content["measured"]), dict(scores))
        except KeyError as error:
            raise BadConfig(f"'{path}' cannot be read as a score file: it has no entry {error}.") from error
        except FileNotFoundError:
            raise BadConfig(
                f"The score file '{path}' does not exist.",
                hint="Create it in Python with `probing_core.score(...).save(path)`.",
            ) from None
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BadConfig(f"'{path}' cannot be read as a score file: {one_line(error)[:200]}.") from error


def _predicted(run: Run, model: str, task: str) -> pd.DataFrame:
    """Predict the ``val`` samples with the probe for a task. The table is empty if the run has no such probe."""
    if not run.store.has(probe_path(model, task)):
        return pd.DataFrame()
    embeddings = run.lazy_embeddings(model)
    if embeddings is None:
        raise BadRun(
            f"Scores on the 'val' split are computed from embeddings, but '{run.path}' has no embeddings from "
            f"'{model}'. Start your own run with this model."
        )
    samples = run.samples
    problem = make_task(task, samples, run.recipe.design.transforms, run.images)
    rows = np.flatnonzero(problem.takes_part & (samples["split"] == VAL).to_numpy())
    probe = run.linear_probe(model, task)
    predicted = [probe.logits(block).argmax(1) for block in embeddings.at(rows).blocks()]
    about = samples[list(RANKING_FACTS)].iloc[rows].reset_index(drop=True)
    return about.assign(
        truth=np.array(problem.classes)[problem.truth[rows]],
        predicted=np.array(probe.classes)[np.concatenate(predicted)],
        seen=problem.seen[rows],
    )

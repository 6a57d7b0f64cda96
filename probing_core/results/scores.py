"""Scores of a single model, as a table with a readable `repr`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from probing_core.compute.evaluation.score_rows import too_few
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.errors import BadConfig
from probing_core.measures import interval
from probing_core.measures.notation import GROUP_SUBSET, in_percent, percent_interval
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_T
from probing_core.results.compare import GROUP, SUFFIX, SavedScores, tested_by, unseen_accuracy
from probing_core.results.ranking import measure_of
from probing_core.results.run import Run
from probing_core.results.titled_table import TitledTable

SCORE_COLUMNS = ("task", "subset", "measure", "value", "low", "high", "photographs", "chance", "note")


@dataclass(frozen=True, eq=False, repr=False)
class Scores(TitledTable):
    """The scores of a single model.

    Attributes:
        model: name of the model.
        table: one row per score, with the columns ``task``, ``subset``, ``measure``, ``value``, ``low`` and ``high``
            (95% CI over photographs), ``photographs`` (number of photographs), ``chance`` and ``note``. The task
            ``fine`` is evaluated on ``all`` classes and on each group (``group:blur`` and so on), the task ``group`` on
            ``unseen`` transformations, and the task ``content`` on ``seen`` samples, which are clean images.
        path: directory of the cached run for `probing_core.open`, or None if the run was not cached.
    """

    model: str
    table: pd.DataFrame
    path: Path | None = None

    @property
    def run(self) -> Run:
        """The cached run, with its tables and embeddings.

        Raises:
            BadRun: the run was removed or was not cached.
        """
        return Run.open("not cached" if self.path is None else self.path)

    def save(self, path: Path | str) -> None:
        """Write the scores on the ``val`` split to a JSON file, for ``probing compare A B --max-drop P``.

        The file contains sums by photograph. It does not contain scores on the ``test`` split, so that this split is
        not used for model selection.

        Raises:
            BadConfig: the name does not end in ``.json``.
            BadRun: the run was not cached, or has no ``val`` split because it has fewer than 30 photographs.
        """
        if Path(path).suffix != SUFFIX:
            raise BadConfig(f"The name of a score file must end in {SUFFIX}; got '{path}'.")
        SavedScores.of(self.run, self.model).write(path)

    @property
    def _title(self) -> str:
        return f"Scores of linear probes on {self.model}"

    @property
    def _formatted(self) -> pd.DataFrame:
        rows = self.table
        return pd.DataFrame(
            {
                "prediction": [_in_words(*row) for row in zip(rows["task"], rows["subset"], strict=True)],
                "score": [in_percent(value, 1) for value in rows["value"]],
                "95% CI": [percent_interval(*ends) for ends in zip(rows["low"], rows["high"], strict=True)],
                "chance": [in_percent(value, 1) for value in rows["chance"]],
                "photographs": rows["photographs"],
            }
        )

    @property
    def _notes(self) -> list[str]:
        rows = self.table
        few = [too_few(photographs) for photographs in rows["photographs"]]
        others = [note.removeprefix(about).removeprefix("; ") for note, about in zip(rows["note"], few, strict=True)]
        minimum = f"Confidence intervals require at least {MIN_CLUSTERS_FOR_T} photographs." if any(few) else ""
        return list(dict.fromkeys(filter(None, [minimum, *others])))


def scores_of_model(run: Run, model: str, path: Path | None) -> Scores:
    """Return the scores of one model of a run.

    Args:
        run: the run.
        model: name of the model.
        path: directory of the run, or None if the run is not cached.
    """
    scores = run.scores
    scores = scores[scores["model"] == model]
    fine = (scores["task"] == "fine") & ((scores["subset"] == "all") | scores["subset"].str.startswith(GROUP_SUBSET))
    content = (scores["task"] == CONTENT) & (scores["subset"] == "seen")
    ranked = scores["measure"].isin(("balanced-accuracy", "recall"))
    parts = [scores[ranked & fine], _unseen(run, model, scores), scores[ranked & content]]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return Scores(model, table.rename(columns={"bases": "photographs"})[list(SCORE_COLUMNS)], path)


def _unseen(run: Run, model: str, scores: pd.DataFrame) -> pd.DataFrame:
    accuracy = unseen_accuracy(tested_by(run, model), run.far)
    rotations = scores[scores["task"].str.startswith(f"{GROUP}-") & (scores["subset"] == "unseen")]
    if not accuracy.probes or rotations.empty:
        return pd.DataFrame()
    about = rotations.iloc[[0]].assign(task=GROUP, measure=measure_of("unseen"), chance=rotations["chance"].mean())
    return about.assign(**interval(accuracy.sums, low=0, high=1).columns)


def _in_words(task: str, subset: str) -> str:
    if task == "fine":
        return f"transformation, {subset.removeprefix(GROUP_SUBSET)}"
    return "group, unseen transformations" if task == GROUP else "content"

"""The section of a model card: what a run measured of a model, as Markdown and as metadata that a hub reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.charts.recall_picture import recall_picture
from probing_core.compute.names import GROUP_SUBSET
from probing_core.compute.tasks import CONTENT
from probing_core.errors import BadRun, UnknownName
from probing_core.measures import MEASURES
from probing_core.measures.intervals import interval
from probing_core.measures.notation import in_percent
from probing_core.results.comparison import GROUP, unseen_accuracy
from probing_core.results.report.methods import how_trained
from probing_core.results.run import Run
from probing_core.results.summaries import by_group
from probing_core.run import layout
from probing_core.transforms.base import GROUPS

TASK_TYPE = "image-feature-extraction"
"""The hub's name for what an embedder does."""

FINE = "fine"

STUDIES = {
    "layers": "which of its layers hold most",
    "thresholds": "from which strength on a transformation is seen",
    "geometry": "how far a transformation moves its embeddings",
    "retrieval": "whether the original of an altered picture is found by its embedding",
}
"""Tables of a run beyond its scores -> what they answer."""


@dataclass(frozen=True)
class Score:
    """One row of the table.

    Attributes:
        task: ``fine``, ``group`` or ``content``.
        words: what is asked.
        measure: as in tables of scores.
        value, low, high, chance: fractions; the 95 % interval is NaN with fewer than 6 photographs.
        photographs: how many it rests on.
        note: what a reader must know of the probe.
    """

    task: str
    words: str
    measure: str
    value: float
    low: float
    high: float
    chance: float
    photographs: int
    note: str = ""


def card_picture(run: Run, model: str) -> bytes | None:
    """Return the recall of each group as PNG; None where the run has none.

    Raises:
        UnknownName: the run has no such model.
    """
    _require(run, model)
    rows = by_group(run, [model])
    return None if rows.empty else recall_picture(rows)


def model_card(run: Run, model: str, picture: str = "") -> str:
    """Return a section for a card of ``model``: metadata (YAML, ``model-index``), then Markdown.

    Args:
        picture: the name of the file of `card_picture`, beside the card; none is shown where it is empty.

    Raises:
        UnknownName: the run has no such model.
        BadRun: it has no score of the model yet.
    """
    _require(run, model)
    scores = list(_scores(run, model))
    if not scores:
        raise BadRun(f"The run has no score of '{model}' yet; `probing evaluate --run {run.path}` makes them.")
    about = run.models.set_index("name").loc[model]
    return "\n".join(
        [
            f"---\n{_metadata(run, model, scores).rstrip()}\n---",
            "",
            "## What its embedding knows besides what is in the picture",
            "",
            f"Linear probes on the embedding of `{model}` ({about['dim']} numbers) tell which transformation was "
            f"applied to a picture that they have not seen. {how_trained(run)} {_about_images(run)} Intervals are "
            "95 %, over photographs.",
            "",
            *_table(scores),
            "",
            *_notes(scores),
            *([f"![Recall of each group of transformations, with 95 % intervals]({picture})", ""] if picture else []),
            "### Not measured",
            "",
            *(f"- {words[0].upper()}{words[1:]}." for words in _not_measured(run, model)),
            "",
        ]
    )


def _require(run: Run, model: str) -> None:
    if model not in set(run.models["name"]):
        raise UnknownName(f"The run has no model '{model}'. It has: {', '.join(run.models['name'])}.")


def _about_images(run: Run) -> str:
    used = run.images[run.images["used"]]
    return (
        f"The corpus ({_kind(run)}, fingerprint {run.recipe.fingerprint}) gives {len(used):,} images of "
        f"{used['base_id'].nunique():,} photographs, in views of {run.recipe.view} pixels."
    )


def _kind(run: Run) -> str:
    """Return the kind of corpus: its path is nobody's business."""
    return run.recipe.corpus.partition(":")[0]


def _scores(run: Run, model: str) -> Iterator[Score]:
    scores = run.scores
    mine = scores[scores["model"] == model] if len(scores) else scores
    classes = len(run.classes(FINE)) if len(mine) else 0
    fine = f"which of {classes - 1} transformations was applied, if any"
    yield from _rows(mine, FINE, "all", "balanced-accuracy", fine)
    for group in GROUPS:
        words = "of untouched pictures: that they are" if group == "identity" else f"of the group {group}: which one"
        yield from _rows(mine, FINE, GROUP_SUBSET + group, "recall", words)
    yield from _unseen(run, model, mine)
    yield from _rows(mine, CONTENT, "seen", "balanced-accuracy", "what is in the picture (untouched pictures)")


def _rows(scores: pd.DataFrame, task: str, subset: str, measure: str, words: str) -> Iterator[Score]:
    if scores.empty:
        return
    wanted = (scores["task"] == task) & (scores["subset"] == subset) & (scores["measure"] == measure)
    for row in scores[wanted].to_dict("records"):
        value, low, high, chance = (float(row[name]) for name in ("value", "low", "high", "chance"))
        yield Score(task, words, measure, value, low, high, chance, int(row["bases"]), str(row["note"]))


def _unseen(run: Run, model: str, scores: pd.DataFrame) -> Iterator[Score]:
    sums = unseen_accuracy(run, model).sums
    if sums is None:
        return
    found = interval(sums, low=0, high=1)
    chance = scores.loc[scores["task"].str.startswith(f"{GROUP}-"), "chance"].iloc[0]
    words = "the group of transformations that no probe learned from"
    yield Score(GROUP, words, "group-hit-rate", found.value, found.low, found.high, float(chance), found.clusters)


def _table(scores: list[Score]) -> list[str]:
    lines = [
        "| question | measure | score | 95 % interval | chance | photographs |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for score in scores:
        ends = f"{100 * score.low:.1f} to {100 * score.high:.1f}" if np.isfinite(score.low) else "too few photographs"
        chance = in_percent(score.chance, 1) if np.isfinite(score.chance) else ""
        title = MEASURES.get(score.measure).title
        value = in_percent(score.value, 1)
        lines.append(f"| {score.words} | {title} | {value} | {ends} | {chance} | {score.photographs} |")
    return lines


def _notes(scores: list[Score]) -> list[str]:
    notes = dict.fromkeys(score.note for score in scores if score.note)
    return [*(f"Note: {note}." for note in notes), ""] if notes else []


def _not_measured(run: Run, model: str) -> Iterator[str]:
    scored = set(run.scores.loc[run.scores["model"] == model, "task"])
    if CONTENT not in scored:
        yield "what it knows of the content: the photographs have no labels, or too few of each"
    if not any(task.startswith(f"{GROUP}-") for task in scored):
        yield "transformations that no probe learned from"
    for study, words in STUDIES.items():
        table = run.table(layout.table_path(study))
        if table.empty or model not in set(table["model"]):
            yield words
    if run.recipe.repetitions == 1:
        yield "how much of a score is the draw of strengths and noise: there is one draw of each"
    yield f"other photographs than those of this corpus ({_kind(run)}), and alterations by other programs"
    yield "anything but linear probes of this one embedding: other layers, poolings or precisions are other models"


def _metadata(run: Run, model: str, scores: list[Score]) -> str:
    from huggingface_hub.repocard_data import EvalResult, ModelCardData

    used = run.images[run.images["used"]]
    results = [
        EvalResult(
            task_type=TASK_TYPE,
            task_name="Which transformation was applied to the picture? (linear probes)",
            dataset_type=_kind(run),
            dataset_name=f"{used['base_id'].nunique()} photographs ({_kind(run)})",
            dataset_config=score.task,
            dataset_split="test",
            dataset_revision=run.recipe.fingerprint,
            metric_type=score.measure,
            metric_name=f"{MEASURES.get(score.measure).title}: {score.words}",
            metric_value=round(score.value, 4),
            metric_args=_arguments(score),
        )
        for score in scores
    ]
    return ModelCardData(model_name=model, eval_results=results).to_yaml()


def _arguments(score: Score) -> dict[str, float | int]:
    numbers = {"low": score.low, "high": score.high, "chance": score.chance}
    stated = {name: round(number, 4) for name, number in numbers.items() if np.isfinite(number)}
    return {**stated, "photographs": score.photographs}

"""Tour of a shared file: questions about one transformation, each with its answer and a selection in the explorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from probing_core.errors import UnknownName
from probing_core.measures.notation import in_percent
from probing_core.results.explorer.data import ExplorerData


@dataclass(frozen=True)
class TourStep:
    """Step of a tour.

    Attributes:
        question: question that the step answers.
        answer: answer, computed from the predictions.
        selection: selection that the explorer shows, as accepted by its ``select`` method.
    """

    question: str
    answer: str
    selection: dict[str, Any]


def tour_of(data: ExplorerData, transform: str) -> tuple[TourStep, ...]:
    """Return four steps on how the first two models classify samples of ``transform``.

    Args:
        data: data of the explorer.
        transform: name of a class.

    Raises:
        UnknownName: the explorer has no such class.
    """
    names = [cls.name for cls in data.classes]
    if transform not in names:
        raise UnknownName(f"The explorer has no class '{transform}'.")
    title = data.classes[names.index(transform)].title
    a, b = data.models[0], data.models[min(1, len(data.models) - 1)]
    is_true = data.truth == names.index(transform)
    rows = int(is_true.sum())
    correct = {model.name: int((model.predicted[is_true] == names.index(transform)).sum()) for model in (a, b)}
    both = {"a": a.name, "b": b.name}
    predicted = "With nothing: all samples are classified correctly."
    target = _most_frequent(a.predicted[is_true], names.index(transform))
    confusion: dict[str, Any] = {"rows": [transform], "columns": [transform], "by": "a"}
    if target is not None:
        predicted = f"Most often with {data.classes[target[0]].title} ({target[1]} of {rows:,} samples)."
        confusion["columns"] = [names[target[0]]]
    false = f"No other sample is classified as {title}."
    origin = _most_frequent(data.truth[a.predicted == names.index(transform)], names.index(transform))
    if origin is not None:
        false = f"Most often {data.classes[origin[0]].title} ({origin[1]} samples)."
    return (
        TourStep(
            f"How many {title} samples are classified correctly?",
            f"{a.title} classifies {in_percent(correct[a.name] / rows)} of {rows:,} samples correctly.",
            {**both, "what": {"rows": [transform], "by": "a"}},
        ),
        TourStep(f"What is {title} confused with?", predicted, {**both, "what": confusion}),
        TourStep(f"What else is classified as {title}?", false, {**both, "what": {"columns": [transform], "by": "a"}}),
        TourStep(
            f"How accurate is the other model on {title}?",
            f"{b.title} classifies {in_percent(correct[b.name] / rows)} of the same {title} samples correctly.",
            {**both, "what": {"rows": [transform], "by": "b"}},
        ),
    )


def _most_frequent(classes: np.ndarray, excluded: int) -> tuple[int, int] | None:
    """Return the most frequent class other than ``excluded`` and its count, or None if there is no other class."""
    counts = np.bincount(classes[classes != excluded])
    return (int(counts.argmax()), int(counts.max())) if len(counts) else None

"""Answers of models, with a progress indicator, and with the reason if a model is unavailable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
import streamlit as st

from dashboard.data import neighbors, predictions
from dashboard.data.predictions import Row
from dashboard.text import plain
from probing_core.answers.crops import Crops
from probing_core.errors import ProbingError
from probing_core.measures.notation import model_title
from probing_core.results import Run

Found = TypeVar("Found")


def each(models: Sequence[str], ask: Callable[[str], Found]) -> dict[str, Found]:
    """Return the result of ``ask`` for each model, and show the progress.

    A model that cannot be asked is omitted, and the page states the reason.
    """
    results = {}
    with st.spinner("Asking the models", show_time=True):
        for model in models:
            try:
                results[model] = ask(model)
            except ProbingError as error:  # the other models still answer
                st.warning(
                    f"{plain(model_title(model))} could not be asked: {plain(str(error))}", icon=":material/error:"
                )
    return results


def rows(
    run: Run, models: Sequence[str], crops: Mapping[str, Crops], prior: float, flat: Collection[str] = ()
) -> list[Row]:
    """Return the answer of each model for each image, grouped by model; errors are handled as in `each`.

    A row without a probability states the reason (``unavailable``).

    Args:
        flat: names of the images that may not be photographs, for which no probability is stated.
    """
    answers_by_model = each(models, lambda model: predictions.ask(run, model, list(crops.values())))
    answered = [
        answer.row(name, prior) | {"unavailable": answer.unavailable}
        for answers in answers_by_model.values()
        for name, answer in zip(crops, answers, strict=True)
    ]
    return [predictions.without_probabilities(row) if row["image"] in flat else row for row in answered]


def one_by_one(
    run: Run,
    models: Sequence[str],
    crops: Mapping[str, Crops],
    prior: float,
    flat: Collection[str],
    show: Callable[[Sequence[Row], Sequence[str]], object],
) -> list[Row]:
    """Return the result of `rows`, and show each answer as it arrives.

    Args:
        show: renders the finished rows and the models that have not answered. It is called repeatedly while a model is
            loaded, because Streamlit only handles the next action of the visitor when the page writes.
    """
    answered: list[Row] = []
    for number, model in enumerate(models):
        for _ in predictions.loading(run, model):
            show(answered, models[number:])
        answered += rows(run, [model], crops, prior, flat)
        show(answered, models[number + 1 :])
    return answered


def embed_gallery(run: Run, model: str, samples: np.ndarray) -> None:
    """Embed some samples of ``run`` with ``model`` if the run has no embeddings, and show the progress.

    Raises:
        ProbingError: an image cannot be computed, or the model is not available.
    """
    place = st.empty()
    for count, total in neighbors.gallery_steps(run, model, samples):
        doing = f"Embedding photographs of the run with {plain(model_title(model))}"
        place.progress(count / total, f"{doing}: {count:,} of {total:,}")
    place.empty()

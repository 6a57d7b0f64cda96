"""Model calls with progress indicators and error messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Call ``ask`` for each model while showing a spinner, and return the results by model.

    If a call fails, the model is omitted and a warning is shown.
    """
    results = {}
    with st.spinner("Running models", show_time=True):
        for model in models:
            try:
                results[model] = ask(model)
            except ProbingError as error:  # continue with the other models
                st.warning(f"Cannot run {plain(model_title(model))}: {plain(str(error))}", icon=":material/error:")
    return results


def rows(run: Run, models: Sequence[str], crops: Mapping[str, Crops], prior: float) -> list[Row]:
    """Return the answer of each model for each image, with one row per answer, grouped by model.

    Errors are handled as in `each`.

    Args:
        run: run that contains the probes.
        models: names of the models.
        crops: name of each image -> its crops.
        prior: assumed fraction of edited images.
    """
    answers_by_model = each(models, lambda model: predictions.ask(run, model, list(crops.values())))
    return [
        answer.row(name, prior)
        for answers in answers_by_model.values()
        for name, answer in zip(crops, answers, strict=True)
    ]


def one_by_one(
    run: Run,
    models: Sequence[str],
    crops: Mapping[str, Crops],
    prior: float,
    show: Callable[[Sequence[Row], Sequence[str]], object],
) -> list[Row]:
    """Return the result of `rows`. The answers of each model are shown as soon as they are available.

    Args:
        show: function that renders completed rows and a list of pending models. It is called repeatedly while a model
            is loading, because Streamlit only handles the next action of the visitor when the script writes output.
        run, models, crops, prior: see `rows`.
    """
    answered: list[Row] = []
    for number, model in enumerate(models):
        if not predictions.is_recorded(run, model, list(crops.values())):
            for _ in predictions.loading(run, model):
                show(answered, models[number:])
        answered += rows(run, [model], crops, prior)
        show(answered, models[number + 1 :])
    return answered


def embed_gallery(run: Run, model: str, samples: np.ndarray) -> None:
    """Embed samples of ``run`` with ``model`` while showing a progress bar, unless the run has embeddings.

    Raises:
        ProbingError: an image or the model is not available.
    """
    place = st.empty()
    for count, total in neighbors.gallery_steps(run, model, samples):
        doing = f"Embedding images of the run with {plain(model_title(model))}"
        place.progress(count / total, f"{doing}: {count:,} of {total:,}")
    place.empty()

"""Live predictions: the only part of the dashboard that loads models, and only when a page asks for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.data.previews import Preview
from dashboard.text import plain
from probing_core.errors import ProbingError
from probing_core.results import Run, nearest

if TYPE_CHECKING:
    from probing_core.prediction.predictor import Prediction, Predictor
    from probing_core.prediction.tiles import PictureCrops

_TURN = threading.Lock()
"""Models are shared by all visitors: they predict one at a time."""


def predictor_of(run: Run) -> Predictor:
    """The models of ``run``, loaded when first needed and shared by all visitors.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return cache.predictor(run)


def models_of(run: Run) -> tuple[str, ...]:
    """Names of the models that can be asked; none of them is loaded for that.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return run.live_models or predictor_of(run).models


def prepare(run: Run) -> None:
    """Begins what the first prediction would wait for, seconds of imports above all; whoever asks meanwhile joins."""
    # No daemon: a process that ends while PyTorch is being imported would be aborted.
    threading.Thread(target=_prepare, args=(run,), name="prepare").start()


def _prepare(run: Run) -> None:
    with suppress(ProbingError):  # told when somebody asks
        cache.predictor(run)


def predict(
    run: Run, images: Sequence[np.ndarray], names: Sequence[str], models: Sequence[str], task: str
) -> pd.DataFrame:
    """Rows of `Predictor.predict`; with progress, since a model may have to be loaded first.

    A model that cannot be asked has no rows, and the page says why.
    """
    predictor = predictor_of(run)
    parts = []
    with st.spinner("Asking the models", show_time=True), _TURN:
        for model in models:
            try:
                parts += predictor.predict(images, task=task, models=[model], names=names)
            except ProbingError as error:  # the others go on
                st.warning(f"{plain(model)} could not be asked: {plain(str(error))}", icon=":material/error:")
    return pd.DataFrame(parts)


def similarity(
    run: Run, images: Sequence[np.ndarray], names: Sequence[str], models: Sequence[str], text: str
) -> pd.DataFrame:
    """Rows of `Predictor.similarity`; as in `predict`, a model that cannot be asked has none, and the page says why."""
    predictor = predictor_of(run)
    parts = []
    with st.spinner("Asking the models", show_time=True), _TURN:
        for model in models:
            try:
                parts += predictor.similarity(images, text, models=[model], names=names)
            except ProbingError as error:
                st.warning(f"{plain(model)} could not be asked: {plain(str(error))}", icon=":material/error:")
    return pd.DataFrame(parts)


def look(run: Run, image: np.ndarray, model: str) -> tuple[PictureCrops, Prediction]:
    """What one model is given of one picture, and what it says of it."""
    from probing_core.prediction.tiles import cut

    predictor, given = predictor_of(run), cut(image, run.recipe.view)
    with _TURN:
        return given, predictor.predict_crops(model, [given])[0]


def parts(run: Run, image: np.ndarray, model: str, task: str) -> tuple[list[np.ndarray], pd.DataFrame]:
    """The pictures that a model is given of one, whole first and then its tiles, and what its probe says of each.

    Returns:
        The pictures, and their probabilities: a row for each class of ``task``, a column for each picture, by its
        number, and ``answer``, what the rule makes of them all.
    """
    given, told = look(run, image, model)
    table = pd.DataFrame(told.crop_probabilities.T, index=list(told.classes)).assign(answer=told.probabilities)
    if task == "group":
        table = table.groupby(list(told.groups), sort=False).sum()
    return given.pictures, table.rename_axis("class").sort_values("answer", ascending=False)


def rule_of(run: Run, model: str) -> str:
    """Where the rule comes from by which a model's answers on whole and tiles become one."""
    if pictures := predictor_of(run).fusion_fitted_on(model):
        return f"The rule that makes one answer of them was fitted on {pictures:,} large pictures in training."
    return (
        "The rule that makes one answer of them is that before any fit, since this run learned from no picture of "
        "such a size: blur, noise and compression mostly from the tiles, everything else from both alike."
    )


def neighbors(run: Run, image: np.ndarray, model: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples of the run most alike to ``image`` in the eyes of ``model``: indices and similarities (count,).

    The run must have embeddings of ``model``.
    """
    stored = cache.embeddings(run, model)
    assert stored is not None
    return nearest(stored, look(run, image, model)[1].embedding, count)


def strength_curve(run: Run, preview: Preview, models: Sequence[str]) -> pd.DataFrame:
    """How every model answers as the strength grows.

    Returns:
        ``model``, ``strength``, ``probability`` of the transform's own class (NaN if the probe has none),
        ``says`` (the most probable class) and ``shift``: cosine distance to the embedding of the clean view.
    """
    from probing_core.prediction.tiles import PictureCrops

    predictor, name = predictor_of(run), preview.transform.name
    steps = preview.steps()
    pictures = [PictureCrops("direct", image) for step in steps for image in (step.before, step.after)]
    rows = []
    with st.spinner("Asking the models", show_time=True), _TURN:
        for model in models:
            told = predictor.predict_crops(model, pictures)
            for step, a, b in zip(steps, told[::2], told[1::2], strict=True):
                own = dict(zip(b.classes, b.probabilities, strict=True)).get(name, np.nan)
                rows.append(
                    {
                        "model": model,
                        "strength": step.strength,
                        "probability": float(own),
                        "says": b.classes[int(np.argmax(b.probabilities))],
                        "shift": 1 - _cosine(a.embedding, b.embedding),
                    }
                )
    return pd.DataFrame(rows)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))

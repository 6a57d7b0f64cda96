"""Model answers for images. Models are loaded only by this module, and only when a page needs them.

The functions do not render anything; `dashboard.widgets.asking` shows their progress.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from cachetools import LRUCache

from dashboard import rights
from dashboard.data import cache, example_answers
from dashboard.data.example_answers import Recorded
from dashboard.data.pictures import VisitorPicture, computing
from dashboard.data.previews import edited_picture
from probing_core.answers.answer import Answer
from probing_core.answers.answer_quality import accuracy
from probing_core.answers.crops import Crops, cut
from probing_core.answers.reference_sets import ReferenceSet
from probing_core.api.model_answers import held_out, outside
from probing_core.api.predictor import Predictor
from probing_core.compute.task_names import DETECTOR
from probing_core.detector.scoring import LARGEST_ALTERED
from probing_core.errors import ProbingError
from probing_core.models.hub import no_downloads
from probing_core.results import Run
from probing_core.transforms import Transform

MAX_CACHED_ANSWERS = 512
"""Maximum number of cached answers per session. An answer is for one model and one image."""

MAX_CACHED_CROPS = 64
"""Maximum number of images per session whose crops are cached. A page shows fewer images."""

HEARD_EVERY_S = 0.1
"""Interval in seconds at which a page that is waiting for a model can handle actions of the visitor."""

Row = dict[str, Any]


class Answers:
    """Cache of the answers for one visitor. Pages request the same answers in every rerun.

    The cache is deleted when the session ends, because answers may contain embeddings of uploads.
    """

    def __init__(self, largest: int = MAX_CACHED_ANSWERS) -> None:
        self._known: LRUCache[tuple[str, str, str], Answer] = LRUCache(largest)
        self._lock = threading.Lock()  # a download may request answers while the page does

    def of(self, run: Run, model: str, crops: Sequence[Crops], recorded: Recorded | None = None) -> list[Answer]:
        """Return the answers of `Predictor.ask`. Answers that are not cached are computed as one batch.

        Args:
            recorded: recorded answers, if answers without embeddings are sufficient.
            run, model, crops: see `ask`.
        """
        keys = [(run.digest, model, digest_of(image_crops)) for image_crops in crops]
        answers = {key: recorded[key[1:]] for key in keys if recorded and key[1:] in recorded}
        with self._lock:
            answers |= {key: self._known[key] for key in keys if key in self._known}
        new = {key: image_crops for key, image_crops in zip(keys, crops, strict=True) if key not in answers}
        if new:
            predictor = predictor_of(run)
            predictor.prepare(model)  # other visitors do not wait for a download
            with computing:
                answers |= dict(zip(new, predictor.ask(model, list(new.values())), strict=True))
            with self._lock:
                self._known.update({key: answers[key] for key in new})
        return [answers[key] for key in keys]


def digest_of(crops: Crops) -> str:
    digest = hashlib.blake2b(repr(crops.is_flat).encode(), digest_size=16)
    for image in crops.images:
        digest.update(repr(image.shape).encode())
        digest.update(image.tobytes())
    return digest.hexdigest()


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner=False)
def predictor_of(run: Run) -> Predictor:
    """Return the predictor of ``run``, which all visitors share. Models are loaded on first use.

    Raises:
        BadRun: the run has no probes for new images.
    """
    return Predictor(run)


def ask(run: Run, model: str, crops: Sequence[Crops]) -> list[Answer]:
    """Return the answer of a model for each image.

    Models are not downloaded for visitors without permission.

    Args:
        run: run that contains the probe of the model.
        model: name of a model, or `DETECTOR`.
        crops: crops of each image.

    Raises:
        ProbingError: the model is not available.
    """
    with nullcontext() if rights.allowed() else no_downloads():
        return _answers().of(run, model, crops, example_answers.recorded(run))


def is_recorded(run: Run, model: str, crops: Sequence[Crops]) -> bool:
    """Return whether the answers of a model are recorded, so that `ask` does not load it."""
    recorded = example_answers.recorded(run)
    return bool(recorded) and all((model, digest_of(image_crops)) in recorded for image_crops in crops)


def _answers() -> Answers:
    return st.session_state.setdefault("_answers", Answers())


def embed(run: Run, model: str, crops: Sequence[Crops]) -> np.ndarray:
    """Return the embeddings (N, D) of the full images. Arguments and errors are the same as for `ask`."""
    with nullcontext() if rights.allowed() else no_downloads():
        return np.stack([answer.prediction.embedding for answer in _answers().of(run, model, crops)])


def models_of(run: Run) -> tuple[str, ...]:
    """Return the names of the models that can predict new images, without loading the models.

    Raises:
        BadRun: the run has no probes for new images.
    """
    return run.live_models or predictor_of(run).models


def reference_set(run: Run, kind: str) -> ReferenceSet | None:
    """Return the reference set to which the detector compares images of ``kind``, or None if it does not exist."""
    return predictor_of(run).reference_sets.sets.get(kind)


def accuracies(run: Run) -> dict[str, float]:
    """Return the balanced accuracy of each model for classifying images as edited or clean.

    The accuracies are measured on photographs from other collections, which are similar to uploads. If the run has no
    answers for these photographs, the test photographs of the run are used.
    """
    return cache.computed(run, _accuracies)


def _accuracies(run: Run) -> dict[str, float]:
    rows = outside(run)
    rows = held_out(run, run.live_models) if rows.empty else rows
    return {str(model): accuracy(model_rows).value for model, model_rows in rows.groupby("model")} if len(rows) else {}


def most_accurate_first(run: Run) -> list[str]:
    """Return the models that can predict new images, with the most accurate model first."""
    accuracy_of = accuracies(run)
    return sorted(models_of(run), key=lambda model: -accuracy_of.get(model, 0.0))


def prepare(run: Run, models: Sequence[str]) -> threading.Thread | None:
    """Start a thread that loads the detector, if the run has one, and ``models``, so that the first answer is fast.

    Pages that request an answer in the meantime wait for this thread.

    Returns:
        The thread, or None if the run cannot predict new images. The page shows this error later.
    """
    try:
        predictor = predictor_of(run)
    except ProbingError:
        return None
    return _begin_to_load(predictor, [*([DETECTOR] if predictor.has_detector else []), *models], downloads=False)


def loading(run: Run, model: str) -> Iterator[None]:
    """Load ``model`` (a name or `DETECTOR`) in a thread, and yield every `HEARD_EVERY_S` seconds until it is loaded.

    Streamlit only handles the next action of the visitor when the script writes output, so pages write at every step.
    """
    thread = _begin_to_load(predictor_of(run), [model], rights.allowed())
    thread.join(HEARD_EVERY_S)
    while thread.is_alive():
        yield
        thread.join(HEARD_EVERY_S)


def _begin_to_load(predictor: Predictor, models: Sequence[str], downloads: bool) -> threading.Thread:
    def load() -> None:  # runs outside of a session, so it must not access the session state
        for model in models:
            # The page shows the error later. Continue with the other models.
            with suppress(ProbingError), nullcontext() if downloads else no_downloads():
                predictor.prepare(model)

    # A daemon thread would crash the process if the process ended during the import of PyTorch.
    thread = threading.Thread(target=load, name="load")
    thread.start()
    return thread


def crops_of(run: Run, picture: VisitorPicture) -> Crops:
    """Return the crops of ``picture`` for the models of ``run``. Crops are cached until the session ends."""
    return _crops_of(picture.key, run.recipe.view, picture.image)


@st.cache_resource(scope="session", max_entries=MAX_CACHED_CROPS, show_spinner=False)
def _crops_of(key: str, view: int, _image: np.ndarray) -> Crops:
    """Cut an image into crops. The cache key consists of ``key`` and ``view``."""
    return cut(_image, view)


def largest_edited(run: Run) -> int:
    """Return the maximum shorter side in pixels of edited images, which is the same as for calibration."""
    return LARGEST_ALTERED * run.recipe.view


def edited_crops(run: Run, picture: VisitorPicture, transform: Transform, strength: float) -> Crops:
    """Return the crops of the full image after a transformation, as if the visitor had uploaded the result.

    At the neutral strength, the crops of the original are returned.

    Raises:
        BadImage: the image is too small to be transformed.
    """
    original = crops_of(run, picture)
    if strength == transform.neutral:
        return original
    with computing:
        edited = edited_picture(picture.image, largest_edited(run), run.recipe.view, transform, strength)
    # The transformation of a photograph is a photograph, even if it is as smooth as a drawing.
    return replace(cut(edited, run.recipe.view), is_flat=original.is_flat)


def all_answers(
    run: Run, models: Sequence[str], crops: Mapping[str, Crops], prior: float
) -> Callable[[], pd.DataFrame]:
    """Return a function that computes the `class_table` with the answers of all models for all images.

    Models that are not available are omitted. The function can be called in any thread.

    Args:
        run: run that contains the probes.
        models: names of the models, which may include `DETECTOR`.
        crops: name of each image -> its crops.
        prior: assumed fraction of edited images.
    """
    answers, downloads = _answers(), rights.allowed()

    def table() -> pd.DataFrame:
        rows: list[Row] = []
        for model in models:
            with suppress(ProbingError), nullcontext() if downloads else no_downloads():
                of_images = answers.of(run, model, list(crops.values()))
                rows += [answer.row(name, prior) for name, answer in zip(crops, of_images, strict=True)]
        positions = {name: position for position, name in enumerate(crops)}
        return class_table(sorted(rows, key=lambda row: positions[row["image"]]))

    return table


def class_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a table of all classes in ``rows``, with the most probable class first for each image and model.

    An answer without classes has one row.

    Args:
        rows: rows as returned by `Predictor.predict`.
    """
    columns = ("image", "model", "crops", "edited", "answer", "unavailable", "no_color")
    return pd.DataFrame(
        [{name: row[name] for name in columns} | entry for row in rows for entry in row["classes"] or [{}]],
        columns=[*columns, "class", "group", "probability"],
    )

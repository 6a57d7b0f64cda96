"""Answers of models for images. Only this module loads models, and only when a page needs them.

Nothing here renders: functions return, or yield while a page waits, and `dashboard.widgets.asking` shows the progress.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from cachetools import LRUCache

from dashboard import rights
from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture
from probing_core.answers.answer import Answer
from probing_core.answers.answer_quality import accuracy
from probing_core.answers.crops import Crops, cut
from probing_core.answers.reference_sets import ReferenceSet
from probing_core.api.model_answers import held_out, outside
from probing_core.api.predictor import Predictor
from probing_core.compute.task_names import DETECTOR
from probing_core.errors import ProbingError
from probing_core.models.hub import no_downloads
from probing_core.results import Run

MAX_CACHED_ANSWERS = 512
"""Maximum number of answers in memory for one visitor, each of one model for one image."""

MAX_CACHED_CROPS = 64
"""Maximum number of images per visit whose crops are in memory; a page shows fewer."""

HEARD_EVERY_S = 0.1
"""Interval in seconds at which a page that waits for a model handles the visitor's actions."""

Row = dict[str, Any]


class Answers:
    """Answers for one visitor, each computed once per image, because pages request answers again at every change.

    They are deleted when the visit ends, because an answer contains the embedding of what may be an upload.
    """

    def __init__(self, largest: int = MAX_CACHED_ANSWERS) -> None:
        self._known: LRUCache[tuple[str, str, bytes], Answer] = LRUCache(largest)

    def of(self, run: Run, model: str, crops: Sequence[Crops]) -> list[Answer]:
        """Return the answers of `Predictor.ask`; all new images of a call form one batch."""
        keys = [(run.digest, model, _digest(image_crops)) for image_crops in crops]
        answers = {key: self._known[key] for key in keys if key in self._known}
        new = {key: image_crops for key, image_crops in zip(keys, crops, strict=True) if key not in answers}
        if new:
            answers |= dict(zip(new, predictor_of(run).ask(model, list(new.values())), strict=True))
            self._known.update({key: answers[key] for key in new})
        return [answers[key] for key in keys]


def _digest(crops: Crops) -> bytes:
    digest = hashlib.blake2b(repr(crops.is_flat).encode(), digest_size=16)
    for image in crops.images:
        digest.update(repr(image.shape).encode())
        digest.update(image.tobytes())
    return digest.digest()


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner=False)
def predictor_of(run: Run) -> Predictor:
    """Return the predictor of ``run``; its models are loaded when first needed and shared by all visitors.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return Predictor(run)


def ask(run: Run, model: str, crops: Sequence[Crops]) -> list[Answer]:
    """Return the answer of ``model`` (a name or `DETECTOR`) for each image, which is the same on every page.

    No model is downloaded for visitors without rights.

    Raises:
        ProbingError: the model is not available.
    """
    with nullcontext() if rights.allowed() else no_downloads():
        return _answers().of(run, model, crops)


def _answers() -> Answers:
    return st.session_state.setdefault("_answers", Answers())


def embed(run: Run, model: str, crops: Sequence[Crops]) -> np.ndarray:
    """Return the embeddings (N, D) of the full images; errors as in `ask`."""
    return np.stack([answer.prediction.embedding for answer in ask(run, model, crops)])


def models_of(run: Run) -> tuple[str, ...]:
    """Return the names of the models that can predict, without loading them.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return run.live_models or predictor_of(run).models


def reference_set(run: Run, kind: str) -> ReferenceSet | None:
    """Return the clean photographs with which the detector compares images of a kind."""
    return predictor_of(run).reference_sets.sets.get(kind)


def accuracies(run: Run) -> dict[str, float]:
    """Return model -> balanced accuracy of the decision "edited or not", without an interval, which would take long.

    It is measured on outside images, which resemble uploads, or if the run has none, on the test images of the run.
    """
    return cache.computed(run, _accuracies)


def _accuracies(run: Run) -> dict[str, float]:
    rows = outside(run)
    rows = held_out(run, run.live_models) if rows.empty else rows
    return {str(model): accuracy(model_rows).value for model, model_rows in rows.groupby("model")} if len(rows) else {}


def most_accurate_first(run: Run) -> list[str]:
    """Return the models that can predict, sorted by accuracy, most accurate first."""
    accuracy_of = accuracies(run)
    return sorted(models_of(run), key=lambda model: -accuracy_of.get(model, 0.0))


def prepare(run: Run, models: Sequence[str]) -> threading.Thread | None:
    """Start to import and load what the first answer requires: the detector, if there is one, and ``models``.

    A visitor who needs an answer in the meantime waits for this thread.

    Returns:
        The thread that loads; None if the run cannot predict, which the page reports with the first answer.
    """
    try:
        predictor = predictor_of(run)
    except ProbingError:
        return None
    return _begin_to_load(predictor, [*([DETECTOR] if predictor.has_detector else []), *models], downloads=False)


def loading(run: Run, model: str) -> Iterator[None]:
    """Load ``model``, a name or `DETECTOR`, in a thread, and yield every 0.1 s until it is loaded.

    Streamlit only handles the next action of the visitor when the page writes, so the page writes at every step.
    """
    thread = _begin_to_load(predictor_of(run), [model], rights.allowed())
    thread.join(HEARD_EVERY_S)
    while thread.is_alive():
        yield
        thread.join(HEARD_EVERY_S)


def _begin_to_load(predictor: Predictor, models: Sequence[str], downloads: bool) -> threading.Thread:
    def load() -> None:  # without a visitor: nothing here may ask Streamlit for one
        for model in models:
            # The page shows the error, too; the others are loaded.
            with suppress(ProbingError), nullcontext() if downloads else no_downloads():
                predictor.prepare(model)

    # Not a daemon: a process that ends while PyTorch is being imported would be aborted.
    thread = threading.Thread(target=load, name="load")
    thread.start()
    return thread


def crops_of(run: Run, picture: VisitorPicture) -> Crops:
    """Return the crops of ``picture`` for the models of ``run``, which are cut once per visit."""
    return _crops_of(picture.key, run.recipe.view, picture.image)


@st.cache_resource(scope="session", max_entries=MAX_CACHED_CROPS, show_spinner=False)
def _crops_of(key: str, view: int, _image: np.ndarray) -> Crops:
    """Cut an image; the crops are removed from memory at the end of the visit."""
    return cut(_image, view)


def class_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return all classes in ``rows`` of `Predictor.predict` as a table, the most probable first for each image and
    model; an answer without classes has one row."""
    columns = ("image", "model", "crops", "edited", "answer")
    return pd.DataFrame(
        [{name: row[name] for name in columns} | entry for row in rows for entry in row["classes"] or [{}]],
        columns=[*columns, "class", "group", "probability"],
    )

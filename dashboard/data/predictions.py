"""Predictions of models for pictures; models are loaded here alone, and only when a page asks for them.

Nothing here draws: functions return, or yield while a page waits, and `dashboard.widgets.asking` shows how far it is.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import rights
from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import THREADS, Preview, versions
from probing_core.api.predictor import Predictor
from probing_core.compute.live import tiles
from probing_core.compute.live.answer import Prediction
from probing_core.compute.live.tiles import PictureCrops
from probing_core.compute.names import DETECTOR
from probing_core.errors import ProbingError
from probing_core.models.hub import no_downloads
from probing_core.results import Run, stars
from probing_core.transforms import prepare_source, resolve

MAX_CACHED_PREDICTIONS = 4096
"""Predictions in memory at most, each of one picture and one model."""

MAX_CACHED_CROPS = 64
"""Pictures of one visit whose crops are in memory at most: more than a page shows together."""

HEARD_EVERY_S = 0.1
"""Seconds after which a page that waits for a model hears what the visitor has done meanwhile."""

Answer = dict[str, Any]
"""Answer of one model about one picture, as `Predictor.predict` returns it."""

_TURN = threading.Lock()
"""Lock of the models, which all visitors share: one prediction runs at a time."""


class Answers:
    """Predictions of the models of a run, each made once for a picture, since pages ask again at every change.

    Streamlit's cache knows one call at a time; here all new pictures of a call go through the model as one batch.

    Attributes:
        predictor: asked for what is not known yet.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._cached: OrderedDict[tuple[str, bytes], Prediction] = OrderedDict()

    def of(self, model: str, crops: Sequence[PictureCrops]) -> list[Prediction]:
        """Return what ``model`` predicts of each picture."""
        keys = [(model, _digest(each)) for each in crops]
        new = {key: each for key, each in zip(keys, crops, strict=True) if key not in self._cached}
        found = {key: self._cached[key] for key in keys if key not in new}
        if new:
            found |= dict(zip(new, self.predictor.predict_crops(model, list(new.values())), strict=True))
        for key, prediction in found.items():
            self._cached[key] = prediction
            self._cached.move_to_end(key)
        while len(self._cached) > MAX_CACHED_PREDICTIONS:
            self._cached.popitem(last=False)
        return [found[key] for key in keys]


@contextmanager
def turn() -> Iterator[None]:
    """Hold the models for the visitor of this session, who without rights has none downloaded."""
    with _TURN, nullcontext() if rights.allowed() else no_downloads():
        yield


def _digest(crops: PictureCrops) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for picture in crops.pictures:
        digest.update(repr(picture.shape).encode())
        digest.update(picture.tobytes())
    return digest.digest()


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner=False)
def answers_of(run: Run) -> Answers:
    """Return the answers of the models of ``run``, loaded when first needed and shared by all visitors.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return Answers(Predictor(run))


def predictor_of(run: Run) -> Predictor:
    """Return what `answers_of` asks."""
    return answers_of(run).predictor


def models_of(run: Run) -> tuple[str, ...]:
    """Return the names of the models that can predict, without loading them.

    Raises:
        BadRun: the run has no probes to predict with.
    """
    return run.live_models or predictor_of(run).models


def with_detector(run: Run, models: Sequence[str]) -> list[str]:
    """Return ``models`` with the detector of alterations before them, where the run has one."""
    return [*([DETECTOR] if predictor_of(run).has_detector else []), *models]


def hardly_detected(run: Run, large: bool, no_color: bool) -> tuple[str, ...]:
    """Return the groups of which the run's detector finds less than half, in pictures such as this."""
    power = predictor_of(run).judge(DETECTOR).power_at(large, no_color)
    return () if power is None else power.hardly_detected


def prepare(run: Run, models: Sequence[str]) -> threading.Thread | None:
    """Start the imports and the loading that the first prediction needs: the detector and ``models``.

    A visitor who asks meanwhile waits for the same load.

    Returns:
        The thread that loads; None where nothing can be asked, for which the page shows the error with the first
        prediction.
    """
    try:
        asked = predictor_of(run), with_detector(run, models)
    except ProbingError:
        return None
    # No daemon: a process that ends while PyTorch is being imported would be aborted.
    thread = threading.Thread(target=_prepare, args=asked, name="prepare")
    thread.start()
    return thread


def loading(run: Run, model: str) -> Iterator[None]:
    """Load ``model``, which is a name or `DETECTOR`, and yield again and again meanwhile; one that is loaded yields
    nothing, unless another visitor is answered first.

    Streamlit hears what the visitor does next when something is written, so the page writes at every step.
    """
    prepare_model = partial(_prepare, predictor_of(run), [model], downloads=rights.allowed())
    thread = threading.Thread(target=prepare_model, name="load")
    thread.start()
    thread.join(HEARD_EVERY_S)
    while thread.is_alive():
        yield
        thread.join(HEARD_EVERY_S)


def _prepare(predictor: Predictor, models: Sequence[str], downloads: bool = False) -> None:
    """Load ``models`` in a thread that has no visitor: nothing here may ask Streamlit for one."""
    for model in models:
        may_download = nullcontext() if downloads else no_downloads()
        with suppress(ProbingError), _TURN, may_download:  # the page shows the error, too; the others are prepared
            predictor.prepare(model)


def cut(run: Run, images: Sequence[np.ndarray]) -> list[PictureCrops]:
    """Return of each image what the models of ``run`` are given of it."""
    return predictor_of(run).cut(images)


def crops_of(run: Run, picture: VisitorPicture) -> PictureCrops:
    """Return what the models of ``run`` are given of ``picture``, which is cut once in a visit."""
    return _crops_of(picture.key, run.recipe.view, picture.image)


@st.cache_resource(scope="session", max_entries=MAX_CACHED_CROPS, show_spinner=False)
def _crops_of(key: str, view: int, _image: np.ndarray) -> PictureCrops:
    """Cut a picture; its pixels leave the memory with the visitor who brought it."""
    return tiles.cut(_image, view)


def ask(run: Run, model: str, crops: Sequence[PictureCrops]) -> list[Prediction]:
    """Return what ``model`` predicts of each picture, when it is this visitor's turn.

    Raises:
        ProbingError: the model cannot be asked.
    """
    with turn():
        return answers_of(run).of(model, crops)


def embed(run: Run, model: str, crops: Sequence[PictureCrops]) -> np.ndarray:
    """Return the embeddings (N, D) of pictures, seen whole; errors as of `ask`."""
    return np.stack([found.embedding for found in ask(run, model, crops)])


def predict(run: Run, model: str, crops: Sequence[PictureCrops], names: Sequence[str], task: str) -> list[Answer]:
    """Return the rows of `Predictor.predict` of images that were `cut`; errors as of `ask`."""
    return predictor_of(run).rows(crops, {model: ask(run, model, crops)}, task, names)


def class_table(rows: Sequence[Answer]) -> pd.DataFrame:
    """Return a table of all classes of each of the ``rows`` of `predict`, most probable first by image and model."""
    return pd.DataFrame(
        [
            {name: row[name] for name in ("image", "model", "task")}
            | one
            | {
                "crops": row["crops"],
                "known": row["known"],
                "verdict": row["verdict"]["answer"],
                "p": row["verdict"]["p"],
            }
            for row in rows
            for one in row["classes"]
        ],
        columns=["image", "model", "task", "class", "group", "probability", "crops", "known", "verdict", "p"],
    )


def crop_table(run: Run, crops: PictureCrops, model: str, task: str) -> pd.DataFrame:
    """Return the probabilities of the whole of a picture and of its tiles: a row for each class of ``task``, a column
    for each crop, by its number, the whole first, and ``answer``, the fusion of them all."""
    (prediction,) = ask(run, model, [crops])
    table = pd.DataFrame(prediction.crop_probabilities.T, index=list(prediction.classes))
    table = table.assign(answer=prediction.probabilities)
    if task == "group":
        table = table.groupby(list(prediction.groups), sort=False).sum()
    return table.rename_axis("class").sort_values("answer", ascending=False)


def rule_of(run: Run, model: str) -> str:
    """Return a sentence on where the fusion rule of ``model`` comes from."""
    if pictures := predictor_of(run).fusion_fitted_on(model):
        return f"The rule that makes one answer of them was fitted on {pictures:,} large pictures in training."
    return (
        "The rule that makes one answer of them is that before any fit, since this run learned from no picture of "
        "such a size: blur, noise and compression mostly from the tiles, everything else from both alike."
    )


def strength_curve(run: Run, preview: Preview, model: str) -> pd.DataFrame:
    """Return the answers of ``model`` as the strength grows; errors as of `ask`.

    Returns:
        ``model``, ``strength``, ``probability`` of the transform's own class (NaN if the probe has none),
        ``says`` (the most probable class) and ``shift``: cosine distance to the embedding of the clean view.
    """
    steps, name = preview.steps(), preview.transform.name
    found = ask(run, model, [PictureCrops(image) for step in steps for image in (step.before, step.after)])
    return pd.DataFrame(
        [
            {
                "model": model,
                "strength": step.strength,
                "probability": float(dict(zip(b.classes, b.probabilities, strict=True)).get(name, np.nan)),
                "says": b.classes[int(np.argmax(b.probabilities))],
                "shift": 1 - _cosine(a.embedding, b.embedding),
            }
            for step, a, b in zip(steps, found[::2], found[1::2], strict=True)
        ]
    )


def own_star(run: Run, image: np.ndarray, model: str) -> pd.DataFrame:
    """Return `stars.own_star` of a picture, under every transformation at its middle strength; errors as of `ask`."""
    source = prepare_source(image, run.recipe.view)
    strengths = cache.computed(run, stars.middle_strengths, model)
    entries = [(resolve(name), strength) for name, strength in strengths.items()]
    with ThreadPoolExecutor(THREADS) as threads:
        pairs = list(threads.map(lambda entry: versions(source, run.recipe.view, *entry), entries))
    X = embed(run, model, [PictureCrops(each) for pair in pairs for each in pair])
    return stars.own_star(run, cache.computed(run, stars.stars), model, X[::2], X[1::2])


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))

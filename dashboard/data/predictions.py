"""Live predictions: the only module of the dashboard that loads models, and only when a page asks for them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import rights
from dashboard.data import cache
from dashboard.data.previews import THREADS, Preview, versions
from dashboard.text import plain
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.live.answer import Prediction
from probing_core.compute.live.tiles import PictureCrops
from probing_core.compute.names import DETECTOR
from probing_core.embedders.hub import no_downloads
from probing_core.errors import ProbingError
from probing_core.prediction.predictor import Predictor
from probing_core.results import Run, mean_of, nearest, retrieval, stars
from probing_core.transforms import prepare_source, resolve

MAX_CACHED_PREDICTIONS = 4096
"""Predictions in memory at most, each of one picture and one model."""

MAX_EMBEDDED = 1000
"""Pictures of a gallery at most that are embedded here, where the run holds no embeddings of them."""

EMBEDDED_AT_ONCE = 32
"""Pictures of it between two steps of the progress bar."""

ASKING = "Asking the models"

HEARD_EVERY_S = 0.1
"""Seconds after which a page that waits for a model hears what the visitor has done meanwhile."""

Row = dict[str, Any]
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


class Gallery:
    """Embeddings of a run's gallery (`retrieval.gallery`), for a run that holds none.

    What is made stays, so that a visitor who leaves meanwhile costs nobody the work. Whoever calls holds `_turn`.

    Attributes:
        run: cuts the pictures as it did for its own embeddings.
        samples: of the run, that are the gallery.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.samples = run, cache.computed(run, retrieval.gallery)
        self._crops: list[PictureCrops] = []
        self._blocks: dict[str, list[np.ndarray]] = {}

    def rows(self, model: str) -> LazyRows:
        """Return the embeddings by ``model`` in the order of ``samples``, and show progress while they are made.

        Raises:
            PicturesMissing: a picture cannot be made.
        """
        total, blocks = len(self.samples), self._blocks.setdefault(model, [])
        if len(self._crops) < total or sum(map(len, blocks)) < total:
            bar = st.progress(0.0)
            while (done := len(self._crops)) < total:
                if done % EMBEDDED_AT_ONCE == 0:
                    bar.progress(done / total, f"Cutting photographs of the run: {done:,} of {total:,}")
                self._crops.append(PictureCrops(self.run.picture(int(self.samples[done]))[1]))
            while (done := sum(map(len, blocks))) < total:
                bar.progress(done / total, f"Embedding them by {plain(model)}: {done:,} of {total:,}")
                some = self._crops[done : done + EMBEDDED_AT_ONCE]
                found = predictor_of(self.run).predict_crops(model, some)
                blocks.append(np.stack([each.embedding for each in found]))
            bar.empty()
        return LazyRows(tuple(blocks))


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner=False)
def _gallery_of(run: Run) -> Gallery:
    return Gallery(run)


def embeds_gallery(run: Run) -> bool:
    """Return whether the run's gallery can be embedded here: its pictures can be made, and are not too many."""
    return len(cache.computed(run, retrieval.gallery)) <= MAX_EMBEDDED and not run.pictures.why_not


def searchable(run: Run, models: Sequence[str]) -> list[str]:
    """Return those of ``models`` that can search the run's gallery for a further picture: by embeddings that the run
    holds, or by such as are made here."""
    live = [model for model in models if model in run.live_models]
    return [model for model in live if run.has_embeddings(model) or embeds_gallery(run)]


def _gallery_rows(run: Run, model: str) -> LazyRows:
    """Return the embeddings of the run's gallery, of the run or made here; `_turn` must be held."""
    stored = run.lazy_embeddings(model)
    return _gallery_of(run).rows(model) if stored is None else stored.at(cache.computed(run, retrieval.gallery))


@contextmanager
def _turn() -> Iterator[None]:
    """Hold the models for the visitor of this session, who without rights has none downloaded."""
    with _TURN, nullcontext() if rights.allowed() else no_downloads():
        yield


def _digest(crops: PictureCrops) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for picture in crops.pictures:
        digest.update(repr(picture.shape).encode())
        digest.update(picture.tobytes())
    return digest.digest()


@st.cache_resource(hash_funcs=cache.BY_DIGEST, max_entries=2, show_spinner="Opening the run")
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


def hardly_detected(run: Run, large: bool) -> tuple[str, ...]:
    """Return the groups of which the run's detector finds less than half, in ``large`` pictures or in others."""
    power = predictor_of(run).judge(DETECTOR).power_at(large)
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


def load(run: Run, model: str, meanwhile: Callable[[], object]) -> None:
    """Load ``model``, which is a name or `DETECTOR`, while the page can be used; one that is loaded takes no time.

    Args:
        meanwhile: shows that it is being loaded. It is called again and again, since Streamlit hears what the visitor
            does next when something is written.
    """
    predictor = predictor_of(run)
    if predictor.is_prepared(model):
        return
    loading = threading.Thread(target=_prepare, args=(predictor, [model]), name="load")
    loading.start()
    while loading.is_alive():
        meanwhile()
        loading.join(HEARD_EVERY_S)


def _prepare(predictor: Predictor, models: Sequence[str]) -> None:
    """Load ``models`` in a thread that has no visitor: nothing here may ask Streamlit for one."""
    for model in models:
        with suppress(ProbingError), _TURN, no_downloads():  # the page shows the error, too; the others are prepared
            predictor.prepare(model)


def cut(run: Run, images: Sequence[np.ndarray]) -> list[PictureCrops]:
    """Return of each image what the models of ``run`` are given of it."""
    return predictor_of(run).cut(images)


def predict(
    run: Run,
    crops: Sequence[PictureCrops],
    names: Sequence[str],
    models: Sequence[str],
    task: str,
    meanwhile: str = ASKING,
) -> list[Row]:
    """Return the rows of `Predictor.predict` of images that were `cut`, and show progress meanwhile, since a model may
    have to be loaded first.

    A model that cannot predict has no rows, and the page states why.
    """
    answers, predictor = answers_of(run), predictor_of(run)

    def ask(model: str) -> list[Row]:
        return predictor.rows(crops, {model: answers.of(model, crops)}, task, names)

    return _ask_each(models, ask, meanwhile)


def similarity(
    run: Run, crops: Sequence[PictureCrops], names: Sequence[str], models: Sequence[str], text: str
) -> pd.DataFrame:
    """Return the rows of `Predictor.similarity` of images that were `cut`.

    A model that cannot be asked has no rows, and the page states why.
    """
    answers, predictor = answers_of(run), predictor_of(run)

    def ask(model: str) -> list[Row]:
        embeddings = np.stack([found.embedding for found in answers.of(model, crops)])
        return predictor.similarity_rows(embeddings, text, model, names)

    return pd.DataFrame(_ask_each(models, ask))


def class_table(rows: Sequence[Row]) -> pd.DataFrame:
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


def _ask_each(models: Sequence[str], ask: Callable[[str], list[Row]], meanwhile: str = ASKING) -> list[Row]:
    rows: list[Row] = []
    with st.spinner(meanwhile, show_time=True), _turn():
        for model in models:
            try:
                rows += ask(model)
            except ProbingError as error:  # the other models still answer
                st.warning(f"{plain(model)} could not be asked: {plain(str(error))}", icon=":material/error:")
    return rows


def _predicted(run: Run, crops: PictureCrops, model: str) -> Prediction:
    with _turn():
        return answers_of(run).of(model, [crops])[0]


def crop_table(run: Run, crops: PictureCrops, model: str, task: str) -> pd.DataFrame:
    """Return the probabilities of the whole of a picture and of its tiles: a row for each class of ``task``, a column
    for each crop, by its number, the whole first, and ``answer``, the fusion of them all."""
    prediction = _predicted(run, crops, model)
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


def neighbors(run: Run, crops: PictureCrops, model: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of the run whose embeddings by ``model`` are most similar to that of a picture; of a run that
    holds none, of its gallery.

    ``model`` must be `searchable`. Returned are indices and cosine similarities, each (count,).
    """
    query = _predicted(run, crops, model).embedding
    stored = run.lazy_embeddings(model)
    if stored is not None:
        return nearest(stored, query, count, cache.computed(run, _mean_embedding, model))
    with _turn():
        rows = _gallery_rows(run, model)
    found, similarity = nearest(rows, query, count)
    return cache.computed(run, retrieval.gallery)[found], similarity


def search_gallery(
    run: Run, before: np.ndarray, after: np.ndarray, models: Sequence[str], original: str, count: int
) -> dict[str, retrieval.Near]:
    """Return by model what of the run's gallery is near to ``after``, in positions in it.

    Args:
        original: id of the image that ``after`` was made from; empty if it is none of the run's, so that ``before``
            joins the gallery.
    """
    samples = cache.computed(run, retrieval.gallery)
    ids = run.sample_columns("image_id")["image_id"].to_numpy()[samples]

    def ask(model: str) -> list[Row]:
        rows = _gallery_rows(run, model)
        asked = [PictureCrops(image) for image in (after, before)]
        query, clean = (found.embedding for found in answers_of(run).of(model, asked))
        place = clean if not original else int(np.flatnonzero(ids == original)[0])
        return [{"model": model, "near": retrieval.search(rows, query, count, place)}]

    return {row["model"]: row["near"] for row in _ask_each(models, ask)}


def _mean_embedding(run: Run, model: str) -> np.ndarray:
    stored = run.lazy_embeddings(model)
    assert stored is not None
    return mean_of(stored)


def strength_curve(run: Run, preview: Preview, models: Sequence[str]) -> pd.DataFrame:
    """Return the answers of every model as the strength grows.

    As in `predict`, a model that cannot be asked has no rows.

    Returns:
        ``model``, ``strength``, ``probability`` of the transform's own class (NaN if the probe has none),
        ``says`` (the most probable class) and ``shift``: cosine distance to the embedding of the clean view.
    """
    answers, name = answers_of(run), preview.transform.name
    steps = preview.steps()
    pictures = [PictureCrops(image) for step in steps for image in (step.before, step.after)]

    def ask(model: str) -> list[Row]:
        predictions = answers.of(model, pictures)
        return [
            {
                "model": model,
                "strength": step.strength,
                "probability": float(dict(zip(b.classes, b.probabilities, strict=True)).get(name, np.nan)),
                "says": b.classes[int(np.argmax(b.probabilities))],
                "shift": 1 - _cosine(a.embedding, b.embedding),
            }
            for step, a, b in zip(steps, predictions[::2], predictions[1::2], strict=True)
        ]

    return pd.DataFrame(_ask_each(models, ask))


def own_star(run: Run, image: np.ndarray, model: str) -> pd.DataFrame:
    """Return `stars.own_star` of a picture, under every transformation at its middle strength.

    Empty where the model could not be asked; the page states why.
    """
    source = prepare_source(image, run.recipe.view)
    strengths = cache.computed(run, stars.middle_strengths, model)
    entries = [(resolve(name), strength) for name, strength in strengths.items()]
    every = cache.computed(run, stars.stars)
    with ThreadPoolExecutor(THREADS) as threads:
        pairs = list(threads.map(lambda entry: versions(source, run.recipe.view, *entry), entries))
    pictures = [PictureCrops(each) for pair in pairs for each in pair]

    def ask(model: str) -> list[Row]:
        X = np.stack([found.embedding for found in answers_of(run).of(model, pictures)])
        return [{"star": stars.own_star(run, every, model, X[::2], X[1::2])}]

    found = _ask_each([model], ask)
    return found[0]["star"] if found else pd.DataFrame()


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))

"""Makers of the files of a run: each reads what its row declares, and hands it to functions of arrays and tables.

A file that a row does not read, and an entry of the recipe that it does not depend on, are refused, so that no key
forgets an input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from probing_core.compute.claims.named import FINE
from probing_core.compute.claims.tables import GROUPS, claim_tables, model_results, models_of_claims
from probing_core.compute.image_selection import choose_images
from probing_core.compute.live.answer import LiveProbe, Prediction
from probing_core.compute.live.tiles import PictureCrops
from probing_core.compute.maps import map_table
from probing_core.compute.model_samples import ModelSamples, most_to_learn
from probing_core.compute.names import (
    CALIBRATED,
    DEPLOYMENT,
    DETECTOR,
    FUSION,
    NOVELTY,
    ORACLE,
    OTHER_PROBES,
    RENDERING,
    STRENGTH,
)
from probing_core.compute.readings import read_as
from probing_core.compute.scores import SCORED_COLUMNS, SCORING_FACTS, TASK_OF, score_rows
from probing_core.compute.star import Versions, make_star, star_rows
from probing_core.compute.studies import STUDIES
from probing_core.compute.studies.similarity import cka_table, untouched_rows
from probing_core.compute.tasks import CONTENT, classes_of
from probing_core.compute.train.linear import train_linear
from probing_core.compute.train.reuse import adopt
from probing_core.compute.train.tables import Trained
from probing_core.detector.detecting import detect
from probing_core.detector.detector import Detector
from probing_core.detector.learning import can_learn, learn_detector, learned_from, measure_units
from probing_core.detector.photographs import choose_photographs
from probing_core.detector.scoring import made_views, scored, scored_from
from probing_core.errors import BadRun
from probing_core.pipeline.scope import Scope, declared
from probing_core.prediction.loaded import LoadedModels
from probing_core.runs import layout
from probing_core.runs.embeddings import lazy_embeddings, read_embeddings
from probing_core.runs.engine import Artifact, Declared, Reader
from probing_core.runs.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.runs.models import require_same_model
from probing_core.runs.probes import read_live_probe, read_probe
from probing_core.runs.recipe import read_recipe
from probing_core.runs.store import Content, Files
from probing_core.transforms import FAR_CONTROL

SCORES = layout.scores_path(ANY_MODEL)
STAR, STAR_AXES = layout.star_path(ANY_MODEL), layout.star_axes_path(ANY_MODEL)
CKA = layout.table_path("cka")
DETECTOR_VIEWS = layout.scored_views_path(DETECTOR)

LIVE = (CALIBRATED, DEPLOYMENT, FUSION, NOVELTY)
"""Names of the files of live predictions; they are written with the probe of the task ``fine``."""


def choose_images_of(reader: Reader) -> Mapping[str, Content]:
    design, update = declared(reader.scope, reader.artifact), reader.scope.progress.update
    report = lambda done, total: update("images", done, total, "Reading images")  # noqa: E731
    return {layout.IMAGES: choose_images(design, reader.scope.corpora.own, report)}


def _model_samples(reader: Reader) -> ModelSamples:
    scope, model = reader.scope, reader.binding["model"]
    rendered = crops = None
    if reader.files.has(layout.series_table(RENDERING)) and scope.covers(model, RENDERING):
        columns = reader.files.read_table(layout.series_table(RENDERING), ["transform", "split"])
        rendered = columns, read_embeddings(reader.files, model, series=RENDERING)
    if reader.files.has(layout.CROPS) and reader.files.has(layout.crops_path(model)):
        table = reader.table(layout.CROPS)
        crops = (table, reader.files.read_arrays(layout.crops_path(model))["embeddings"]) if len(table) else None
    return ModelSamples(
        model=model,
        X=lazy_embeddings(reader.files, model),
        samples=reader.table(layout.SAMPLES),
        images=reader.table(layout.IMAGES),
        transforms=scope.transforms,
        seed=scope.recipe.seed,
        train_samples=most_to_learn(scope.recipe.train_samples, scope.entries[model]["dim"]),
        rendered=rendered,
        crops=crops,
    )


def train(reader: Reader, name: str, fit: Callable[[ModelSamples], Trained]) -> Mapping[str, Content]:
    return _trained(reader, name, fit(_model_samples(reader)))


def train_task(reader: Reader) -> Mapping[str, Content]:
    task = reader.binding.get("task", FINE)
    return _trained(reader, task, train_linear(_model_samples(reader), task))


def adopt_probes(reader: Reader) -> Mapping[str, Content]:
    task, model, source = reader.binding.get("task", FINE), reader.binding["model"], reader.source
    assert source is not None
    rounding = require_same_model(reader.scope.entries[model], source)
    names = (task, *(LIVE if task == FINE else ()))
    paths = {name: layout.probe_path(model, name) for name in names}
    probes = {name: source.read_bytes(path) if source.has(path) else None for name, path in paths.items()}
    same = read_recipe(source).fingerprint == reader.scope.recipe.fingerprint
    note = f"probes trained on embeddings of another {' and '.join(rounding)}" if rounding else ""
    learned = source.read_table(layout.IMAGES)
    return _trained(reader, task, adopt(_model_samples(reader), task, probes, learned, same, note))


def _trained(reader: Reader, name: str, trained: Trained) -> Mapping[str, Content]:
    """Return what was trained by its paths in the row; the fits are called ``name``."""

    def named(name: str) -> tuple[str, str]:
        return ANY_MODEL, ANY_TASK if name == reader.binding.get("task") else name

    found: dict[str, Content] = {layout.probe_path(*named(name)): content for name, content in trained.probes.items()}
    found |= {layout.predictions_path(*named(name)): table for name, table in trained.predictions.items()}
    return found | {layout.fits_path(*named(name)): trained.fits}


def copy_from_source(reader: Reader, path: str) -> Mapping[str, Content]:
    assert reader.source is not None
    name = reader.artifact.outputs[path]
    return {path: reader.source.read_bytes(name)}


def score(reader: Reader) -> Mapping[str, Content]:
    scope, model, files = reader.scope, reader.binding["model"], reader.files
    paths = {name: layout.predictions_path(model, name) for name in (*scope.tasks, ORACLE, OTHER_PROBES)}
    names = [name for name, path in paths.items() if path in reader.artifact.reads and files.has(path)]

    tasks = dict.fromkeys(TASK_OF.get(name, name) for name in names)
    # A probe of another run chooses among all that it learned, even if this run has fewer.
    classes = {
        task: classes_of(task, scope.transforms, reader.table(layout.IMAGES))
        if scope.learns
        else read_probe(files, model, task).classes
        for task in tasks
    }

    far = {t.name for t in scope.transforms if t.far}
    rows = []
    for name in names:  # one of the tables is in memory
        predictions = _tested(reader, model, name, SCORED_COLUMNS, SCORING_FACTS)
        fits = files.read_table(layout.fits_path(model, CONTENT if name == ORACLE else name))
        rows += score_rows(model, name, predictions, fits, classes, far)
    return {SCORES: pd.DataFrame(rows)}


def _tested(reader: Reader, model: str, name: str, columns: Sequence[str], facts: Sequence[str]) -> pd.DataFrame:
    """Return ``columns`` of a table of predictions with ``facts`` of each sample."""
    path = layout.predictions_path(model, name)
    reader.files.readable(path)  # refused where the row does not read it
    return reader.scope.samples.joined(path, columns, facts, once=False)


def join(reader: Reader) -> Mapping[str, Content]:
    tables = [reader.files.read_table(path) for path in reader.artifact.reads if reader.files.has(path)]
    return {reader.artifact.row.path: pd.concat(tables, ignore_index=True)}


def join_fits(reader: Reader) -> Mapping[str, Content]:
    names = [*reader.scope.tasks, OTHER_PROBES]
    paths = [layout.fits_path(model, name) for model in reader.scope.entries for name in names]
    tables = [reader.files.read_table(path) for path in paths if reader.files.has(path)]
    return {layout.FITS: pd.concat(tables, ignore_index=True)}


def make_study(reader: Reader) -> Mapping[str, Content]:
    path = reader.artifact.row.path
    study = next(one for one in STUDIES if layout.study_path(ANY_MODEL, one.name) == path)
    return {path: study.make(reader.scope.study_data(reader, study))}


def compare_spaces(reader: Reader) -> Mapping[str, Content]:
    samples, update = reader.table(layout.SAMPLES), reader.scope.progress.update
    rows = untouched_rows(samples, reader.table(layout.IMAGES))
    clean = {model: read_embeddings(reader.files, model, rows) for model in reader.scope.studied_models}
    report = lambda message, done, total: update("likeness", done, total, message)  # noqa: E731
    return {CKA: cka_table(clean, samples["base_id"].to_numpy()[rows], report)}


def decide_claims(reader: Reader) -> Mapping[str, Content]:
    scope, models = reader.scope, list(reader.scope.entries)
    far = {t.name for t in scope.transforms if t.far} - {FAR_CONTROL}
    results = {}
    for model in models_of_claims(models):
        tasks = (t for t in (FINE, *GROUPS, CONTENT) if reader.files.has(layout.predictions_path(model, t)))
        facts = ["base_id", "transform"]
        predictions = {t: _tested(reader, model, t, ["sample", "truth", "predicted"], facts) for t in tasks}
        results[model] = model_results(predictions, far)
    tables = claim_tables(models, results)
    return {layout.CLAIMS: tables.claims, layout.CONTRASTS: tables.contrasts, layout.ABLATIONS: tables.ablations}


def draw_map(reader: Reader, reading: str) -> Mapping[str, Content]:
    model, update = reader.binding["model"], reader.scope.progress.update
    report = lambda message: update("project", 0, 1, f"Drawing the map of {model}: {message}")  # noqa: E731
    samples = reader.table(layout.SAMPLES)[["sample", "image_id", "transform", "repetition"]]
    # Further repetitions are the same photographs at other strengths: they would hide these, in a file as large again.
    first = np.flatnonzero(samples["repetition"] == 0)
    samples = samples.iloc[first]
    X = read_as(lazy_embeddings(reader.files, model).at(first), samples, reading)
    return {layout.map_path(ANY_MODEL, reading): map_table(X, samples, reader.scope.recipe.seed, report)}


def draw_star(reader: Reader) -> Mapping[str, Content]:
    scope, model, files = reader.scope, reader.binding["model"], reader.files
    samples, transforms = reader.table(layout.SAMPLES), {t.name: t for t in scope.transforms if not t.far}
    rows = star_rows(samples, reader.table(layout.IMAGES), transforms)
    main = Versions(samples.iloc[rows], lazy_embeddings(files, model)[rows])
    series = None
    if files.has(layout.series_table(STRENGTH)) and scope.covers(model, STRENGTH):
        table = files.read_table(layout.series_table(STRENGTH))
        there = np.flatnonzero(table["image_id"].isin(main.rows["image_id"]))
        series = Versions(table.iloc[there], read_embeddings(files, model, there, STRENGTH))
    star = make_star(main, series, transforms)
    return {STAR: star.table, STAR_AXES: {"axes": star.axes, "unit": np.array([star.unit])}}


def choose_verdict_photographs(reader: Reader) -> Mapping[str, Content]:
    design, (corpus, *others) = declared(reader.scope, reader.artifact), reader.scope.corpora.all
    return {layout.VERDICT_PHOTOGRAPHS: choose_photographs(design, reader.table(layout.IMAGES), corpus, others)}


def learn_detector_of(reader: Reader) -> Mapping[str, Content]:
    """Make the detector, or nothing where there are too few photographs; what was measured survives a kill."""
    scope, files, key = reader.scope, reader.plan.files, reader.plan.ready_key(reader.artifact)
    photographs, design = reader.table(layout.VERDICT_PHOTOGRAPHS), declared(scope, reader.artifact)
    if not can_learn(photographs):
        return {}
    units = learned_from(photographs)
    paths = [layout.verdict_unit_path(DETECTOR, i) for i in range(len(units))]
    waiting = [i for i, path in enumerate(paths) if not files.has(path, key)]
    measured = measure_units(design, scope.corpora.all, [units[i] for i in waiting])
    for i, arrays in zip(waiting, measured, strict=True):
        files.write(paths[i], arrays, key)
        scope.progress.update("detector", i + 1, len(units), "Measuring views for the detector of alterations")
    detector = learn_detector([files.read_arrays(path) for path in paths], photographs, scope.transforms)
    # Scores of another detector would calibrate this one until its own are there.
    files.remove(layout.scored_views_path(DETECTOR))
    return {DETECTOR_FILE: detector.to_bytes()}


def score_views(reader: Reader) -> Mapping[str, Content] | None:
    """Make the scored views of a model, or of the detector; the models that come next are asked about the same views,
    and what was scored survives a kill."""
    scope, plan, files = reader.scope, reader.plan, reader.plan.files
    if DETECTOR_FILE in reader.artifact.reads and not files.has(DETECTOR_FILE):
        return {}  # there were too few photographs to learn one
    units = scored_from(reader.table(layout.VERDICT_PHOTOGRAPHS))
    keys = {_scoring(one): plan.key(one) for one in (reader.artifact, *plan.left(reader.later))}
    lacking = {
        i: models
        for i in range(len(units))
        if (models := [m for m, key in keys.items() if key and not files.has(layout.verdict_unit_table(m, i), key)])
    }
    if lacking and (gone := _missing_corpora(scope)):
        name = _scoring(reader.artifact)
        scope.progress.note(
            f"'{name}' answers without verdicts: the photographs that calibrate those of this run are not here. {gone}"
        )
        return None
    predict = _predicting(scope, {_scoring(one): Declared(files, one) for one in (reader.artifact, *reader.later)})
    made = made_views(declared(scope, reader.artifact), scope.corpora.all, [units[i] for i in lacking])
    for (i, models), views in zip(lacking.items(), made, strict=True):
        for model in models:
            table = scored(views, predict(model, [view.crops for view in views]) if views else [])
            files.write(layout.verdict_unit_table(model, i), table, str(keys[model]))
        scope.progress.update("verdicts", i + 1, len(units), "Scoring photographs for verdicts")
    model = _scoring(reader.artifact)
    parts = [files.read_table(layout.verdict_unit_table(model, i)) for i in range(len(units))]
    return {reader.artifact.row.path: pd.concat(parts, ignore_index=True)}


def _scoring(artifact: Artifact) -> str:
    """Return the model whose scored views an artifact holds, or the detector."""
    return artifact.binding.get("model", DETECTOR)


def _predicting(
    scope: Scope, files: Mapping[str, Files]
) -> Callable[[str, Sequence[PictureCrops]], Sequence[Prediction]]:
    """Return model, crops -> what the model, or the detector, predicts of them; each is read when it is first asked.

    Args:
        files: model, or detector -> what it may read.
    """
    models = LoadedModels(scope.options.device, scope.options.precision)

    @cache
    def detector() -> Detector:
        return Detector.from_bytes(files[DETECTOR].read_bytes(DETECTOR_FILE))

    @cache
    def probe(model: str) -> LiveProbe:
        return read_live_probe(files[model], model)

    def predict(model: str, crops: Sequence[PictureCrops]) -> Sequence[Prediction]:
        if model == DETECTOR:
            return detect(detector(), crops)
        embeddings = models.embed(scope.entries[model], [crop for picture in crops for crop in picture.pictures])
        return probe(model).predict(model, embeddings, crops)

    return predict


def _missing_corpora(scope: Scope) -> str:
    """Return why a corpus that verdicts are calibrated on is not here; empty where all are.

    Raises:
        BadRun: the run stands on no other, so that it is the run's own corpora that have gone.
    """
    try:
        _ = scope.corpora.all
    except BadRun as error:
        if scope.files.base is None:
            raise
        return str(error)
    return ""

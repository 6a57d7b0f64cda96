"""Makers of the files of a run: each reads what its row declares, and hands it to functions of arrays and tables.

A file that a row does not read is refused, so that no key forgets it; that none forgets an option is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from probing_core.compute.claims.named import FINE
from probing_core.compute.claims.tables import GROUP_TASKS, claim_tables, model_results, models_of_claims
from probing_core.compute.image_selection import choose_images
from probing_core.compute.live.answer import Prediction, predictions_of
from probing_core.compute.live.tiles import PictureCrops
from probing_core.compute.maps import map_table
from probing_core.compute.model_samples import ModelSamples, most_to_learn
from probing_core.compute.names import (
    CALIBRATED,
    DEPLOYMENT,
    DETECTOR,
    NOTICING,
    ORACLE,
    OTHER_PROBES,
    RENDERING,
)
from probing_core.compute.readings import read_as
from probing_core.compute.scores import SCORED_COLUMNS, SCORING_FACTS, TASK_OF, score_rows
from probing_core.compute.studies import Study
from probing_core.compute.studies.model_data import ModelData, SeriesData
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
from probing_core.run import layout
from probing_core.run.embeddings import lazy_blocks, lazy_embeddings, read_embeddings
from probing_core.run.engine import Reader
from probing_core.run.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.run.loaded import LoadedModels
from probing_core.run.options import PROJECT
from probing_core.run.probes import read_probe
from probing_core.run.sample_table import SampleTable
from probing_core.run.scope import Scope
from probing_core.run.store import Content
from probing_core.transforms import FAR_CONTROL, resolve

SCORES_OF_MODEL = layout.scores_path(ANY_MODEL)
DETECTOR_VIEWS = layout.scored_views_path(DETECTOR)

LIVE = (CALIBRATED, DEPLOYMENT, NOTICING)
"""Names of the files of live predictions; they are written with the probe of the task ``fine``."""


def choose_images_of(reader: Reader) -> Mapping[str, Content]:
    design, update = reader.scope.design, reader.scope.progress.update
    report = lambda done, total: update("images", done, total, "Reading images")  # noqa: E731
    return {layout.IMAGES: choose_images(design, reader.scope.corpora.own, report)}


def _model_samples(reader: Reader) -> ModelSamples:
    scope, model = reader.scope, reader.binding["model"]
    rendered = None
    live = reader.artifact.row.is_read(layout.series_table(RENDERING))  # only live answers are learned from it
    if live and reader.files.has(layout.series_table(RENDERING)) and scope.covers(model, RENDERING):
        columns = reader.files.read_table(layout.series_table(RENDERING), ["transform", "split", "base_id"])
        rendered = columns, read_embeddings(reader.files, model, series=RENDERING)
    return ModelSamples(
        model=model,
        X=lazy_embeddings(reader.files, model),
        samples=reader.table(layout.SAMPLES),
        images=reader.table(layout.IMAGES),
        transforms=scope.transforms,
        seed=scope.recipe.seed,
        train_samples=most_to_learn(scope.entries[model]["dim"]),
        rendered=rendered,
    )


def train(reader: Reader, name: str, fit: Callable[[ModelSamples], Trained]) -> Mapping[str, Content]:
    return _trained(reader, name, fit(_model_samples(reader)))


def train_task(reader: Reader) -> Mapping[str, Content]:
    task = reader.binding.get("task", FINE)
    return _trained(reader, task, train_linear(_model_samples(reader), task))


def adopt_probes(reader: Reader) -> Mapping[str, Content]:
    task, model, source = reader.binding.get("task", FINE), reader.binding["model"], reader.source
    assert source is not None
    rounding = reader.scope.rounding(model)
    names = (task, *(LIVE if task == FINE else ()))
    paths = {name: layout.probe_path(model, name) for name in names}
    probes = {name: source.read_bytes(path) if source.has(path) else None for name, path in paths.items()}
    note = f"probes trained on embeddings of another {' and '.join(rounding)}" if rounding else ""
    learned = source.read_table(layout.IMAGES)
    return _trained(reader, task, adopt(_model_samples(reader), task, probes, learned, reader.scope.learned_here, note))


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
    unscored = reader.artifact.options["unscored"]
    samples, rows = SampleTable(files), []
    for name in names:  # one of the tables is in memory
        predictions = samples.joined(paths[name], SCORED_COLUMNS, SCORING_FACTS, once=False)
        fits = files.read_table(layout.fits_path(model, CONTENT if name == ORACLE else name))
        rows += score_rows(model, name, predictions, fits, classes, far, unscored)
    return {SCORES_OF_MODEL: pd.DataFrame(rows)}


def join(reader: Reader) -> Mapping[str, Content]:
    tables = [reader.files.read_table(path) for path in reader.artifact.reads if reader.files.has(path)]
    return {reader.artifact.row.path: pd.concat(tables, ignore_index=True)}


def join_fits(reader: Reader) -> Mapping[str, Content]:
    names = [*reader.scope.tasks, OTHER_PROBES]
    paths = [layout.fits_path(model, name) for model in reader.scope.entries for name in names]
    tables = [reader.files.read_table(path) for path in paths if reader.files.has(path)]
    return {layout.FITS: pd.concat(tables, ignore_index=True)}


def make_study(reader: Reader, study: Study) -> Mapping[str, Content]:
    return {layout.study_path(ANY_MODEL, study.name): study.make(studied(reader, study))}


def studied(reader: Reader, study: Study) -> ModelData | SeriesData:
    """Return what ``study`` is made of; that of the last model is kept, with the fits that studies share."""
    data = reader.kept("samples", lambda: _model_data(reader))
    if not study.series:
        return data
    # What one study reads of a series serves those that declare the same files, and no others.
    return reader.kept((study.series, study.probe), lambda: _series_data(reader, study, data))


def _model_data(reader: Reader) -> ModelData:
    scope, model = reader.scope, reader.binding["model"]
    return ModelData(
        model=model,
        X=lazy_embeddings(reader.files, model),
        samples=reader.table(layout.SAMPLES),
        images=reader.table(layout.IMAGES),
        transforms={t.name: t for t in scope.transforms if not t.far},
        seed=scope.recipe.seed,
        learns=scope.learns,
    )


def _series_data(reader: Reader, study: Study, data: ModelData) -> SeriesData:
    return SeriesData(
        data,
        reader.files.read_table(layout.series_table(study.series)),
        lazy_blocks(reader.files, data.model, study.series),
        read_probe(reader.files, data.model, FINE) if study.probe else None,
    )


def decide_claims(reader: Reader) -> Mapping[str, Content]:
    scope, models = reader.scope, list(reader.scope.entries)
    far = {t.name for t in scope.transforms if t.far} - {FAR_CONTROL}
    samples, results = SampleTable(reader.files), {}
    for model in models_of_claims(models):
        paths = {task: layout.predictions_path(model, task) for task in (FINE, *GROUP_TASKS, CONTENT)}
        predictions = {
            task: samples.joined(path, ["sample", "truth", "predicted"], ["base_id", "transform"], once=False)
            for task, path in paths.items()
            if reader.files.has(path)
        }
        results[model] = model_results(predictions, far)
    tables = claim_tables(models, results)
    return {layout.CLAIMS: tables.claims, layout.CONTRASTS: tables.contrasts, layout.ABLATIONS: tables.ablations}


def draw_map(reader: Reader, reading: str) -> Mapping[str, Content]:
    model, update = reader.binding["model"], reader.scope.progress.update
    report = lambda message: update(PROJECT, 0, 1, f"Drawing the map of {model}: {message}")  # noqa: E731
    samples = reader.table(layout.SAMPLES)[["sample", "image_id", "transform", "repetition"]]
    # Further repetitions are the same photographs at other strengths: they would hide these, in a file as large again.
    first = np.flatnonzero(samples["repetition"] == 0)
    samples = samples.iloc[first]
    X = read_as(lazy_embeddings(reader.files, model).at(first), samples, reading)
    return {layout.map_path(ANY_MODEL, reading): map_table(X, samples, reader.scope.recipe.seed, report)}


def choose_verdict_photographs(reader: Reader) -> Mapping[str, Content]:
    design, (corpus, *others) = reader.scope.design, reader.scope.corpora.all
    return {layout.VERDICT_PHOTOGRAPHS: choose_photographs(design, reader.table(layout.IMAGES), corpus, others)}


def learn_detector_of(reader: Reader) -> Mapping[str, Content]:
    """Make the detector, or nothing where there are too few photographs; what was measured survives a kill."""
    scope, design = reader.scope, reader.scope.design
    photographs = reader.table(layout.VERDICT_PHOTOGRAPHS)
    if not can_learn(photographs):
        return {}
    units = learned_from(photographs)
    lacking = [i for i in range(len(units)) if not reader.has_piece(i)]
    made = measure_units(design, scope.corpora.all, [units[i] for i in lacking])
    for i, arrays in zip(lacking, made, strict=True):
        reader.write_piece(i, arrays)
        scope.progress.update("detector", i + 1, len(units), "Measuring views for the detector of alterations")
    measured = [reader.read_piece(i) for i in range(len(units))]
    return {DETECTOR_FILE: learn_detector(measured, photographs, scope.transforms).to_bytes()}


def score_views(reader: Reader) -> Mapping[str, Content] | None:
    """Make the scored views of a model, or of the detector; the models that come next are asked about the same views,
    and what was scored survives a kill."""
    scope = reader.scope
    if DETECTOR_FILE in reader.artifact.reads and not reader.files.has(DETECTOR_FILE):
        return {}  # there were too few photographs to learn one
    units = scored_from(reader.table(layout.VERDICT_PHOTOGRAPHS))
    readers = {_scoring(one): one for one in (reader, *reader.waiting)}
    lacking = {
        i: asked for i in range(len(units)) if (asked := [m for m, one in readers.items() if not one.has_piece(i)])
    }
    if lacking and (gone := _missing_corpora(scope)):
        name = _scoring(reader)
        scope.progress.note(
            f"'{name}' answers without verdicts: the photographs that calibrate those of this run are not here. {gone}"
        )
        return None
    models = LoadedModels(scope.options.device, scope.options.precision)
    predict = {name: _predicts(one, name, models) for name, one in readers.items()}
    made = made_views(scope.design, scope.corpora.all, [units[i] for i in lacking])
    for (i, asked), views in zip(lacking.items(), made, strict=True):
        for model in asked:
            table = scored(views, predict[model]([view.crops for view in views]) if views else [])
            readers[model].write_piece(i, table)
        scope.progress.update("verdicts", i + 1, len(units), "Scoring photographs for verdicts")
    parts = [reader.read_piece(i) for i in range(len(units))]
    return {reader.artifact.row.path: pd.concat(parts, ignore_index=True)}


def _predicts(reader: Reader, name: str, models: LoadedModels) -> Callable[[list[PictureCrops]], list[Prediction]]:
    """Return what predicts of pictures as live answers do."""
    if name == DETECTOR:
        return partial(detect, Detector.from_bytes(reader.files.read_bytes(DETECTOR_FILE)))
    probe, entry = read_probe(reader.files, name, DEPLOYMENT), reader.scope.entries[name]
    groups = tuple(resolve(one).group for one in probe.classes)

    def predict(crops: list[PictureCrops]) -> list[Prediction]:
        X = models.embed(entry, [crop for each in crops for crop in each.pictures])
        return predictions_of(name, probe.classes, groups, crops, probe.probabilities(X), X)

    return predict


def _scoring(reader: Reader) -> str:
    """Return the model whose scored views are made, or the detector."""
    return reader.binding.get("model", DETECTOR)


def _missing_corpora(scope: Scope) -> str:
    """Return why a corpus that verdicts are calibrated on is not here; empty where all are.

    Raises:
        BadRun: the run stands on no other, so that it is the run's own corpora that have gone.
    """
    try:
        _ = scope.corpora.all
    except BadRun as error:
        if not scope.stands_on_base:
            raise
        return str(error)
    return ""

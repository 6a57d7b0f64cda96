"""Makers of the files of a run: each gets the files that its row reads and the options that it names, and hands
them to functions of arrays and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from probing_core.compute.claim_tests import FINE
from probing_core.compute.claims import GROUP_TASKS, claim_tables, model_results, models_of_claims
from probing_core.compute.live import PictureCrops, Prediction, predictions_of
from probing_core.compute.maps import LANDMARKS, map_table, neighbor_table, read_as
from probing_core.compute.model_samples import ModelSamples, most_to_learn
from probing_core.compute.names import (
    CALIBRATED,
    DEPLOYMENT,
    DETECTOR,
    NOTICING,
    ORACLE,
    OTHER_PROBES,
    READINGS,
    RENDERING,
)
from probing_core.compute.samples import Design, choose_images, samples_on_maps
from probing_core.compute.scores import SCORED_COLUMNS, SCORING_FACTS, TASK_OF, score_rows
from probing_core.compute.studies import Study
from probing_core.compute.studies.data import SeriesData, StudiedModel
from probing_core.compute.tasks import CONTENT, classes_of
from probing_core.compute.train import Trained, train_linear
from probing_core.compute.workers import Workers
from probing_core.cores import cores
from probing_core.detector.detector import Detector, detect
from probing_core.detector.learning import can_learn, choose_photographs, learn_detector, learned_from, measure_units
from probing_core.detector.scoring import made_views, scored, scored_from
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.columns import SampleTable
from probing_core.run.engine import Given, Reads, Units
from probing_core.run.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.run.live import LoadedModels, read_probe
from probing_core.run.models import has_embeddings, lazy_blocks, lazy_embeddings, read_embeddings
from probing_core.run.options import EMBED, PROJECT
from probing_core.run.scope import Job
from probing_core.run.store import Content, RunFiles
from probing_core.transforms import FAR_CONTROL, resolve

DETECTOR_VIEWS = layout.scored_views_path(DETECTOR)

TASKS = (FINE, *GROUP_TASKS, CONTENT)
"""Tasks that a run may have, in order."""

LIVE = (CALIBRATED, DEPLOYMENT, NOTICING)
"""Names of the files of live predictions, which are written with the probe of the task ``fine``."""


def _design(given: Given) -> Design:
    named = {name: given.options[name] for name in DESCRIBING if name in given.options}
    transforms = given.options["transforms" if "transforms" in given.options else "warps"]
    return Design(transforms=transforms, threads=given.means.threads, **named)


DESCRIBING = ("view", "seed", "repetitions", "limit")


def choose_images_of(files: Reads, given: Given) -> pd.DataFrame:
    report = lambda done, total: given.means.progress.update("images", done, total, "Reading images")  # noqa: E731
    return choose_images(_design(given), given.options["fingerprint"].own, report)


def embed_units(made: Sequence[Units], series: str) -> None:
    """Make units of the samples of ``series``, and of their embeddings by several models, which share the pictures."""
    means = made[0].given.means
    total, jobs = len(means.sample_sets[series].units), dict[int, list[Job]]()
    for units in made:
        model = units.given.binding.get("model", "")
        for unit in units.lacking(total):
            job = Job(series, unit, model, means.requests.get(model, ""), units.key, units.artifact.unit(unit))
            jobs.setdefault(unit, []).append(job)
    stage = series or EMBED
    doing = f"Embedding the {series} series" if series else "Transforming and embedding"
    means.progress.update(stage, total - len(jobs), total, doing)
    for position, written in enumerate(means.executor.work([jobs[unit] for unit in sorted(jobs)]), 1):
        made[0].enter(written)
        for units in made:
            units.pack()
        means.progress.update(stage, total - len(jobs) + position, total, doing)


def _model_samples(files: Reads, given: Given) -> ModelSamples:
    model = given.binding["model"]
    rendered = None
    if has_embeddings(files, model, RENDERING):
        columns = files.read_table(layout.series_table(RENDERING), ["transform", "split", "base_id"])
        rendered = columns, read_embeddings(files, model, series=RENDERING)
    known = _known(files, given)
    return ModelSamples(**known, train_samples=most_to_learn(known["X"].shape[1]), rendered=rendered)


def _known(files: Reads, given: Given) -> dict[str, Any]:
    return {
        "model": given.binding["model"],
        "X": lazy_embeddings(files, given.binding["model"]),
        "samples": files.table(layout.SAMPLES),
        "images": files.table(layout.IMAGES),
        "transforms": given.options["classes"],
        "seed": given.options["seed"],
    }


def train_task(files: Reads, given: Given) -> Mapping[str, Content]:
    task = given.binding.get("task", FINE)
    return train(files, given, task, partial(train_linear, name=task))


def train(files: Reads, given: Given, name: str, fit: Callable[[ModelSamples], Trained]) -> Mapping[str, Content]:
    """Return what ``fit`` trains by its paths in the row; the fits are called ``name``."""
    trained = fit(_model_samples(files, given))

    def named(name: str) -> tuple[str, str]:
        return ANY_MODEL, ANY_TASK if name == given.binding.get("task") else name

    found: dict[str, Content] = {layout.probe_path(*named(name)): content for name, content in trained.probes.items()}
    found |= {layout.predictions_path(*named(name)): table for name, table in trained.predictions.items()}
    return found | {layout.fits_path(*named(name)): trained.fits}


def score(files: Reads, given: Given) -> pd.DataFrame:
    model, transforms = given.binding["model"], given.options["classes"]
    paths = {name: layout.predictions_path(model, name) for name in (*TASKS, ORACLE, OTHER_PROBES)}
    names = [name for name, path in paths.items() if files.has(path)]

    tasks = dict.fromkeys(TASK_OF.get(name, name) for name in names)
    classes = {task: classes_of(task, transforms, files.table(layout.IMAGES)) for task in tasks}

    far = {t.name for t in transforms if t.far}
    samples, rows = SampleTable(files), []
    for name in names:  # one of the tables is in memory at a time
        predictions = samples.joined(paths[name], SCORED_COLUMNS, SCORING_FACTS, once=False)
        fits = files.read_table(layout.fits_path(model, CONTENT if name == ORACLE else name))
        rows += score_rows(model, name, predictions, fits, classes, far, given.options["unscored"])
    return pd.DataFrame(rows)


def join(files: Reads, given: Given) -> pd.DataFrame:
    return pd.concat([files.read_table(path) for path in files.paths if files.has(path)], ignore_index=True)


def join_fits(files: Reads, given: Given) -> pd.DataFrame:
    names = [*TASKS, OTHER_PROBES]
    paths = [layout.fits_path(model, name) for model in given.options["models"] for name in names]
    return pd.concat([files.read_table(path) for path in paths if files.has(path)], ignore_index=True)


def make_study(files: Reads, given: Given, study: Study) -> pd.DataFrame:
    return study.make(studied(files, given, study))


def studied(files: Reads, given: Given, study: Study) -> StudiedModel | SeriesData:
    """Return the input of ``study``; that of the last model is kept, with what studies share."""
    if "samples" not in given.kept:
        given.kept["samples"] = StudiedModel(**_known(files, given))
    data = given.kept["samples"]
    if not study.series:
        return data
    name = study.series, study.probe
    if name not in given.kept:
        given.kept[name] = SeriesData(
            data,
            files.read_table(layout.series_table(study.series)),
            lazy_blocks(files, data.model, study.series),
            read_probe(files, data.model, FINE) if study.probe else None,
        )
    return given.kept[name]


def decide_claims(files: Reads, given: Given) -> Mapping[str, Content]:
    models = given.options["claims"]
    far = {t.name for t in given.options["classes"] if t.far} - {FAR_CONTROL}
    samples, results = SampleTable(files), {}
    for model in models_of_claims(models):
        paths = {task: layout.predictions_path(model, task) for task in (FINE, *GROUP_TASKS, CONTENT)}
        predictions = {
            task: samples.joined(path, ["sample", "truth", "predicted"], ["base_id", "transform"], once=False)
            for task, path in paths.items()
            if files.has(path)
        }
        results[model] = model_results(predictions, far)
    tables = layout.CLAIMS, layout.ROLES, layout.CONTRASTS, layout.ABLATIONS
    return dict(zip(tables, claim_tables(models, results), strict=True))


def choose_verdict_photographs(files: Reads, given: Given) -> pd.DataFrame:
    corpus, *others = given.options["fingerprint"].all
    return choose_photographs(_design(given), files.table(layout.IMAGES), corpus, others)


def measure_for_detector(made: Sequence[Units]) -> None:
    """Measure units of the views that the detector learns from; none where there are too few photographs."""
    for units in made:
        photographs, given = units.files.table(layout.VERDICT_PHOTOGRAPHS), units.given
        if not can_learn(photographs):
            continue
        chosen = learned_from(photographs)
        lacking = units.lacking(len(chosen))
        measured = measure_units(_design(given), given.options["fingerprint"].all, [chosen[i] for i in lacking])
        for i, arrays in zip(lacking, measured, strict=True):
            units.write(i, arrays)
            given.means.progress.update(
                "detector", i + 1, len(chosen), "Measuring views for the detector of alterations"
            )


def learn_detector_of(files: Reads, given: Given) -> bytes | None:
    if not given.parts:
        return None
    measured = [files.read_arrays(part) for part in given.parts]
    photographs = files.table(layout.VERDICT_PHOTOGRAPHS)
    return learn_detector(measured, photographs, given.options["transforms"]).to_bytes()


def score_views(made: Sequence[Units]) -> None:
    """Score units of the views that calibrate verdicts: models and the detector get the same views."""
    given = made[0].given
    means, corpora = given.means, given.options["fingerprint"]
    units = scored_from(made[0].files.table(layout.VERDICT_PHOTOGRAPHS))
    # With too few photographs, there is no detector.
    named = [(one.given.binding.get("model", DETECTOR), one) for one in made]
    asked = {name: one for name, one in named if name != DETECTOR or one.files.has(DETECTOR_FILE)}
    lacking: dict[int, list[str]] = {}
    for name, one in asked.items():
        for i in one.lacking(len(units)):
            lacking.setdefault(i, []).append(name)
    if not lacking:
        return
    try:
        photographs = corpora.all
    except BadRun as error:
        if not means.stands_on_base:  # it is the run's own corpora that have gone
            raise
        means.progress.note(
            f"{', '.join(asked)}: no verdicts, since the photographs that calibrate those of this run are not here. "
            f"{error}"
        )
        return
    models = LoadedModels(means.options.device, means.options.precision)
    predict = {name: _predicts(one.files, name, models) for name, one in asked.items()}
    views_of = made_views(_design(given), photographs, [units[i] for i in sorted(lacking)])
    for i, views in zip(sorted(lacking), views_of, strict=True):
        for name in lacking[i]:
            table = scored(views, predict[name]([view.crops for view in views]) if views else [])
            asked[name].write(i, table)
        means.progress.update("verdicts", i + 1, len(units), "Scoring photographs for verdicts")


def _predicts(files: Reads, name: str, models: LoadedModels) -> Callable[[list[PictureCrops]], list[Prediction]]:
    if name == DETECTOR:
        return partial(detect, Detector.from_bytes(files.read_bytes(DETECTOR_FILE)))
    probe, entry = read_probe(files, name, DEPLOYMENT), files.read_toml(layout.model_path(name))
    groups = tuple(resolve(one).group for one in probe.classes)

    def predict(crops: list[PictureCrops]) -> list[Prediction]:
        X = models.embed(entry, [crop for each in crops for crop in each.pictures])
        return predictions_of(name, probe.classes, groups, crops, probe.probabilities(X), X)

    return predict


FEW_SAMPLES = 5000
"""Largest number of samples for which one process draws all maps: another takes seconds to start."""

MEMORY_OF_WORKER = 600 * 2**20
"""Bytes used by a process that draws a map, without embeddings."""

COPIES = 5
"""Copies of the landmarks' embeddings in memory while a map is drawn."""


DRAWN = {
    path(ANY_MODEL, reading): (reading, path is layout.neighbors_path)
    for path in (layout.map_path, layout.neighbors_path)
    for reading in READINGS
}
"""Path of a row -> its reading, and whether it is for neighbors."""


def draw(made: Sequence[Units]) -> None:
    """Make the missing maps and tables of neighbors, in parallel where cores and memory allow."""
    lacking = [units for units in made if units.lacking(1)]
    if not lacking:
        return
    means, files = lacking[0].given.means, lacking[0].files
    shapes = [lazy_embeddings(one.files, one.given.binding["model"]).shape for one in lacking]
    count = min(maps_at_once(shapes[0][0], max(dim for _, dim in shapes), means.options.jobs), len(lacking))
    says = [one.artifact.row.doing.format(**one.given.binding) for one in lacking]
    with ExitStack() as stack:
        each = stack.enter_context(Workers(count)).map if count > 1 else map
        tables = each(partial(_drawn, files.root), map(_asked, lacking))
        for done, (units, table) in enumerate(zip(lacking, tables, strict=True), 1):
            units.write(0, table)
            means.progress.update(PROJECT, done, len(lacking), says[min(done, len(lacking) - 1)])


def _asked(units: Units) -> tuple[str, str, Any, list[str]]:
    """Return what `_drawn` needs: the row's path, the model, the seed of a map, and the transformations of the far
    tier, which are on maps but are no neighbors."""
    options = units.given.options
    far = [t.name for t in options.get("classes", ()) if t.far]
    return units.artifact.row.path, units.given.binding["model"], options.get("seed"), far


def _drawn(root: Path, asked: tuple[str, str, Any, list[str]]) -> pd.DataFrame:
    path, model, seed, far = asked
    files, (reading, near) = RunFiles(root), DRAWN[path]
    with threadpool_limits(1):  # the bytes do not depend on how many are made at once
        columns = ["sample", "image_id", "base_id", "transform", "repetition", "draw"]
        samples = files.read_table(layout.SAMPLES, columns)
        rows = samples_on_maps(samples, files.read_table(layout.IMAGES))
        samples = samples.iloc[rows].reset_index(drop=True)
        X = read_as(lazy_embeddings(files, model).at(rows), samples, reading)
        if not near:
            return map_table(X, samples, seed)
        named = np.flatnonzero(~samples["transform"].isin(far))
        return neighbor_table(X.at(named), samples.iloc[named])


def maps_at_once(samples: int, dim: int, jobs: int | None) -> int:
    """Return how many processes draw maps of embeddings at once, up to ``jobs``, by default one per core; fewer than
    two mean this process."""
    if samples <= FEW_SAMPLES:
        return 1
    memory = MEMORY_OF_WORKER + COPIES * 4 * dim * min(samples, LANDMARKS)
    return min(jobs or cores(), int(psutil.virtual_memory().available // memory))

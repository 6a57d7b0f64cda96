"""Steps of the ``train`` stage in runs with ``--calibrate-on``: the detector, and scored crops for calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from probing_core.answers.crops import Crops, Prediction, predictions_of
from probing_core.compute.task_names import DEPLOYMENT, DETECTOR, FINE
from probing_core.detector.detector import Detector, detect
from probing_core.detector.learning import can_learn, choose_photographs, learn_detector, learned_from, measure_units
from probing_core.detector.scoring import made_views, scored, scored_from
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.directory import Content
from probing_core.run.layout import DETECTOR_FILE
from probing_core.run.live import LoadedModels, read_probe
from probing_core.run.models import embeds_pictures
from probing_core.run.options import TRAIN
from probing_core.run.run_files import Inputs
from probing_core.run.train import train_step
from probing_core.run.units import Units
from probing_core.run.work import IMAGES_STEP, Work, model_step
from probing_core.transforms import resolve

PHOTOGRAPHS_STEP = f"{layout.VERDICTS}photographs"
PHOTOGRAPHS_CODE_VERSION = 4
DETECTOR_STEP = f"{layout.VERDICTS}detector"
DETECTOR_CODE_VERSION = 3


def views_step(model: str) -> str:
    """Return the step that scores the crops for calibration, for a model or the detector (`DETECTOR`)."""
    return f"{layout.VERDICTS}detector-scores" if model == DETECTOR else f"{layout.model_folder(model)}verdicts"


def calibrate(work: Work) -> None:
    """Select photographs, train the detector, and score crops with the detector and all models."""
    if work.recipe.calibrate_on:
        select_photographs(work)
        train_detector(work)
        score_views(work)


def _inputs(work: Work) -> Inputs:
    """Return the inputs on which the detector and the calibration of answers depend.

    The suffix " own ids" marks corpora whose photograph IDs are only unique within the corpus.
    """
    named = zip(work.recipe.calibrate_on, work.recipe.calibrate_fingerprints, strict=True)
    has_global_ids = ("parquet", "reference")
    corpora = [digest if name.partition(":")[0] in has_global_ids else f"{digest} own ids" for name, digest in named]
    return {**work.prepared, "calibrate_on": corpora, "alternatives": work.alternatives}


def select_photographs(work: Work) -> None:
    """Select the photographs for training the detector and for calibrating and testing answers."""

    def compute() -> Mapping[str, Content]:
        corpus, *calibration_corpora = work.corpora.all
        return {layout.VERDICT_PHOTOGRAPHS: choose_photographs(work.design, work.images, corpus, calibration_corpora)}

    inputs = {"code_version": PHOTOGRAPHS_CODE_VERSION, **_inputs(work), **work.run.keys(IMAGES_STEP)}
    work.step(TRAIN, PHOTOGRAPHS_STEP, inputs, "Selecting photographs for calibration", compute)


def train_detector(work: Work) -> None:
    """Train the detector for edited images. Nothing is written if there are too few photographs."""
    inputs = {"code_version": DETECTOR_CODE_VERSION, **_inputs(work), **work.run.keys(PHOTOGRAPHS_STEP)}
    if not work.run.needs(DETECTOR_STEP, inputs):
        return
    chosen = work.run.table(layout.VERDICT_PHOTOGRAPHS)
    if not can_learn(chosen):
        work.run.save(DETECTOR_STEP, inputs, {})
        return
    planned, units = learned_from(chosen), Units(work.run, DETECTOR_STEP, inputs)
    missing = units.missing(len(planned))
    measured = measure_units(work.design, work.corpora.all, [planned[i] for i in missing])
    for i, arrays in zip(missing, measured, strict=True):
        units.write(i, arrays)
        work.progress.update("detector", i + 1, len(planned), "Computing features for the detector")
    with work.timed(DETECTOR_STEP):  # excluding the features, whose duration depends on the photographs
        features = [work.run.read_arrays(path) for path in units.paths()]
        detector = learn_detector(features, chosen, work.transforms).to_bytes() if features else None
        work.run.save(DETECTOR_STEP, inputs, {DETECTOR_FILE: detector})
    units.remove()


def score_views(work: Work) -> None:
    """Score the crops that are used to calibrate and test answers. All models and the detector score the same crops."""
    needed = {name: inputs for name, inputs in _scorers(work).items() if work.run.needs(views_step(name), inputs)}
    if not needed:
        return
    planned = scored_from(work.run.table(layout.VERDICT_PHOTOGRAPHS))
    all_units = {name: Units(work.run, views_step(name), inputs) for name, inputs in needed.items()}
    # With too few photographs, there is no detector.
    scoring = [name for name in needed if name != DETECTOR or work.run.has(DETECTOR_FILE)]
    missing: dict[int, list[str]] = {}
    for name in scoring:
        for i in all_units[name].missing(len(planned)):
            missing.setdefault(i, []).append(name)
    if missing and not _score_missing(work, planned, missing, all_units):
        return
    for name, units in all_units.items():
        units.save_table(layout.scored_views_path(name))


def _scorers(work: Work) -> dict[str, Inputs]:
    """Return the inputs of the scores of the detector and of each model that can embed new images.

    Models of the base that have no scores are excluded.
    """
    shared = {"code_version": 4, **_inputs(work), **work.run.keys(PHOTOGRAPHS_STEP)}
    scorers: dict[str, Inputs] = {DETECTOR: {**shared, **work.run.keys(DETECTOR_STEP)}}
    for name, entry in work.models.items():
        is_copied = not work.run.is_own(model_step(name)) and model_step(name) in work.run.records
        if embeds_pictures(entry) and (not is_copied or views_step(name) in work.run.records):
            scorers[name] = {**shared, **work.run.keys(model_step(name), train_step(name, FINE))}
    return scorers


def _score_missing(
    work: Work, planned: Sequence[Sequence[dict]], missing: Mapping[int, list[str]], all_units: Mapping[str, Units]
) -> bool:
    """Score missing units. Returns False if the photographs are not available, which is an error except in a copy."""
    names = sorted({name for names in missing.values() for name in names}, key=list(all_units).index)
    try:
        corpora = work.corpora.all
    except BadRun as error:
        if work.run.base is None:
            raise
        work.progress.note(
            f"Answers from {', '.join(names)} cannot be calibrated, because photographs are not available. {error}"
        )
        return False
    models = LoadedModels(work.options.device, work.options.precision)
    predict = {name: _predictor(work, name, models) for name in names}
    views_by_unit = made_views(work.design, corpora, [planned[i] for i in sorted(missing)])
    for i, views in zip(sorted(missing), views_by_unit, strict=True):
        for name in missing[i]:
            table = scored(views, predict[name]([view.crops for view in views]) if views else [])
            all_units[name].write(i, table)
        work.progress.update("verdicts", i + 1, len(planned), "Scoring photographs for calibration")
    return True


def _predictor(work: Work, name: str, models: LoadedModels) -> Callable[[list[Crops]], list[Prediction]]:
    if name == DETECTOR:
        return partial(detect, Detector.from_bytes(work.run.read_bytes(DETECTOR_FILE)))
    probe, entry = read_probe(work.run, name, DEPLOYMENT), work.run.read_toml(layout.model_path(name))
    groups = tuple(resolve(class_name).group for class_name in probe.classes)

    def predict(crops: list[Crops]) -> list[Prediction]:
        X = models.embed(entry, [crop for image_crops in crops for crop in image_crops.images])
        return predictions_of(name, probe.classes, groups, crops, probe.probabilities(X), X)

    return predict

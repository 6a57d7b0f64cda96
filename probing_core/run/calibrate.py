"""Assets of the ``train`` stage in runs with ``--calibrate-on``: the detector, and scored crops for calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from probing_core.answers.crops import Crops, Prediction, predictions_of
from probing_core.compute.task_names import DEPLOYMENT, DETECTOR
from probing_core.detector.detector import Detector, detect
from probing_core.detector.learning import can_learn, choose_photographs, learn_detector, learned_from, measure_units
from probing_core.detector.scoring import made_views, scored, scored_from
from probing_core.errors import BadRun
from probing_core.run import layout
from probing_core.run.asset_options import CALIBRATION, corpora_of, design_of, transforms_of
from probing_core.run.assets import UNPARTITIONED, Asset, Context, InputFiles, PartitionKey, Stage, UnitWriter
from probing_core.run.embed import images, model
from probing_core.run.layout import ANY_MODEL, DETECTOR_FILE, probe_path
from probing_core.run.live import LoadedModels, read_probe
from probing_core.run.models import embeds_pictures
from probing_core.run.options import TRAIN
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.train import fine
from probing_core.transforms import resolve

stage = Stage(TRAIN)


def once_if_calibrated(run: RunSnapshot) -> Sequence[PartitionKey]:
    """Return one partition key if the run has calibration corpora, and none otherwise."""
    return UNPARTITIONED if run.recipe.calibrate_on else ()


@stage.asset(
    layout.VERDICT_PHOTOGRAPHS,
    partitions=once_if_calibrated,
    dependencies=(images,),
    options=CALIBRATION,
    code_version=4,
    message="Selecting photographs for calibration",
)
def photographs(files: InputFiles, context: Context) -> pd.DataFrame:
    """Select the photographs for training the detector and for calibrating and testing answers."""
    corpus, *calibration_corpora = corpora_of(context).all
    return choose_photographs(design_of(context), files.table(layout.IMAGES), corpus, calibration_corpora)


def measure_views(writers: Sequence[UnitWriter]) -> None:
    """Compute missing units of detector features for training crops.

    Nothing is computed if there are too few photographs.
    """
    for writer in writers:
        chosen, context = writer.files.table(layout.VERDICT_PHOTOGRAPHS), writer.context
        if not can_learn(chosen):
            continue
        units = learned_from(chosen)
        missing = writer.missing(len(units))
        measured = measure_units(design_of(context), corpora_of(context).all, [units[i] for i in missing])
        for i, arrays in zip(missing, measured, strict=True):
            writer.write(i, arrays)
            message = "Computing features for the detector"
            context.resources.progress.update("detector", i + 1, len(units), message)


@stage.asset(
    DETECTOR_FILE,
    partitions=once_if_calibrated,
    dependencies=(photographs,),
    options=CALIBRATION,
    code_version=3,
    compute_units=measure_views,
    message="Computing features for the detector",
)
def detector(files: InputFiles, context: Context) -> bytes | None:
    """Train the detector for edited images. Nothing is written if there are too few photographs."""
    if not context.units:
        return None
    measured = [files.read_arrays(unit) for unit in context.units]
    chosen = files.table(layout.VERDICT_PHOTOGRAPHS)
    return learn_detector(measured, chosen, transforms_of(context)).to_bytes()


def score_views(writers: Sequence[UnitWriter]) -> None:
    """Compute missing units of scores for the crops used to calibrate and test answers.

    All models and the detector score the same crops.
    """
    context = writers[0].context
    resources, corpora = context.resources, corpora_of(context)
    units = scored_from(writers[0].files.table(layout.VERDICT_PHOTOGRAPHS))
    # With too few photographs, there is no detector.
    named = [(writer.context.key.get("model", DETECTOR), writer) for writer in writers]
    by_name = {name: writer for name, writer in named if name != DETECTOR or writer.files.has(DETECTOR_FILE)}
    missing: dict[int, list[str]] = {}
    for name, writer in by_name.items():
        for i in writer.missing(len(units)):
            missing.setdefault(i, []).append(name)
    if not missing:
        return
    try:
        all_corpora = corpora.all
    except BadRun as error:
        if not resources.is_copy:  # copies do not need the corpora of the original run
            raise
        resources.progress.note(
            f"Answers from {', '.join(by_name)} cannot be calibrated, because photographs are not available. {error}"
        )
        return
    models = LoadedModels(resources.options.device, resources.options.precision)
    predict = {name: _predictor(writer.files, name, models) for name, writer in by_name.items()}
    views_by_unit = made_views(design_of(context), all_corpora, [units[i] for i in sorted(missing)])
    for i, views in zip(sorted(missing), views_by_unit, strict=True):
        for name in missing[i]:
            table = scored(views, predict[name]([view.crops for view in views]) if views else [])
            by_name[name].write(i, table)
        resources.progress.update("verdicts", i + 1, len(units), "Scoring photographs for calibration")


def _predictor(files: InputFiles, name: str, models: LoadedModels) -> Callable[[list[Crops]], list[Prediction]]:
    if name == DETECTOR:
        return partial(detect, Detector.from_bytes(files.read_bytes(DETECTOR_FILE)))
    probe, entry = read_probe(files, name, DEPLOYMENT), files.read_toml(layout.model_path(name))
    groups = tuple(resolve(class_name).group for class_name in probe.classes)

    def predict(crops: list[Crops]) -> list[Prediction]:
        X = models.embed(entry, [crop for image_crops in crops for crop in image_crops.images])
        return predictions_of(name, probe.classes, groups, crops, probe.probabilities(X), X)

    return predict


detector_views = stage.add(
    Asset(
        path=layout.scored_views_path(DETECTOR),
        description="Detector scores of the crops used to calibrate and test answers.",
        stage=TRAIN,
        partitions=once_if_calibrated,
        dependencies=(photographs, detector),
        options=CALIBRATION,
        code_version=4,
        compute_units=score_views,
        message="Scoring photographs for calibration",
    )
)


def _scored_models(run: RunSnapshot) -> Sequence[PartitionKey]:
    if not run.recipe.calibrate_on or not run.sample_sets:
        return ()
    store = run.store

    def is_scored(name: str) -> bool:
        """Return True unless the model was copied from another run without its scores."""
        is_copied = "pinned" in (store.entry(layout.model_path(name)) or {})
        return not is_copied or store.entry(layout.scored_views_path(name)) is not None

    return [{"model": name} for name, entry in run.models.items() if embeds_pictures(entry) and is_scored(name)]


model_views = stage.add(
    Asset(
        path=layout.scored_views_path(ANY_MODEL),
        description="Model scores of the crops used to calibrate and test answers.",
        stage=TRAIN,
        partitions=_scored_models,
        dependencies=(photographs, model, fine.output(probe_path(ANY_MODEL, DEPLOYMENT))),
        options=CALIBRATION,
        code_version=4,
        compute_units=score_views,
    )
)

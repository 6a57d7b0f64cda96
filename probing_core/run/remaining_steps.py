"""The remaining steps of a run, for its progress bar (`probing_core.run.stages`) and `probing_core.run.estimate`.

A step consists of a number of units of one kind of work. `GUESSED` contains default times per unit. The duration of
computations on embeddings is estimated with formulas, which are scaled to this machine by timing the fit of a linear
probe on synthetic data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from probing_core.compute.maps import LANDMARKS
from probing_core.compute.sampling.probe_tasks import CONTENT, classes_of
from probing_core.compute.studies.study_data import FIT_IMAGES
from probing_core.compute.task_names import FINE, LAYERS, OTHER_PROBES, PROJECTIONS, RENDERING
from probing_core.compute.training.probe_training import MAX_TO_LEARN
from probing_core.compute.training.quick_protocol import QUICK_PHOTOGRAPHS
from probing_core.detector import learning, scoring
from probing_core.errors import BadCorpus, BadRun
from probing_core.models import find_spec
from probing_core.models.model_names import parse
from probing_core.probes.linear import METRIC_ROWS, fit
from probing_core.run import layout
from probing_core.run.assets import Partition
from probing_core.run.engine import Plan
from probing_core.run.layout import ANY_MODEL
from probing_core.run.models import embeds_pictures
from probing_core.run.options import EMBED, EVALUATE, PROJECT, TRAIN
from probing_core.run.progress import LOADING, Expected
from probing_core.run.project import maps_at_once
from probing_core.run.snapshot import RunSnapshot

TYPICAL_DIMENSION = 768
TYPICAL_BLOCKS = 12
"""Assumed embedding dimension and number of layers of a network that has not been loaded yet."""

LEARNED, EDITED, CLEAN_ONLY = "learned from", "edited", "clean only"
"""Kinds of photographs: used to train the detector, scored with and without edits, or only scored without edits."""

VIEWS = {
    LEARNED: 2 + learning.CLEAN_VIEWS + learning.WIDER_CLEAN_VIEWS + learning.BANK_VIEWS + learning.ALTERNATIVE_VIEWS,
    EDITED: scoring.VIEWS_OF_PHOTOGRAPH,
    CLEAN_ONLY: 2,
}
"""Default number of crops per photograph of each kind."""

MADE, EMBEDDED, BLOCKS, FEATURES = "made", "embedded", "blocks", "features"
LOADED, CALCULATED, MAP_BEGUN, MAPPED = "loaded", "calculated", "map begun", "mapped"

Unit = tuple[str, str]
"""A kind of work, and the experiment or model to which it applies (an empty string if there is none).

The units are samples to transform (`MADE`), samples to embed (`EMBEDDED`, or `BLOCKS` for every layer), models to load
and compile (`LOADED`), crops whose features are computed (`FEATURES`), photographs of one of the kinds in `VIEWS`, maps
to start (`MAP_BEGUN`), samples on a map (`MAPPED`), and seconds estimated with the formulas (`CALCULATED`).
"""

GUESSED = {
    MADE: 0.0015,
    EMBEDDED: 0.004,
    BLOCKS: 0.004,
    LOADED: 2.0,
    FEATURES: 0.008,
    MAP_BEGUN: 3.0,
    MAPPED: 0.0015,
    LEARNED: VIEWS[LEARNED] * 0.005,
    EDITED: VIEWS[EDITED] * 0.0015,
    CLEAN_ONLY: VIEWS[CLEAN_ONLY] * 0.0015,
}
"""Default time per unit of each kind of work, in seconds."""


@dataclass(frozen=True)
class Step:
    """A part of the remaining work.

    Attributes:
        name: name for `Progress.update`, such as a stage or the path of a partition. Several steps can share a name.
        stage: name of the stage, as in `Report`.
        phase: displayed name of the kind of work.
        model: name of the model, or an empty string for work that all models share.
        unit: kind of work.
        amount: number of units.
    """

    name: str
    stage: str
    phase: str
    model: str
    unit: Unit
    amount: float = 1.0

    def seconds(self, measured: Mapping[Unit, float]) -> float:
        if self.unit[0] == CALCULATED:
            return self.amount * slowness()
        return self.amount * measured.get(self.unit, GUESSED[self.unit[0]])


def foreseen(plan: Plan) -> Plan:
    """Return a plan that includes models that have not been loaded yet. The images must have been selected."""
    snapshot = plan.snapshot
    if not snapshot.unloaded:
        return plan
    later = snapshot.with_loaded_models()
    later.models = dict(snapshot.models)
    for request in snapshot.unloaded:
        spec, name = find_spec(request), parse(request).full
        blocks = [] if spec.family in ("baseline", "precomputed") else [f"{i}.mean" for i in range(TYPICAL_BLOCKS)]
        entry = {"name": name, "request": request, "position": 0, "family": spec.family, "objective": spec.objective}
        later.models[name] = entry | {"dim": spec.dim or TYPICAL_DIMENSION, "blocks": blocks, "recipe": {}}
    return later.plan(plan.graph)


def steps_left(plan: Plan, views: Mapping[str, float] = VIEWS) -> list[Step]:
    """Return the remaining steps of a run, in order. The images of the run must have been selected.

    Args:
        plan: plan of the run (see `foreseen`).
        views: number of crops per photograph of each kind.
    """
    return [*_embedding(plan), *_verdicts(plan, views), *_calculating(plan), *_drawing(plan)]


def by_name(steps: list[Step]) -> dict[str, Expected]:
    """Combine the default times of steps with the same name, for use with `Progress.expect`."""
    steps_by_name: dict[str, Expected] = {}
    for step in steps:
        # Calibration mostly consists of embedding, so it is assumed to have the same pace as the `EMBED` stage.
        expected = Expected(EMBED if step.name == "verdicts" else step.stage, 0.0, is_guessed=step.stage == EMBED)
        steps_by_name.setdefault(step.name, expected).seconds += step.seconds({})
    return steps_by_name


def embedding_left(plan: Plan) -> list[tuple[str, str, int]]:
    """Return the numbers of samples that remain to be embedded or transformed.

    Returns:
        Tuples of experiment, model and number of samples. The model is an empty string for samples to transform.
    """
    work = []
    for series, sample_set in plan.snapshot.sample_sets.items():
        missing: dict[str, set[int]] = {"": set()}
        for model in ("", *plan.snapshot.models):
            path = layout.embeddings_folder(model, series) if model else layout.series_table(series)
            if (partition := plan.partitions.get(path)) is not None and plan.pending([partition]):
                missing[model] = set(plan.missing_units(partition, len(sample_set.units)))
        missing[""] = set().union(*missing.values())  # an image is transformed once for all models
        sizes = [unit.stop - unit.start for unit in sample_set.units]
        work += [(series, model, sum(sizes[unit] for unit in units)) for model, units in missing.items() if units]
    return work


def _embedding(plan: Plan) -> Iterator[Step]:
    left = [(series, plan.snapshot.models.get(model), samples) for series, model, samples in embedding_left(plan)]
    for request in dict.fromkeys(entry["request"] for _, entry, _ in left if entry is not None):
        yield Step(LOADING, LOADING, "Loading and compiling", request, (LOADED, request))
    passes = dict[tuple[str, Unit], int]()
    for series, entry, samples in left:
        if entry is None:
            passes[series, (MADE, series)] = samples
        elif embeds_pictures(entry):  # all layers of a model are computed in one pass
            passes.setdefault((series, (BLOCKS if series == LAYERS else EMBEDDED, entry["request"])), samples)
    for (series, unit), samples in passes.items():
        phase, model = ("Transforming", "") if unit[0] == MADE else ("Embedding", unit[1])
        yield Step(series or EMBED, EMBED, phase, model, unit, samples)


def _verdicts_left(plan: Plan) -> list[Partition]:
    """Return the missing and stale partitions of the detector and the scored views, which are computed in units."""
    return [partition for partition in plan.pending(plan.select(TRAIN)) if partition.asset.compute_units is not None]


def photographs_left(plan: Plan) -> dict[str, list[dict[Any, Any]]]:
    """Return the photographs of each kind (`VIEWS`) that remain to be processed.

    The result is empty if the photographs cannot be selected. In this case, the run raises an error when it needs them.
    """
    left = _verdicts_left(plan)
    if not left or plan.is_unavailable(layout.VERDICT_PHOTOGRAPHS):
        return {}
    if plan.pending([plan.partitions[layout.VERDICT_PHOTOGRAPHS]]):
        try:
            corpus, *calibrating = plan.snapshot.corpora.all
            table = learning.choose_photographs(plan.snapshot.design, plan.snapshot.images, corpus, calibrating)
        except (BadCorpus, BadRun):
            return {}
    else:
        table = plan.store.read_table(layout.VERDICT_PHOTOGRAPHS)

    def missing(units: Sequence[Sequence[dict[Any, Any]]], of_detector: bool) -> list[dict[Any, Any]]:
        partitions = [partition for partition in left if (partition.path == layout.DETECTOR_FILE) == of_detector]
        indices = {index for partition in partitions for index in plan.missing_units(partition, len(units))}
        return [row for index in sorted(indices) for row in units[index]]

    scored = missing(scoring.scored_from(table), of_detector=False)
    return {
        LEARNED: missing(learning.learned_from(table) if learning.can_learn(table) else [], of_detector=True),
        EDITED: [row for row in scored if row["altered"]],
        CLEAN_ONLY: [row for row in scored if not row["altered"]],
    }


def _verdicts(plan: Plan, views: Mapping[str, float]) -> Iterator[Step]:
    counts = {kind: len(rows) for kind, rows in photographs_left(plan).items() if rows}
    if learned := counts.pop(LEARNED, 0):
        yield Step("detector", TRAIN, "Detector", "", (LEARNED, ""), learned)
        yield Step("detector", TRAIN, "Detector", "", (CALCULATED, ""), 2 * MLP_S * VIEWS[LEARNED] * learned)
    if counts:
        crops = sum(views[kind] * count for kind, count in counts.items())
        parts = [*(((kind, ""), float(count)) for kind, count in counts.items()), ((FEATURES, ""), crops)]
        models = [partition.key["model"] for partition in _verdicts_left(plan) if "model" in partition.key]
        for request in (plan.snapshot.models[model]["request"] for model in models):
            parts += [((LOADED, request), 1.0), ((EMBEDDED, request), crops)]
        yield from (Step("verdicts", TRAIN, "Calibration", "", unit, amount) for unit, amount in parts)


def _calculating(plan: Plan) -> Iterator[Step]:
    work = Calculations(plan.snapshot)
    for stage, phase in ((TRAIN, "Training probes"), (EVALUATE, "Scores and studies")):
        for partition in plan.pending(plan.select(stage)):
            if partition.asset.compute_units is None:
                model = partition.key.get("model", "")
                yield Step(partition.path, stage, phase, model, (CALCULATED, ""), work.seconds(partition))


def _drawing(plan: Plan) -> Iterator[Step]:
    drawn, mapped = plan.pending(plan.select(PROJECT)), Calculations(plan.snapshot).mapped
    if drawn:
        yield Step(PROJECT, PROJECT, "Maps", drawn[0].key["model"], (MAP_BEGUN, ""))
    neighbors = [layout.neighbors_path(ANY_MODEL, projection) for projection in PROJECTIONS]
    for partition in drawn:  # in parallel, each on one core
        model = partition.key["model"]
        dim = int(plan.snapshot.models[model]["dim"])
        at_once = min(len(drawn), max(1, maps_at_once(mapped, dim, plan.snapshot.options.jobs)))
        unit, amount = (MAPPED, ""), float(min(mapped, LANDMARKS))
        if partition.asset.path in neighbors:
            unit, amount = (CALCULATED, ""), VOTE_S * mapped**2 * dim
        yield Step(PROJECT, PROJECT, "Maps", model, unit, amount / at_once)


# Seconds on the machine on which the formulas were fitted:
FIT_S = 0.05  # to fit a linear probe of any size
SPAN_S = 3e-10  # to project onto the span of the rows if there are fewer rows than dimensions, per rows² × dimensions
PASS_S = 1.27e-8  # to run the optimizer for one penalty, per row × dimension × class
METRIC_S = 1.2e-10  # to compute the metric of the optimizer, per dimensions² × (rows + dimensions)
LIVE_S = 0.4  # to calibrate the probe for new images
MLP_S = 1.0e-3  # to train an MLP, per row; the embedding dimension is ignored, because hidden layers are wider
VOTE_S = 2.0e-10  # to find nearest neighbors, per pair of rows and dimension
TABLE_S = 0.2  # to score a table of predictions
FEW_TABLE_S = 0.02  # to score a table with too few photographs for the bootstrap, or to join tables
PREDICTION_S = 2.0e-5  # to score a table, additionally per row
STUDY_S = 0.1  # to compute a study
THRESHOLD_S = 0.2  # to compute the study of thresholds, additionally per class

PENALTY_GRID_COST = 5.0
"""Cost of a penalty grid as a multiple of the cost of one penalty.

It is less than the number of penalties, because each fit is initialized with previous solutions.
"""

SHORT_GRID_COST = 2.25
"""Cost of a penalty grid for content probes, which have few rows, and for studies, which use every other penalty."""

STUDY_FITS = {"selectivity": 2, "layers": 6}
"""Name of a study -> number of probes that it fits on about `FIT_IMAGES` images."""


def fits_s(rows: float, dim: float, classes: int, fits: float = 1, penalties: float = 1) -> float:
    """Estimate the time in seconds for fitting linear probes.

    Args:
        rows: number of training rows.
        dim: embedding dimension.
        classes: number of classes.
        fits: number of probes.
        penalties: cost of the penalty grid, as a multiple of the cost of one penalty.
    """
    span = SPAN_S * rows**2 * dim if rows < dim else 0.0
    dim = min(rows, dim)
    work = PASS_S * rows * dim * classes + METRIC_S * dim**2 * (min(rows, METRIC_ROWS) + dim)
    return fits * (FIT_S + span + penalties * work)


class Calculations:
    """Estimator of the time to compute partitions from embeddings, excluding the time to write files.

    Attributes:
        mapped: number of samples on a map.
    """

    def __init__(self, snapshot: RunSnapshot) -> None:
        used, learned = snapshot.images[snapshot.images["used"]], [t for t in snapshot.transforms if not t.far]
        counts: Any = used["split"].value_counts() if snapshot.has_splits else {"train": len(used), "test": len(used)}
        self._snapshot, self._images, self._photographs = snapshot, len(used), used["base_id"].nunique()
        self._train, self._test = int(counts.get("train", 0)), int(counts.get("test", 0))
        self._classes, self._groups = len(learned), len({t.group for t in learned})
        self.mapped = round(self._test * len(snapshot.sample_sets[""]) / max(1, len(used)))

    def seconds(self, partition: Partition) -> float:
        folder, _, name = partition.asset.path.removesuffix(layout.PARQUET).rpartition("/")
        if partition.asset.path == layout.scores_path(ANY_MODEL):
            tables = len(partition.dependencies) / 3  # predictions, fits and probes
            predicted = self._test * self._classes * self._snapshot.recipe.repetitions
            return tables * ((TABLE_S if self._snapshot.has_splits else FEW_TABLE_S) + PREDICTION_S * predicted)
        if "model" not in partition.key:
            return FEW_TABLE_S
        dim, classes = int(self._snapshot.models[partition.key["model"]]["dim"]), self._classes
        if partition.asset.path == layout.quick_path(ANY_MODEL):
            rows = min(self._train, QUICK_PHOTOGRAPHS["train"]) * classes
            return fits_s(rows, dim, classes, penalties=PENALTY_GRID_COST)
        if folder.endswith("/studies"):
            rows, thresholds = min(self._train, FIT_IMAGES) * classes, THRESHOLD_S * classes * (name == "thresholds")
            return STUDY_S + thresholds + fits_s(rows, dim, classes, STUDY_FITS.get(name, 0), SHORT_GRID_COST)
        return self._probes(name, dim)

    def _probes(self, task: str, dim: int) -> float:
        classes, is_fine = self._classes, task == FINE
        rows: float = self._train * classes
        if task == OTHER_PROBES:
            learned, tested = min(MAX_TO_LEARN, rows), (self._images - self._train) * classes
            return 3 * MLP_S * learned + VOTE_S * learned * tested * dim
        if task == CONTENT:  # each probe is trained on one transformation
            labels = len(classes_of(CONTENT, self._snapshot.transforms, self._snapshot.images))
            return fits_s(self._train, min(self._train, dim), labels, classes, SHORT_GRID_COST)
        rows *= self._snapshot.recipe.repetitions
        if not is_fine:  # some transformations of each group are held out
            rows, classes = rows * 2 / 3, self._groups
        if not self._snapshot.has_splits:  # one fit per fold, one fit on all photographs, and one for new images
            return LIVE_S * is_fine + fits_s(rows, dim, classes, min(5, self._photographs) + 1 + is_fine)
        path = fits_s(rows, dim, classes, penalties=PENALTY_GRID_COST)
        if not is_fine:
            return path
        # The probe for new images selects its own penalty, and is then fitted on all rows and on each four fifths.
        rows = classes * self._images + len(self._snapshot.sample_sets.get(RENDERING, ()))
        selected = fits_s(rows * self._train / self._images, dim, classes, penalties=PENALTY_GRID_COST)
        return LIVE_S + path + selected + 5 * fits_s(rows, dim, classes)


MEASURED_S = 0.048
"""Duration in seconds of the fit in `slowness`, on the machine on which the formulas were fitted."""


@cache
def slowness() -> float:
    """Time a probe fit, and return its duration relative to `MEASURED_S`. The result is cached."""
    rng, rows, dim, classes = np.random.default_rng(0), 2048, 192, 31
    y = np.arange(rows) % classes
    X = (rng.normal(size=(classes, dim))[y] * 0.25 + rng.normal(size=(rows, dim))).astype(np.float32)
    held_out, names = (X[: rows // 4], y[: rows // 4]), [str(i) for i in range(classes)]
    fit_probe = partial(fit, classes=names, validation=held_out, penalties=(1e-2,))
    fit_probe(X[::8], y[::8])  # the first fit allocates memory
    began = time.perf_counter()
    fit_probe(X, y)
    return (time.perf_counter() - began) / MEASURED_S

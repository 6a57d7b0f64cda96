"""Estimated duration of a run, and the images that it will leave out.

The remaining work is a list of steps, each with a number of units of one kind of work. The progress bar of a run uses
`GUESSED` seconds per unit. `estimate` measures each kind on a part of the work: the workers transform some samples of
every series, every model is loaded and embeds them, and some photographs for the detector and for calibration are
measured. This machine is compared with the one on which the constants below were measured by fitting a linear probe and
drawing a map of synthetic data. Nothing is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.maps import LANDMARKS
from probing_core.compute.runtime.parallel import image_pool, threads
from probing_core.compute.sampling.probe_tasks import CONTENT, classes_of
from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.studies.study_data import FIT_IMAGES
from probing_core.compute.task_names import FINE, LAYERS, OTHER_PROBES, PROJECTIONS, RENDERING
from probing_core.compute.training.probe_training import MAX_TO_LEARN
from probing_core.compute.training.quick_protocol import QUICK_PHOTOGRAPHS
from probing_core.detector.features import features
from probing_core.detector.learning import (
    ALTERNATIVE_VIEWS,
    BANK_VIEWS,
    CLEAN_VIEWS,
    WIDER_CLEAN_VIEWS,
    can_learn,
    choose_photographs,
    learned_from,
    learned_transforms,
    measure_photograph,
)
from probing_core.detector.scoring import VIEWS_OF_PHOTOGRAPH, scored_from, views_of_row
from probing_core.errors import BadCorpus, BadRun, ModelUnavailable
from probing_core.images import Image
from probing_core.measures.notation import model_title, text_table
from probing_core.models import find_spec, locate
from probing_core.models.model_names import parse
from probing_core.models.processor import resolve_device
from probing_core.models.untrained import Download, load_or_build
from probing_core.probes.linear import METRIC_ROWS, fit
from probing_core.run import layout
from probing_core.run.assets import Partition
from probing_core.run.definitions import GRAPH
from probing_core.run.embed import to_load
from probing_core.run.embedding_worker import describe, load_if_it_fits
from probing_core.run.engine import Plan
from probing_core.run.layout import ANY_MODEL, IMAGES, RECIPE
from probing_core.run.models import embeds_pictures, in_order
from probing_core.run.options import EMBED, EVALUATE, PROJECT, STAGES, TRAIN, Options
from probing_core.run.progress import LOADING, SILENT, Expected, Progress, duration
from probing_core.run.project import maps_at_once
from probing_core.run.sample_sets import plan_sample_sets
from probing_core.run.setup import asked_for
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Store

TYPICAL_DIMENSION = 768
"""Assumed embedding dimension of a network that has not been loaded yet."""

TYPICAL_BLOCKS = 12
"""Assumed number of blocks in a network that has not been loaded yet."""

LEARNED, EDITED, CLEAN_ONLY = "learned from", "edited", "clean only"
"""Kinds of calibration photographs: photographs on whose views the detector is trained, and photographs that the
detector and the models score, with edits or only clean."""

VIEWS = {
    LEARNED: 1 + CLEAN_VIEWS + WIDER_CLEAN_VIEWS + BANK_VIEWS + ALTERNATIVE_VIEWS + 1,
    EDITED: VIEWS_OF_PHOTOGRAPH,
    CLEAN_ONLY: 2,
}
"""Assumed number of views per photograph of each kind, if crops have not been counted."""

MADE, EMBEDDED, BLOCKS, FEATURES = "made", "embedded", "blocks", "features"
LOADED, CALCULATED, MAP_BEGUN, MAPPED = "loaded", "calculated", "map begun", "mapped"

Unit = tuple[str, str]
"""A kind of work, with its series or model. A unit of work is a sample that the workers transform (`MADE`), a sample
that a model embeds (`EMBEDDED`, or `BLOCKS` for every block), a model that is `LOADED` and compiled, a crop whose
`FEATURES` are computed, a photograph of one of the kinds in `VIEWS`, or a sample on a map (`MAPPED`)."""

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
"""Seconds per unit of each kind of work, if nothing was measured."""


@dataclass(frozen=True)
class Step:
    """A part of the remaining work; several steps may have the same name.

    Attributes:
        name: name of the stage, or path of the partition.
        stage: see `Report`.
        phase: displayed name of the kind of work.
        model: empty for work that all models share.
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
    """Return the plan of a run whose images are chosen, including the files of models that have not been loaded yet."""
    snapshot = plan.snapshot
    if not snapshot.unloaded:
        return plan
    later = snapshot.with_loaded_models()
    later.models = dict(snapshot.models)
    for request in snapshot.unloaded:
        spec = find_spec(request)
        blocks = [] if spec.family in ("baseline", "precomputed") else [f"{i}.mean" for i in range(TYPICAL_BLOCKS)]
        name = parse(request).full
        later.models[name] = {
            "name": name,
            "request": request,
            "position": 0,
            "family": spec.family,
            "objective": spec.objective,
            "dim": spec.dim or TYPICAL_DIMENSION,
            "blocks": blocks,
            "recipe": {},
        }
    return later.plan(plan.graph)


def steps_left(plan: Plan, views: Mapping[str, float] = VIEWS) -> list[Step]:
    """Return the remaining steps of a run whose images are chosen, in order; see `foreseen`. ``views`` is the number of
    crops per photograph of each kind."""
    return [*_embedding(plan), *_verdicts(plan, views), *_calculating(plan)]


def by_name(steps: list[Step]) -> dict[str, Expected]:
    """Return steps in the form that `Progress.expect` requires, with guessed seconds."""
    steps_by_name: dict[str, Expected] = {}
    for step in steps:
        # Calibration mostly embeds, so its pace is that of the stage `EMBED`.
        expected = Expected(EMBED if step.name == "verdicts" else step.stage, 0.0, is_guessed=step.stage == EMBED)
        steps_by_name.setdefault(step.name, expected).seconds += step.seconds({})
    return steps_by_name


def embedding_left(plan: Plan) -> list[tuple[str, str, int]]:
    """Return (series, model, number of samples that the model still has to embed); an empty model stands for samples to
    transform."""
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
        elif embeds_pictures(entry):  # all layers of a model come from one pass
            passes.setdefault((series, (BLOCKS if series == LAYERS else EMBEDDED, entry["request"])), samples)
    for (series, unit), samples in passes.items():
        phase, model = ("Transforming", "") if unit[0] == MADE else ("Embedding", unit[1])
        yield Step(series or EMBED, EMBED, phase, model, unit, samples)


def _verdicts_left(plan: Plan) -> list[Partition]:
    """Return the missing and stale partitions of the detector and the scored views, which are computed in units."""
    return [partition for partition in plan.pending(plan.select(TRAIN)) if partition.asset.compute_units is not None]


def photographs_left(plan: Plan) -> dict[str, list[dict[Any, Any]]]:
    """Return the photographs of each kind (`VIEWS`) that are still to be measured or scored; empty if photographs
    cannot be chosen, which is only an error when they are needed."""
    left = _verdicts_left(plan)
    if not left or plan.is_unavailable(layout.VERDICT_PHOTOGRAPHS):
        return {}
    if plan.pending([plan.partitions[layout.VERDICT_PHOTOGRAPHS]]):
        try:
            corpus, *calibration_corpora = plan.snapshot.corpora.all
            table = choose_photographs(plan.snapshot.design, plan.snapshot.images, corpus, calibration_corpora)
        except (BadCorpus, BadRun):
            return {}
    else:
        table = plan.store.read_table(layout.VERDICT_PHOTOGRAPHS)
    judged, learned = scored_from(table), learned_from(table) if can_learn(table) else []
    missing: dict[bool, set[int]] = {True: set(), False: set()}
    for partition in left:
        learns = partition.path == layout.DETECTOR_FILE
        missing[learns].update(plan.missing_units(partition, len(learned if learns else judged)))
    by_kind: dict[str, list[dict[Any, Any]]] = {kind: [] for kind in VIEWS}
    by_kind[LEARNED] = [row for unit in sorted(missing[True]) for row in learned[unit]]
    for row in (row for unit in sorted(missing[False]) for row in judged[unit]):
        by_kind[EDITED if row["altered"] else CLEAN_ONLY].append(row)
    return by_kind


def _verdicts(plan: Plan, views: Mapping[str, float]) -> Iterator[Step]:
    counts = {kind: len(rows) for kind, rows in photographs_left(plan).items() if rows}
    if LEARNED in counts:
        learned = counts.pop(LEARNED)
        yield Step("detector", TRAIN, "Detector", "", (LEARNED, ""), learned)
        yield Step("detector", TRAIN, "Detector", "", (CALCULATED, ""), 2 * MLP_S * VIEWS[LEARNED] * learned)
    if counts:
        crops = sum(views[kind] * count for kind, count in counts.items())
        parts = [*(((kind, ""), float(count)) for kind, count in counts.items()), ((FEATURES, ""), crops)]
        models = [partition.key["model"] for partition in _verdicts_left(plan) if "model" in partition.key]
        for request in (plan.snapshot.models[model]["request"] for model in models):
            parts += [((LOADED, request), 1.0), ((EMBEDDED, request), crops)]
        yield from (Step("verdicts", TRAIN, "Verdicts", "", unit, amount) for unit, amount in parts)


def _calculating(plan: Plan) -> Iterator[Step]:
    work = Calculations(plan.snapshot)
    for stage, phase in ((TRAIN, "Training probes"), (EVALUATE, "Scores and studies")):
        for partition in plan.pending(plan.select(stage)):
            if partition.asset.compute_units is None:
                model = partition.key.get("model", "")
                yield Step(partition.path, stage, phase, model, (CALCULATED, ""), work.seconds(partition))
    drawn = plan.pending(plan.select(PROJECT))
    if drawn:
        yield Step(PROJECT, PROJECT, "Maps", drawn[0].key["model"], (MAP_BEGUN, ""))
    for partition in drawn:  # in parallel, each on one core
        model, mapped = partition.key["model"], work.mapped
        dim = int(plan.snapshot.models[model]["dim"])
        at_once = min(len(drawn), max(1, maps_at_once(mapped, dim, plan.snapshot.options.jobs)))
        unit, amount = ((MAPPED, ""), float(min(mapped, LANDMARKS)))
        if partition.asset.path in NEIGHBORS:
            unit, amount = (CALCULATED, ""), VOTE_S * mapped**2 * dim
        yield Step(PROJECT, PROJECT, "Maps", model, unit, amount / at_once)


NEIGHBORS = {layout.neighbors_path(ANY_MODEL, reading) for reading in PROJECTIONS}

FIT_S = 0.05
"""Seconds to fit a linear probe, regardless of its size."""

SPAN_S = 3e-10
"""Seconds to project onto the span of the rows if there are fewer rows than dimensions, per rows² × dimensions."""

PASS_S = 1.27e-8
"""Seconds that the optimizer takes for one penalty, per row × dimension × class."""

METRIC_S = 1.2e-10
"""Seconds to compute the metric of the optimizer, per dimensions² × (rows + dimensions)."""

PENALTY_GRID_COST = 5.0
"""Cost of a grid of penalties as a multiple of the cost of one penalty. It is less than the number of penalties because
each fit starts near its solution."""

SHORT_GRID_COST = 2.25
"""Cost of a grid of penalties for content probes, which have few rows, and for studies, which use every second
penalty."""

LIVE_S = 0.4

MLP_S = 1.0e-3
"""Seconds to train an MLP, per row; they do not depend on the embedding, because most embeddings are narrower than the
hidden layers."""

VOTE_S = 2.0e-10
"""Seconds to find nearest neighbors, per pair of rows and per dimension."""

TABLE_S = 0.2
"""Seconds to score a table of predictions."""

FEW_TABLE_S = 0.02
"""Seconds to score a table with too few photographs for the bootstrap."""

PREDICTION_S = 2.0e-5
"""Additional seconds to score a table, per row."""

STUDY_S = 0.1
"""Seconds to compute a study."""

THRESHOLD_S = 0.2
"""Additional seconds to compute the study of thresholds, per class."""

STUDY_FITS = {"selectivity": 2, "layers": 6}
"""Name of a study -> number of probes that it fits on `FIT_IMAGES`."""


def fits_s(rows: float, dim: float, classes: int, fits: float = 1, penalties: float = 1) -> float:
    span = SPAN_S * rows**2 * dim if rows < dim else 0.0
    dim = min(rows, dim)
    work = PASS_S * rows * dim * classes + METRIC_S * dim**2 * (min(rows, METRIC_ROWS) + dim)
    return fits * (FIT_S + span + penalties * work)


class Calculations:
    """Estimates the seconds needed to compute partitions from embeddings, excluding the time to join and write files.

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
            return 0.02
        dim = int(self._snapshot.models[partition.key["model"]]["dim"])
        if partition.asset.path == layout.quick_path(ANY_MODEL):
            rows = min(self._train, QUICK_PHOTOGRAPHS["train"]) * self._classes
            return fits_s(rows, dim, self._classes, penalties=PENALTY_GRID_COST)
        return self._study(name, dim) if folder.endswith("/studies") else self._probes(name, dim)

    def _study(self, name: str, dim: int) -> float:
        learned = min(self._train, FIT_IMAGES) * self._classes
        fitted = fits_s(learned, dim, self._classes, STUDY_FITS.get(name, 0), SHORT_GRID_COST)
        thresholds = THRESHOLD_S * self._classes if name == "thresholds" else 0.0
        return STUDY_S + thresholds + fitted

    def _probes(self, task: str, dim: int) -> float:
        once = self._train * self._classes
        if task == OTHER_PROBES:
            rows, tested = min(MAX_TO_LEARN, once), (self._images - self._train) * self._classes
            return 3 * MLP_S * rows + VOTE_S * rows * tested * dim
        if task == CONTENT:  # each fit sees one transformation
            labels = len(classes_of(CONTENT, self._snapshot.transforms, self._snapshot.images))
            return fits_s(self._train, min(self._train, dim), labels, self._classes, SHORT_GRID_COST)
        rows, fine = once * self._snapshot.recipe.repetitions, task == FINE
        classes = self._classes if fine else self._groups
        learned_fraction, live_s = (1.0, LIVE_S) if fine else (2 / 3, 0.0)
        if not self._snapshot.has_splits:  # a fit per fold, one on all photographs, and one for new images
            return live_s + fits_s(
                learned_fraction * rows, dim, classes, min(5, self._photographs) + (2 if fine else 1)
            )
        path = fits_s(learned_fraction * rows, dim, classes, penalties=PENALTY_GRID_COST)
        if not fine:
            return path
        # The probe for new images selects its own penalty, and is then fitted on all rows and on each four fifths.
        rendered = len(self._snapshot.sample_sets[RENDERING]) if RENDERING in self._snapshot.sample_sets else 0
        first = self._classes * self._images + rendered
        return (
            live_s
            + path
            + fits_s(first * self._train / self._images, dim, classes, penalties=PENALTY_GRID_COST)
            + 5 * fits_s(first, dim, classes)
        )


TIMED_ROWS = 2048
"""Training rows of the linear probe that measures the speed of this machine."""

TIMED_DIMENSION = 192
"""Embedding dimension of the timed probe."""

TIMED_CLASSES = 31
"""Classes of the timed probe."""

TIMED_PENALTY = 1e-2
"""Penalty of the timed probe."""

MEASURED_S = 0.048
"""Duration of the timed probe in seconds on the idle machine where the constants were measured."""


@cache
def slowness() -> float:
    """Return the duration of a fit here divided by `MEASURED_S`, measured once per process."""
    rng = np.random.default_rng(0)
    y = np.arange(TIMED_ROWS) % TIMED_CLASSES
    X = (
        rng.normal(size=(TIMED_CLASSES, TIMED_DIMENSION))[y] * 0.25 + rng.normal(size=(TIMED_ROWS, TIMED_DIMENSION))
    ).astype(np.float32)
    names = [str(i) for i in range(TIMED_CLASSES)]
    held_out = X[: TIMED_ROWS // 4], y[: TIMED_ROWS // 4]
    fit(
        X[::8], y[::8], classes=names, validation=held_out, penalties=(TIMED_PENALTY,)
    )  # the first one allocates memory
    began = time.perf_counter()
    fit(X, y, classes=names, validation=held_out, penalties=(TIMED_PENALTY,))
    return (time.perf_counter() - began) / MEASURED_S


TIMED_SAMPLES = 60
"""Number of samples of each series that are transformed and embedded for measurement; whole images, at least one per
worker."""

MOST_READ = 2000
"""Maximum number of images that are read to find unusable ones; counts for larger corpora are extrapolated."""

TIMED_PHOTOGRAPHS = 8
"""Number of photographs of each kind in `VIEWS` that are measured."""

BYTES_PER_VALUE = 4
"""Bytes per embedding dimension."""

POINTS = 400
"""Number of points on the map that is drawn for measurement."""


@dataclass(frozen=True)
class Estimate:
    """Time and disk space that a run will take. ``str`` returns a readable summary.

    Attributes:
        table: one row for each phase and model with remaining work: ``phase``, ``model``, ``seconds``.
        left_out: reason for leaving out images -> number of images.
        images: number of images used.
        samples: number of samples still to be transformed.
        download: size of the weights that are not available locally.
        megabytes: disk space of the embeddings still to be computed.
        free: free disk space in megabytes.
        skipped: note of the corpus about files that are not images.
        whole: whether all images were read, rather than a sample that represents the rest.
    """

    table: pd.DataFrame = field(repr=False)
    left_out: Mapping[str, int]
    images: int
    samples: int
    download: Download
    megabytes: float
    free: float
    skipped: str = ""
    whole: bool = True

    @property
    def seconds(self) -> float:
        return float(self.table["seconds"].sum())

    def __str__(self) -> str:
        if self.table.empty:
            return "Nothing is left to compute."
        rows = [
            {"phase": phase, "time": duration(phase_rows["seconds"].sum()), "models": _whose(phase_rows["model"])}
            for phase, phase_rows in self.table.groupby("phase", sort=False)
        ]
        about = "" if self.whole else "about "
        unused = ", ".join(f"{about}{count:,} {reason}" for reason, count in self.left_out.items())
        download = f", a download of {self.download}" if self.download.megabytes else ""
        sentences = [
            f"The run takes about {duration(self.seconds)} here{download} and {self.megabytes:,.0f} MB of disk space "
            f"({self.samples:,} samples of {about}{self.images:,} images).",
            f"Unused images: {unused}." if unused else "All images are used.",
            self.skipped,
            ""
            if self.megabytes < self.free
            else f"The disk has only {self.free:,.0f} MB left. Choose fewer images or models.",
        ]
        return "\n".join([*filter(None, sentences), "", text_table(rows)])


def _whose(models: pd.Series) -> str:
    named = models[models != ""].unique()
    return f"{len(named)} models" if len(named) > 1 else "".join(map(model_title, named))


def estimate(
    options: Options, out: Path | None = None, stages: Sequence[str] = STAGES, progress: Progress = SILENT
) -> Estimate:
    """Measure how long it will take to complete a run, and count the images that it will leave out.

    Args:
        out: folder of the run; if it exists, only the remaining work is counted.

    Raises:
        ProbingError: as in `probing_core.run.stages.run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run" if out is None or Store(out).entry(RECIPE) is None else out)
        recipe, corpora = asked_for(store, options, link=os.symlink, require=locate)
        plan = RunSnapshot(store, recipe, options, progress, corpora).plan(GRAPH)
        with threads(recipe.threads):
            return _estimate(plan, stages, (out or Path()).absolute())


def _estimate(plan: Plan, stages: Sequence[str], out: Path) -> Estimate:
    rows, is_exact = [], True
    if plan.pending([plan.partitions[IMAGES]]):
        snapshot, seconds, is_exact = _with_images(plan.snapshot)
        rows.append(("Reading images", "", seconds))
        plan = snapshot.plan(GRAPH)
    images, corpora = plan.snapshot.images, plan.snapshot.corpora
    reasons = images.loc[~images["used"], "why_not"].str.split(":").str[0].value_counts()
    plan, measured, views, download = _measured(plan, stages)
    steps = [step for step in steps_left(plan, views) if step.stage in {*stages, LOADING}]
    rows += [(step.phase, step.model, step.seconds(measured)) for step in steps]
    embedding = {step.name for step in steps if step.stage == EMBED}
    if embedding and resolve_device(plan.snapshot.options.device).type != "cpu":
        for name in embedding:  # samples are transformed while an accelerator embeds
            transform_s, *embedded = (step.seconds(measured) for step in steps if step.name == name)
            rows.append(("Transforming", "", -min(transform_s, sum(embedded))))
    if rows:
        start = [sys.executable, "-c", "import probing_core.run.stages"]
        start_process = partial(subprocess.run, start, check=False, stdin=subprocess.DEVNULL)
        rows.insert(0, ("Starting", "", _timed(start_process)))
    table = pd.DataFrame(rows, columns=["phase", "model", "seconds"])
    left = embedding_left(plan)
    return Estimate(
        table.groupby(["phase", "model"], sort=False, as_index=False).sum(),
        {str(reason): int(count) for reason, count in reasons.items()},
        int(images["used"].sum()),
        sum(count for _, model, count in left if not model),
        download,
        sum(count * _numbers(plan, series, model) for series, model, count in left if model) * BYTES_PER_VALUE / 1e6,
        shutil.disk_usage(next(place for place in (out, *out.parents) if place.is_dir())).free / 2**20,
        corpora.skipped_summary,
        is_exact,
    )


def _with_images(snapshot: RunSnapshot) -> tuple[RunSnapshot, float, bool]:
    """Choose the images of a run that has none, or a sample of the images that represents the rest.

    Returns:
        The snapshot with images, the seconds that reading all images takes, and whether all of them were read.
    """
    design, corpus = snapshot.design, snapshot.corpora.own
    times = max(1.0, min(len(corpus.rows), design.limit or len(corpus.rows)) / MOST_READ)
    report = lambda completed, total: snapshot.progress.update("images", completed, total, "Reading images")  # noqa: E731
    began = time.perf_counter()
    images = choose_images(design if times == 1 else replace(design, limit=MOST_READ), corpus, report)
    seconds = (time.perf_counter() - began) * times
    later = snapshot.reloaded()
    later.images = images if times == 1 else _repeated(images, times)
    later.sample_sets = plan_sample_sets(design, later.images)
    return later, seconds, times == 1


def _repeated(images: pd.DataFrame, times: float) -> pd.DataFrame:
    """Return ``images`` repeated, as if the rest of the corpus consisted of similar images."""
    copies = [
        images.assign(**{name: images[name].astype(str) + f" {i}" for name in ("image_id", "base_id")} if i else {})
        for i in range(int(times))
    ]
    remainder = copies[0].sample(frac=times % 1, random_state=0)
    remainder = remainder.assign(**{name: remainder[name].astype(str) + " rest" for name in ("image_id", "base_id")})
    return pd.concat([*copies, remainder], ignore_index=True)


def _measured(plan: Plan, stages: Sequence[str]) -> tuple[Plan, dict[Unit, float], Mapping[str, float], Download]:
    """Measure the kinds of work of a run.

    Returns:
        The plan with the models that were loaded, the seconds per unit, the crops per photograph of each kind, whether
        an accelerator embeds, and the download of all models.
    """
    snapshot, options, requests = plan.snapshot, plan.snapshot.options, to_load(plan)
    views: Mapping[str, float] = VIEWS
    entries, rates = dict(snapshot.models), dict[Unit, float]()
    series = list(snapshot.sample_sets) if requests or plan.pending(plan.select(EMBED)) else []
    total, downloads = len(series) + len(requests) + 2, list[Download]()
    pictures: dict[str, tuple[list[Image], pd.DataFrame]] = {}
    with image_pool(sum(map(len, snapshot.sample_sets.values())), options.jobs) as pool:
        for count, name in enumerate(series):
            snapshot.progress.update("measure", count, total, "Measuring")
            rates[MADE, name], pictures[name] = _making(snapshot, name, pool)
    for count, request in enumerate(requests, len(series)):
        snapshot.progress.update("measure", count, total, f"Measuring {request}")
        began = time.perf_counter()
        loaded = load_if_it_fits(load_or_build, request, options.device, options.precision)
        if loaded is None:
            raise ModelUnavailable(f"'{request}' does not fit into memory; choose a smaller model.")
        embedder, download = loaded
        downloads.append(download)
        with closing(embedder):
            rates[LOADED, request] = time.perf_counter() - began
            entries |= {entry["name"]: entry for entry in describe(request, embedder)}
            if embedder.embeds_pictures:
                some = pictures[""]
                rates[LOADED, request] += _timed(partial(embedder.embed_layers, some[0][:2]))
                rates[EMBEDDED, request] = _timed(partial(embedder.embed_samples, *some)) / len(some[0])
            if embedder.blocks and LAYERS in pictures:
                blocks = pictures[LAYERS][0]
                rates[LOADED, request] += _timed(partial(embedder.embed_blocks, blocks[:2]))
                rates[BLOCKS, request] = _timed(partial(embedder.embed_blocks, blocks)) / len(blocks)
    snapshot.progress.update("measure", total - 2, total, "Measuring")
    later = snapshot.with_loaded_models()
    later.models = {entry["name"]: entry for entry in in_order(entries.values(), snapshot.recipe.models)}
    plan = later.plan(plan.graph)
    if TRAIN in stages and (photographs := photographs_left(plan)):
        seconds, views = _measured_verdicts(later, photographs)
        rates |= seconds
    if PROJECT in stages and plan.pending(plan.select(PROJECT)):
        rates[MAP_BEGUN, ""], rates[MAPPED, ""] = _map()
    return plan, rates, views, sum(downloads, Download())


def _making(snapshot: RunSnapshot, series: str, pool: Any) -> tuple[float, tuple[list[Image], pd.DataFrame]]:
    sample_set, corpus = snapshot.sample_sets[series], snapshot.corpora.own
    rows = sample_set.rows()
    rows = rows[rows["image_id"].isin(corpus.rows["image_id"])]  # some may be copies, see `_repeated`
    names = rows["image_id"].unique()
    count = max(2 * getattr(pool, "count", 2), TIMED_SAMPLES * len(names) // len(rows))
    # The first image starts the workers and their imports, which takes the same time for a run of any size.
    spread = names[np.linspace(0, len(names) - 1, min(len(names), count)).astype(int)]
    first, some = (rows[rows["image_id"].isin(ids)] for ids in (spread[:2], spread))
    sample_set.make(snapshot.design, corpus, first, pool)
    began = time.perf_counter()
    samples = sample_set.make(snapshot.design, corpus, some, pool)
    return (time.perf_counter() - began) / len(some), (samples[0][:TIMED_SAMPLES], samples[1][:TIMED_SAMPLES])


def _measured_verdicts(
    snapshot: RunSnapshot, photographs: Mapping[str, Sequence[dict[Any, Any]]]
) -> tuple[dict[Unit, float], Mapping[str, float]]:
    """Measure some photographs of each kind, and count their crops; return no measurements if a corpus is no longer
    available."""
    rates, counts, crops = dict[Unit, float](), dict[str, float](VIEWS), list[Image]()
    try:
        design, corpora = snapshot.design, snapshot.corpora.all
    except BadRun:
        return rates, counts
    available = [set(corpus.rows["image_id"]) for corpus in corpora]
    of_learned = partial(measure_photograph, corpora, learned_transforms(design.transforms), design)
    of_judged = partial(views_of_row, corpora, [t for t in design.transforms if not t.far], design)
    with image_pool(sum(VIEWS[kind] * len(rows) for kind, rows in photographs.items())) as pool:
        for kind, all_rows in photographs.items():
            rows = [row for row in all_rows if row["image_id"] in available[row["corpus"]]]  # see `_repeated`
            if not rows:
                continue
            make: Callable[[dict[Any, Any]], Any] = of_learned if kind == LEARNED else of_judged
            some = [rows[i] for i in np.linspace(0, len(rows) - 1, min(len(rows), TIMED_PHOTOGRAPHS)).astype(int)]
            list(pool.map(make, some[: getattr(pool, "count", 2)]))  # the first call imports and loads
            began = time.perf_counter()
            views_of_photographs = list(pool.map(make, some))
            rates[kind, ""] = (time.perf_counter() - began) / len(some)
            if kind != LEARNED:
                crops_of_kind = [crop for views in views_of_photographs for view in views for crop in view.crops.images]
                counts[kind], crops = len(crops_of_kind) / len(some), [*crops, *crops_of_kind]
    if crops:
        features(crops[:1])
        rates[FEATURES, ""] = _timed(partial(features, crops[:TIMED_SAMPLES])) / len(crops[:TIMED_SAMPLES])
    return rates, counts


def _map() -> tuple[float, float]:
    from probing_core.compute.maps import umap_points

    X = np.random.default_rng(0).normal(size=(POINTS, 64)).astype(np.float32)
    first = _timed(lambda: umap_points(X, 0))
    second = _timed(lambda: umap_points(X, 0))
    return max(0.0, first - second), second / POINTS


def _numbers(plan: Plan, series: str, model: str) -> int:
    entry = plan.snapshot.models[model]
    return int(entry["dim"]) * (len(entry["blocks"]) if series == LAYERS else 1)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

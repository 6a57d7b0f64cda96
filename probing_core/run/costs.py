"""The remaining steps of a run, and how long each of them takes: by formulas over the plan of the run.

`probing_core.run.estimate` measures the rates of this machine; where nothing was measured, the defaults serve as
weights of a bar. A formula gives seconds on the machine that its constants were measured on, with which `algebra`
compares this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from probing_core.compute.maps import LANDMARKS
from probing_core.compute.names import LAYERS, OTHER_PROBES, READINGS, RENDERING, STRENGTH
from probing_core.compute.parallel import cores
from probing_core.compute.studies import STUDIES
from probing_core.compute.studies.data import FIT_IMAGES, STUDY_IMAGES
from probing_core.compute.tasks import CONTENT, classes_of
from probing_core.compute.train import MAX_TO_LEARN
from probing_core.detector.learning import (
    BY_ALTERNATIVES,
    BY_BANK,
    CLEAN,
    WIDER_CLEAN,
    can_learn,
    choose_photographs,
    learned_from,
)
from probing_core.detector.scoring import VIEWS_OF_PHOTOGRAPH, scored_from
from probing_core.errors import BadCorpus, BadRun
from probing_core.models import find_spec
from probing_core.models.names import parse
from probing_core.probes.linear import METRIC_ROWS, fit
from probing_core.run import layout
from probing_core.run.engine import Artifact, Plan, units_of
from probing_core.run.graph import build
from probing_core.run.makers import maps_at_once
from probing_core.run.models import embeds_pictures
from probing_core.run.options import EMBED, EVALUATE, PROJECT, TRAIN
from probing_core.run.progress import LOADING, Expected
from probing_core.run.scope import Scope

TYPICAL_DIMENSION, TYPICAL_BLOCKS = 768, 12
"""Of a network that was not loaded yet."""

BYTES = 4
"""Of a number of an embedding."""


@dataclass(frozen=True)
class Rates:
    """Seconds of a unit of each kind of work on this machine.

    Attributes:
        made: name of a series (empty: the main samples) -> making one sample, by all workers.
        load: name as asked for -> loading and compiling a model.
        embedded: (name as asked for, whether every block is read out) -> embedding one sample.
        map_start, map_sample: of a UMAP map: importing and compiling, once; one sample.
        photographs: kind that verdicts need (`VIEWS`) -> measuring one photograph, by all workers.
        views: kind -> crops of one photograph.
        featured: the detector's features of one crop, where it judges.
        overlaps: whether samples are made while an accelerator embeds.
    """

    made: Mapping[str, float] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    embedded: Mapping[tuple[str, bool], float] = field(default_factory=dict)
    map_start: float = 3.0
    map_sample: float = 0.0015
    photographs: Mapping[str, float] = field(default_factory=dict)
    views: Mapping[str, float] = field(default_factory=dict)
    featured: float = 0.008
    overlaps: bool = False


MADE = 0.0015
LOAD = 2.0
EMBEDDED = 0.004
"""Seconds of a sample and a model, where nothing was measured."""


LEARNED, ALTERED, UNTOUCHED = "learned from", "altered", "untouched"
"""Kinds of photographs that verdicts need: the detector learns from their views, or models and the detector judge them,
altered as well or not."""

VIEWS = {LEARNED: 1 + CLEAN + WIDER_CLEAN + BY_BANK + BY_ALTERNATIVES + 1, ALTERED: VIEWS_OF_PHOTOGRAPH, UNTOUCHED: 2}
"""Views of a photograph of each kind, where its crops were not counted."""


@dataclass(frozen=True)
class Step:
    """A part of the remaining work.

    Attributes:
        name: of the stage, or path of the artifact.
        stage: see `Report`.
        phase: in words.
        model: empty where it serves all.
        like: stage whose pace predicts its duration, where that is another.
    """

    name: str
    stage: str
    phase: str
    model: str
    seconds: float
    like: str = ""


def foreseen(plan: Plan) -> Plan:
    """Return the plan of a run whose images are chosen, including what will be made by models that were not loaded
    yet."""
    scope = plan.scope
    if not scope.unloaded:
        return plan
    later = scope.with_models()
    later.entries = dict(scope.entries)
    for request in scope.unloaded:
        spec = find_spec(request)
        blocks = [] if spec.family in ("baseline", "precomputed") else [f"{i}.mean" for i in range(TYPICAL_BLOCKS)]
        name = parse(request).full
        later.entries[name] = {
            "name": name,
            "request": request,
            "position": 0,
            "family": spec.family,
            "objective": spec.objective,
            "dim": spec.dim or TYPICAL_DIMENSION,
            "blocks": blocks,
            "recipe": {},
        }
    return build(later, plan.table)


def steps_left(plan: Plan, rates: Rates = Rates()) -> list[Step]:
    """Return the remaining steps of a run whose images are chosen, in order; see `foreseen`."""
    return [
        *_embedding(plan, rates),
        *_by_formulas(plan, TRAIN, "Training probes"),
        *_verdicts(plan, rates),
        *_others(plan, rates),
    ]


def by_name(steps: list[Step]) -> dict[str, Expected]:
    """Return steps as `Progress.expect` takes them, by rates that were not measured."""
    found: dict[str, Expected] = {}
    for step in steps:
        before, stage = found.get(step.name), step.like or step.stage
        seconds = step.seconds + (0.0 if before is None else before.seconds)
        found[step.name] = Expected(stage, seconds, is_guessed=step.stage == EMBED)
    return found


def lacking_units(plan: Plan, artifact: Artifact, count: int) -> set[int]:
    key = plan.key(artifact)
    packed = {path for path, entry in plan.files.entries(artifact.path).items() if entry["key"] == key}
    there = units_of(packed) if artifact.is_folder else set()
    single = [path for path, entry in plan.files.entries(artifact.units_folder).items() if entry["key"] == key]
    there |= {int(PurePosixPath(path).stem.rpartition("-")[2]) for path in single}
    return set(range(count)) - there


def series_of(artifact: Artifact) -> str:
    """Return the series whose samples, or embeddings of these, an artifact of the stage ``embed`` holds."""
    for name in (STRENGTH, RENDERING, LAYERS):
        if artifact.path == layout.series_table(name) or artifact.row.path == layout.embeddings_folder(
            layout.ANY_MODEL, name
        ):
            return name
    return ""


def embedding_left(plan: Plan) -> Iterator[tuple[str, str, int]]:
    sets = plan.scope.sample_sets
    left: dict[str, dict[str, set[int]]] = {series: {} for series in sets}
    for artifact in plan.left(plan.select(EMBED)):
        if artifact.row.units is not None:
            series = left[series_of(artifact)]
            units = lacking_units(plan, artifact, len(sets[series_of(artifact)].units))
            series[""] = series.get("", set()) | units
            if model := artifact.binding.get("model", ""):
                series[model] = units
    for name, models in left.items():
        sizes = [unit.stop - unit.start for unit in sets[name].units]
        for model, units in models.items():
            if units:
                yield name, model, sum(sizes[unit] for unit in units)


def _embedding(plan: Plan, rates: Rates) -> Iterator[Step]:
    entries, left = plan.scope.entries, list(embedding_left(plan))
    requests = dict.fromkeys(entries[model]["request"] for _, model, _ in left if model)
    for request in requests:
        yield Step(LOADING, LOADING, "Loading and compiling", request, rates.load.get(request, LOAD))
    for series in plan.scope.sample_sets:
        made, steps, seen = 0.0, list[Step](), set()
        for model, samples in ((model, samples) for name, model, samples in left if name == series):
            if not model:
                made = rates.made.get(series, MADE) * samples
            elif (request := entries[model]["request"]) not in seen and embeds_pictures(entries[model]):
                seen.add(request)  # all layers of a model come from one pass
                seconds = rates.embedded.get((request, series == LAYERS), EMBEDDED) * samples
                steps.append(Step(series or EMBED, EMBED, "Embedding", request, seconds))
        hidden = sum(step.seconds for step in steps) if rates.overlaps else 0.0
        if made:
            yield Step(series or EMBED, EMBED, "Transforming", "", max(0.0, made - hidden))
        yield from steps


def _by_formulas(plan: Plan, stage: str, phase: str) -> Iterator[Step]:
    facts = Facts(plan.scope)
    for artifact in plan.left(plan.select(stage)):
        if artifact.row.units is None:
            seconds = FORMULAS.get(artifact.row.path, _table)(facts, artifact)
            yield Step(artifact.path, stage, phase, artifact.binding.get("model", ""), algebra() * seconds)


def _judging(plan: Plan) -> list[str]:
    left = {artifact.path for artifact in plan.left(plan.select(TRAIN))}
    return [
        name
        for name, entry in plan.scope.entries.items()
        if plan.scope.recipe.calibrate_on
        and embeds_pictures(entry)
        and (layout.scored_views_path(name) in left or not plan.files.has(layout.model_path(name)))
    ]


def photographs_left(plan: Plan) -> dict[str, list[dict[Any, Any]]]:
    """Return the photographs of each kind (`VIEWS`) that verdicts of a run still need; none where they cannot be
    chosen, which is an error only when they are needed."""
    left = [artifact for artifact in plan.left(plan.select(TRAIN)) if artifact.row.units is not None]
    if not (left or _judging(plan)) or plan.cannot_be_read(layout.VERDICT_PHOTOGRAPHS):
        return {}
    if plan.left([plan.artifacts[layout.VERDICT_PHOTOGRAPHS]]):
        try:
            corpus, *others = plan.scope.corpora.all
            table = choose_photographs(plan.scope.design, plan.scope.images, corpus, others)
        except (BadCorpus, BadRun):
            return {}
    else:
        table = plan.files.read_table(layout.VERDICT_PHOTOGRAPHS)
    learned, judged = learned_from(table) if can_learn(table) else [], scored_from(table)
    found: dict[str, list[dict[Any, Any]]] = {kind: [] for kind in VIEWS}
    by_detector, by_others = set[int](), set[int]()
    for artifact in left:
        if artifact.path == layout.DETECTOR_FILE:
            by_detector |= lacking_units(plan, artifact, len(learned))
        else:
            by_others |= lacking_units(plan, artifact, len(judged))
    if any(not plan.files.has(layout.model_path(name)) for name in _judging(plan)):
        by_others = set(range(len(judged)))
    found[LEARNED] = [row for unit in sorted(by_detector) for row in learned[unit]]
    for row in (row for unit in sorted(by_others) for row in judged[unit]):
        found[ALTERED if row["altered"] else UNTOUCHED].append(row)
    return found


def _verdicts(plan: Plan, rates: Rates) -> Iterator[Step]:
    left = photographs_left(plan)
    made, crops = {}, {}
    for kind, rows in left.items():
        view = rates.made.get("", MADE) + (rates.featured / cores() if kind == LEARNED else 0.0)
        one = rates.photographs.get(kind) or view * VIEWS[kind]
        made[kind], crops[kind] = one * len(rows), rates.views.get(kind, VIEWS[kind]) * len(rows)
    if left.get(LEARNED):
        fitted = algebra() * DETECTOR_S * crops[LEARNED]
        yield Step("detector", TRAIN, "Detector", "", made[LEARNED] + fitted)
    if left.get(ALTERED) or left.get(UNTOUCHED):
        count, seconds = crops[ALTERED] + crops[UNTOUCHED], made[ALTERED] + made[UNTOUCHED]
        for request in (plan.scope.entries[name]["request"] for name in _judging(plan)):
            seconds += rates.load.get(request, LOAD) + rates.embedded.get((request, False), EMBEDDED) * count
        yield Step("verdicts", TRAIN, "Verdicts", "", seconds + rates.featured * count, like=EMBED)


def _others(plan: Plan, rates: Rates) -> Iterator[Step]:
    facts = Facts(plan.scope)
    yield from _by_formulas(plan, EVALUATE, "Scores and studies")
    drawn, start = plan.left(plan.select(PROJECT)), rates.map_start
    for artifact in drawn:  # in parallel, each on one core
        at_once = min(len(drawn), max(1, maps_at_once(facts.mapped, facts.dim(artifact), plan.scope.options.jobs)))
        seconds = facts.drawing(artifact, rates) / at_once + start
        yield Step(PROJECT, PROJECT, "Maps", artifact.binding["model"], seconds)
        start = 0.0


class Facts:
    """Sizes of a run that the formulas read."""

    def __init__(self, scope: Scope) -> None:
        self.scope, images = scope, scope.images
        used = images[images["used"]]
        learned = [t for t in scope.transforms if not t.far]
        self.classes, self.repetitions = len(learned), scope.recipe.repetitions
        self.splits = scope.has_splits
        counts: Mapping[Any, int] = used["split"].value_counts().to_dict() if self.splits else {}
        self.images = {name: int(counts.get(name, 0)) for name in ("train", "val", "test")}
        if not self.splits:
            self.images["train"] = self.images["test"] = len(used)
        self.samples = len(scope.sample_sets[""])
        of_image = self.samples / max(1, len(used))
        self.mapped = round(self.images["test"] * of_image)
        self.rendered = len(scope.sample_sets[RENDERING]) if RENDERING in scope.sample_sets else 0
        self.photographs = int(used["base_id"].nunique())

    def rows(self, split: str) -> int:
        """Return the number of samples of a split that a probe learns from, or predicts."""
        return self.images[split] * self.classes * self.repetitions

    def dim(self, artifact: Artifact) -> int:
        return int(self.scope.entries[artifact.binding["model"]]["dim"])

    def drawing(self, artifact: Artifact, rates: Rates) -> float:
        """Return the seconds of a map, of whose samples UMAP places up to `LANDMARKS`, or of a table of neighbors."""
        if artifact.row.path in NEIGHBORS:
            seconds = TABLE_OF_NEIGHBORS_S + VOTE_S * self.mapped**2 * self.dim(artifact)
            return algebra() * seconds
        return rates.map_sample * min(self.mapped, LANDMARKS)


NEIGHBORS = {layout.neighbors_path(layout.ANY_MODEL, reading) for reading in READINGS}

TABLE_OF_NEIGHBORS_S = 0.1


PASS_S = 2.3e-10
"""One iteration of the optimizer of linear probes, per row, number of its embedding and class: two products of
matrices."""

METRIC_S = 6e-11
"""The metric of the optimizer at one penalty: per row and square of the dimension, and per cube of the dimension."""

SPAN_S = 5e-9
"""Finding the span of rows that are fewer than their numbers: per square of the rows and number."""

FIT_S = 0.05
"""Fixed part of a fit: checks, moments, predictions."""


@dataclass(frozen=True)
class Search:
    """Size of a fit: iterations of the optimizer in all, and the penalties that it solves."""

    iterations: int
    penalties: int


PATH, FIXED, LABELS, STUDIED = Search(250, 12), Search(55, 2), Search(60, 8), Search(120, 6)
"""A fit of transformations along the grid of penalties; one at one penalty; one of contents along the grid, which
learns from fewer rows; one of a study, along every second penalty. From the fits of the reference run and of runs over
few photographs."""


def fits_s(rows: float, dim: float, classes: int, search: Search, fits: float = 1) -> float:
    span = SPAN_S * rows**2 * dim if rows < dim else 0.0
    dim = min(rows, dim)
    passes = PASS_S * rows * dim * classes * search.iterations
    metric = METRIC_S * dim**2 * (min(rows, METRIC_ROWS) + dim) * search.penalties
    return fits * (FIT_S + span + passes + metric)


LIVE_S = 0.4


def _folds(facts: Facts) -> int:
    return 1 if facts.splits else min(5, facts.photographs)


def _fine(facts: Facts, artifact: Artifact) -> float:
    dim, classes, folds = facts.dim(artifact), facts.classes, _folds(facts)
    if not facts.splits:  # one fit per fold, one of all photographs, and again for live answers
        rows = facts.rows("train")
        learned = rows * (folds - 1) / folds
        return LIVE_S + fits_s(learned, dim, classes, FIXED, folds) + fits_s(rows, dim, classes, FIXED, 2)
    first = facts.classes * sum(facts.images.values()) + facts.rendered
    train, val = facts.rows("train"), facts.rows("val")
    learned = train / facts.repetitions + facts.rendered * train / max(1, train + val + facts.rows("test"))
    # Penalties are chosen for the probe, and for that of live answers, which then learns from all and from each
    # four fifths.
    path = fits_s(train, dim, classes, PATH) + fits_s(learned, dim, classes, PATH)
    return LIVE_S + path + fits_s(first * 0.8, dim, classes, FIXED, 5) + fits_s(first, dim, classes, FIXED)


def _group(facts: Facts, artifact: Artifact) -> float:
    groups, seen = len({t.group for t in facts.scope.transforms if not t.far}), 2 / 3
    rows, dim, folds = facts.rows("train") * seen, facts.dim(artifact), _folds(facts)
    if facts.splits:
        return fits_s(rows, dim, groups, PATH)
    return fits_s(rows * (folds - 1) / folds, dim, groups, FIXED, folds) + fits_s(rows, dim, groups, FIXED)


def _contents(facts: Facts, artifact: Artifact) -> float:
    labels = len(classes_of(CONTENT, facts.scope.transforms, facts.scope.images))
    rows = facts.images["train"]  # each fit sees one transformation; more numbers than rows are reduced to these
    return fits_s(rows, min(facts.dim(artifact), rows), labels, LABELS, facts.classes)


MLP_S = 3.0e-3
"""Of the three MLPs together, per row that they learn from: their hidden layers are wider than most embeddings."""

DETECTOR_S = 2.0e-3
"""Of the two MLPs of the detector, per view that they learn from."""

VOTE_S = 2.0e-10
"""Of nearest neighbors, per pair of rows and number of their embeddings."""


def _other_probes(facts: Facts, artifact: Artifact) -> float:
    rows = min(MAX_TO_LEARN, facts.rows("train") / facts.repetitions)
    tested = (facts.rows("val") + facts.rows("test")) / facts.repetitions
    return MLP_S * rows + VOTE_S * rows * tested * facts.dim(artifact)


TABLE_S, FEW_TABLE_S, PREDICTION_S = 0.2, 0.02, 2.0e-5
"""Scoring one table of predictions, the same where photographs are few and intervals are not drawn, and each of its
rows."""


def _scores(facts: Facts, artifact: Artifact) -> float:
    tables = len(artifact.reads) / 3  # predictions, fits and probes
    return tables * ((TABLE_S if facts.splits else FEW_TABLE_S) + PREDICTION_S * facts.rows("test"))


@dataclass(frozen=True)
class StudyCost:
    """Seconds of a study: in any run, per class, per tested image that it reads under each class; and number of fits of
    probes, which learn from `FIT_IMAGES`."""

    start: float
    classes: float = 0.0
    rows: float = 0.0
    fits: int = 0


STUDY_COSTS: Mapping[str, StudyCost] = {
    "thresholds": StudyCost(0.1, classes=0.2),
    "selectivity": StudyCost(0.3, rows=1e-4, fits=2),
    "layers": StudyCost(0.1, rows=1e-4, fits=6),
    "retrieval": StudyCost(0.05, rows=2e-4),
    "duplicates": StudyCost(0.05, rows=1e-4),
    "strength": StudyCost(0.05, classes=0.01),
}
"""Measured in small runs; other studies take as long as `_OTHER_STUDY`."""

_OTHER_STUDY = StudyCost(0.05, rows=5e-5)


def _study(facts: Facts, artifact: Artifact) -> float:
    cost = STUDY_COSTS.get(artifact.path.rpartition("/")[2].partition(".")[0], _OTHER_STUDY)
    read = min(facts.images["test"], STUDY_IMAGES["test"]) * facts.classes
    learned = min(facts.images["train"], FIT_IMAGES) * facts.classes
    fitted = fits_s(learned, facts.dim(artifact), facts.classes, STUDIED, cost.fits)
    return cost.start + cost.classes * facts.classes + cost.rows * read + fitted


def _table(facts: Facts, artifact: Artifact) -> float:
    return 0.02


ROWS, DIMENSION, CLASSES, PENALTY = 2048, 192, 31, 1e-2
"""Of the linear probe that is fitted to measure."""


@cache
def algebra() -> float:
    """Measure the duration of a fit on this machine, relative to the formulas; once per process."""
    rng = np.random.default_rng(0)
    y = np.arange(ROWS) % CLASSES
    X = (rng.normal(size=(CLASSES, DIMENSION))[y] * 0.25 + rng.normal(size=(ROWS, DIMENSION))).astype(np.float32)
    names = [str(i) for i in range(CLASSES)]
    held = X[: ROWS // 4], y[: ROWS // 4]
    fit(X[::8], y[::8], classes=names, validation=held, penalties=(PENALTY,))  # the first one allocates memory
    began = time.perf_counter()
    probe = fit(X, y, classes=names, validation=held, penalties=(PENALTY,))
    expected = fits_s(ROWS, DIMENSION, CLASSES, replace(FIXED, iterations=probe.facts.iterations))
    return (time.perf_counter() - began) / expected


FORMULAS: Mapping[str, Callable[[Facts, Artifact], float]] = {
    layout.predictions_path(layout.ANY_MODEL, "fine"): _fine,
    layout.predictions_path(layout.ANY_MODEL, layout.ANY_TASK): _group,
    layout.predictions_path(layout.ANY_MODEL, CONTENT): _contents,
    layout.predictions_path(layout.ANY_MODEL, OTHER_PROBES): _other_probes,
    layout.scores_path(layout.ANY_MODEL): _scores,
    **{layout.study_path(layout.ANY_MODEL, study.name): _study for study in STUDIES},
}
"""Path of a row -> seconds of one of its artifacts, without joining and writing, which are fast."""

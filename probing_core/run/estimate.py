"""How long a run will take, and what it will leave out, before it starts: each kind of work is measured on a part of
it.

The workers of the run make some samples of every series, every model is loaded and embeds them, and some of the
photographs that verdicts need are measured; one linear probe and one map of synthetic data compare this machine with
that of `probing_core.run.costs`, whose formulas give the rest. Nothing is written.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.names import LAYERS
from probing_core.compute.parallel import picture_pool, threads
from probing_core.compute.samples import choose_images
from probing_core.detector.features import features
from probing_core.detector.learning import learned_transforms, measure_photograph
from probing_core.detector.scoring import views_of_row
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.images import Image
from probing_core.measures.notation import model_title, text_table
from probing_core.run.costs import (
    BLOCKS,
    EMBEDDED,
    FEATURES,
    LEARNED,
    LOADED,
    MADE,
    MAP_BEGUN,
    MAPPED,
    VIEWS,
    Unit,
    embedding_left,
    photographs_left,
    steps_left,
)
from probing_core.run.embed import describe, load_if_it_fits, to_load
from probing_core.run.engine import Plan
from probing_core.run.graph import build
from probing_core.run.layout import IMAGES, RECIPE
from probing_core.run.models import in_order
from probing_core.run.options import EMBED, PROJECT, STAGES, TRAIN, Options
from probing_core.run.progress import LOADING, SILENT, Progress, duration
from probing_core.run.scope import Scope, plan_sample_sets
from probing_core.run.setup import asked_for
from probing_core.run.store import Store

SAMPLES = 60
"""Samples of each series that are made and embedded to measure; whole images, at least one for each worker."""

MOST_READ = 2000
"""Images that are read to find unusable ones; in a larger corpus they stand for the others."""

PHOTOGRAPHS = 8
"""Of each kind that verdicts need, to measure."""

BYTES = 4
"""Of a number of an embedding."""

POINTS = 400
"""Of the map that is drawn to measure."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take; it prints itself.

    Attributes:
        table: one row per phase and model with remaining work: ``phase``, ``model``, ``seconds``.
        left_out: why images are left out -> how many.
        images: number of those used.
        samples: number of those still to be made.
        megabytes: of disk, for the embeddings still to be made.
        free: megabytes that the disk has left.
        skipped: what the corpus says of files that are no pictures.
        whole: whether all images were read, or only some that stand for the others.
    """

    table: pd.DataFrame = field(repr=False)
    left_out: Mapping[str, int]
    images: int
    samples: int
    megabytes: float
    free: float
    skipped: str = ""
    whole: bool = True

    @property
    def seconds(self) -> float:
        return float(self.table["seconds"].sum())

    def __str__(self) -> str:
        if self.table.empty:
            return "Nothing is left to be made."
        rows = [
            {"phase": phase, "time": duration(one["seconds"].sum()), "models": _whose(one["model"])}
            for phase, one in self.table.groupby("phase", sort=False)
        ]
        about = "" if self.whole else "about "
        left_out = ", ".join(f"{about}{count:,} {why}" for why, count in self.left_out.items())
        sentences = [
            f"Together {duration(self.seconds)}, by measuring some of each here: {self.samples:,} samples of "
            f"{about}{self.images:,} images; the embeddings take {self.megabytes:,.0f} MB.",
            f"Images that are left out: {left_out}." if left_out else "No image is left out.",
            self.skipped,
            ""
            if self.megabytes < self.free
            else f"The disk has {self.free:,.0f} MB left: choose fewer images or models.",
        ]
        return "\n".join([*filter(None, sentences), "", text_table(rows)])


def _whose(models: pd.Series) -> str:
    named = models[models != ""].unique()
    return f"{len(named)} models" if len(named) > 1 else "".join(map(model_title, named))


def estimate(
    options: Options, out: Path | None = None, stages: Sequence[str] = STAGES, progress: Progress = SILENT
) -> Estimate:
    """Measure how long it will take to make what is missing of a run, and count what it will leave out.

    Args:
        out: folder of the run; if it exists, only what is left counts.
        stages: to be done.

    Raises:
        ProbingError: as in `probing_core.run.stages.run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run" if out is None or Store(out).entry(RECIPE) is None else out)
        recipe, corpora = asked_for(store, options)
        plan = build(Scope(store, recipe, options, progress, corpora))
        with threads(recipe.threads):
            return _estimate(plan, stages, (out or Path()).absolute())


def _estimate(plan: Plan, stages: Sequence[str], out: Path) -> Estimate:
    rows, whole = [], True
    if plan.left([plan.artifacts[IMAGES]]):
        scope, seconds, whole = _with_images(plan.scope)
        rows.append(("Reading images", "", seconds))
        plan = build(scope)
    images, corpora = plan.scope.images, plan.scope.corpora
    reasons = images.loc[~images["used"], "why_not"].str.split(":").str[0].value_counts()
    plan, measured, views, overlaps = _measured(plan, stages)
    steps = [step for step in steps_left(plan, views) if step.stage in {*stages, LOADING}]
    rows += [(step.phase, step.model, step.seconds(measured)) for step in steps]
    if overlaps:  # samples are made while an accelerator embeds
        for name in {step.name for step in steps if step.stage == EMBED}:
            made, *embedded = (step.seconds(measured) for step in steps if step.name == name)
            rows.append(("Transforming", "", -min(made, sum(embedded))))
    if rows:
        rows.insert(0, ("Starting", "", _timed(_start)))
    table = pd.DataFrame(rows, columns=["phase", "model", "seconds"])
    left = embedding_left(plan)
    return Estimate(
        table.groupby(["phase", "model"], sort=False, as_index=False).sum(),
        {str(why): int(count) for why, count in reasons.items()},
        int(images["used"].sum()),
        sum(count for _, model, count in left if not model),
        sum(count * _numbers(plan, series, model) for series, model, count in left if model) * BYTES / 1e6,
        shutil.disk_usage(next(place for place in (out, *out.parents) if place.is_dir())).free / 2**20,
        corpora.skipped_summary,
        whole,
    )


def _with_images(scope: Scope) -> tuple[Scope, float, bool]:
    """Choose the images of a run that has none, or some that stand for the others.

    Returns:
        The scope with images, the seconds that all take, and whether all were chosen.
    """
    design, corpus = scope.design, scope.corpora.own
    times = max(1.0, min(len(corpus.rows), design.limit or len(corpus.rows)) / MOST_READ)
    report = lambda done, total: scope.progress.update("images", done, total, "Reading images")  # noqa: E731
    began = time.perf_counter()
    images = choose_images(design if times == 1 else replace(design, limit=MOST_READ), corpus, report)
    seconds = (time.perf_counter() - began) * times
    later = scope.again()
    later.images = images if times == 1 else _repeated(images, times)
    later.sample_sets = plan_sample_sets(design, later.images)
    return later, seconds, times == 1


def _measured(plan: Plan, stages: Sequence[str]) -> tuple[Plan, dict[Unit, float], Mapping[str, float], bool]:
    """Measure the kinds of work of a run.

    Returns:
        The plan with models as they were loaded, the seconds of each unit, the crops of a photograph of each kind
        that verdicts need, and whether an accelerator embeds.
    """
    scope, options, requests = plan.scope, plan.scope.options, to_load(plan)
    views: Mapping[str, float] = VIEWS
    entries, rates, overlaps = dict(scope.entries), dict[Unit, float](), False
    series = list(scope.sample_sets) if requests or plan.left(plan.select(EMBED)) else []
    total = len(series) + len(requests) + 2
    pictures: dict[str, tuple[list[Image], pd.DataFrame]] = {}
    with picture_pool(sum(map(len, scope.sample_sets.values())), options.jobs) as pool:
        for done, name in enumerate(series):
            scope.progress.update("measure", done, total, "Measuring")
            rates[MADE, name], pictures[name] = _making(scope, name, pool)
    for done, request in enumerate(requests, len(series)):
        scope.progress.update("measure", done, total, f"Measuring {request}")
        began = time.perf_counter()
        embedder = load_if_it_fits(request, options.device, options.precision)
        if embedder is None:
            raise ModelUnavailable(f"'{request}' does not fit into memory; choose a smaller model.")
        with closing(embedder):
            rates[LOADED, request] = time.perf_counter() - began
            entries |= {entry["name"]: entry for entry in describe(request, embedder)}
            overlaps |= embedder.device not in ("cpu", "")
            if embedder.embeds_pictures:
                some = pictures[""]
                rates[LOADED, request] += _timed(partial(embedder.embed_layers, some[0][:2]))
                rates[EMBEDDED, request] = _timed(partial(embedder.embed_samples, *some)) / len(some[0])
            if embedder.blocks and LAYERS in pictures:
                blocks = pictures[LAYERS][0]
                rates[LOADED, request] += _timed(partial(embedder.embed_blocks, blocks[:2]))
                rates[BLOCKS, request] = _timed(partial(embedder.embed_blocks, blocks)) / len(blocks)
    scope.progress.update("measure", total - 2, total, "Measuring")
    later = scope.with_models()
    later.entries = {entry["name"]: entry for entry in in_order(entries.values(), scope.recipe.models)}
    plan = build(later, plan.table)
    if TRAIN in stages and (photographs := photographs_left(plan)):
        found, views = _judging(later, photographs)
        rates |= found
    if PROJECT in stages and plan.left(plan.select(PROJECT)):
        rates[MAP_BEGUN, ""], rates[MAPPED, ""] = _map()
    return plan, rates, views, overlaps


def _making(scope: Scope, series: str, pool: Any) -> tuple[float, tuple[list[Image], pd.DataFrame]]:
    one, corpus = scope.sample_sets[series], scope.corpora.own
    rows = one.rows()
    rows = rows[rows["image_id"].isin(corpus.rows["image_id"])]  # some may stand for others, see `_repeated`
    names = rows["image_id"].unique()
    count = max(2 * getattr(pool, "count", 2), SAMPLES * len(names) // len(rows))
    # The first image starts the workers and their imports, which takes the same time for a run of any size.
    spread = names[np.linspace(0, len(names) - 1, min(len(names), count)).astype(int)]
    first, some = (rows[rows["image_id"].isin(ids)] for ids in (spread[:2], spread))
    one.make(scope.design, corpus, first, pool)
    began = time.perf_counter()
    made = one.make(scope.design, corpus, some, pool)
    return (time.perf_counter() - began) / len(some), (made[0][:SAMPLES], made[1][:SAMPLES])


def _judging(
    scope: Scope, photographs: Mapping[str, Sequence[dict[Any, Any]]]
) -> tuple[dict[Unit, float], Mapping[str, float]]:
    """Measure some photographs of each kind that verdicts need, and count their crops; none where a corpus has gone, of
    a run on a base that continues without it."""
    rates, counts, crops = dict[Unit, float](), dict[str, float](VIEWS), list[Image]()
    try:
        design, corpora = scope.design, scope.corpora.all
    except BadRun:
        return rates, counts
    there = [set(corpus.rows["image_id"]) for corpus in corpora]
    of_learned = partial(measure_photograph, corpora, learned_transforms(design.transforms), design)
    of_judged = partial(views_of_row, corpora, [t for t in design.transforms if not t.far], design)
    with picture_pool(sum(VIEWS[kind] * len(rows) for kind, rows in photographs.items())) as pool:
        for kind, all_rows in photographs.items():
            rows = [row for row in all_rows if row["image_id"] in there[row["corpus"]]]  # see `_repeated`
            if not rows:
                continue
            make: Callable[[dict[Any, Any]], Any] = of_learned if kind == LEARNED else of_judged
            some = [rows[i] for i in np.linspace(0, len(rows) - 1, min(len(rows), PHOTOGRAPHS)).astype(int)]
            list(pool.map(make, some[: getattr(pool, "count", 2)]))  # the first call imports and loads
            began = time.perf_counter()
            made = list(pool.map(make, some))
            rates[kind, ""] = (time.perf_counter() - began) / len(some)
            if kind != LEARNED:
                found = [crop for views in made for view in views for crop in view.crops.pictures]
                counts[kind], crops = len(found) / len(some), [*crops, *found]
    if crops:
        features(crops[:1])
        rates[FEATURES, ""] = _timed(partial(features, crops[:SAMPLES])) / len(crops[:SAMPLES])
    return rates, counts


def _start() -> None:
    subprocess.run([sys.executable, "-c", "import probing_core.run.stages"], check=False, stdin=subprocess.DEVNULL)


def _map() -> tuple[float, float]:
    from probing_core.compute.maps import umap_points

    X = np.random.default_rng(0).normal(size=(POINTS, 64)).astype(np.float32)
    first = _timed(lambda: umap_points(X, 0))
    again = _timed(lambda: umap_points(X, 0))
    return max(0.0, first - again), again / POINTS


def _repeated(images: pd.DataFrame, times: float) -> pd.DataFrame:
    """Return images as many times, as if others of the corpus were like these."""
    copies = [
        images.assign(**{name: images[name].astype(str) + f" {i}" for name in ("image_id", "base_id")} if i else {})
        for i in range(int(times))
    ]
    rest = copies[0].sample(frac=times % 1, random_state=0)
    rest = rest.assign(**{name: rest[name].astype(str) + " rest" for name in ("image_id", "base_id")})
    return pd.concat([*copies, rest], ignore_index=True)


def _numbers(plan: Plan, series: str, model: str) -> int:
    entry = plan.scope.entries[model]
    return int(entry["dim"]) * (len(entry["blocks"]) if series == LAYERS else 1)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

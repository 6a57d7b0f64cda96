"""Estimate the duration and the disk space of a run, and count the images that will not be used.

Each kind of work in the remaining steps (`probing_core.run.remaining_steps`) is timed on a subset: some samples of each
experiment are transformed and embedded with every model, and some photographs are processed for the detector and for
calibration. No files are written to the run.
"""

from __future__ import annotations

import os
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

from probing_core.compute.runtime.parallel import image_pool, threads
from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.task_names import LAYERS
from probing_core.detector.features import features
from probing_core.detector.learning import learned_transforms, measure_photograph
from probing_core.detector.scoring import views_of_row
from probing_core.errors import BadRun, ModelUnavailable
from probing_core.images import Image
from probing_core.measures.notation import model_title, text_table
from probing_core.models import locate
from probing_core.models.processor import resolve_device
from probing_core.models.untrained import Download, load_or_build
from probing_core.run.definitions import GRAPH
from probing_core.run.embed import to_load
from probing_core.run.embedding_worker import describe, load_if_it_fits
from probing_core.run.engine import Plan
from probing_core.run.layout import IMAGES, RECIPE
from probing_core.run.models import in_order
from probing_core.run.options import EMBED, PROJECT, STAGES, TRAIN, Options
from probing_core.run.progress import LOADING, SILENT, Progress, duration
from probing_core.run.remaining_steps import (
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
from probing_core.run.sample_sets import plan_sample_sets
from probing_core.run.setup import asked_for
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Store

TIMED_SAMPLES = 60
"""Approximate number of samples of each experiment that are transformed and embedded for timing."""

MOST_READ = 2000
"""Maximum number of images that are read to find unusable images. Counts for larger corpora are extrapolated."""

TIMED_PHOTOGRAPHS = 8
"""Number of photographs of each kind (`VIEWS`) that are processed for timing."""

POINTS = 400
"""Number of points on the map that is computed for timing."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time and disk space for a run. ``str`` returns a readable summary.

    Attributes:
        table: remaining work, with the columns ``phase``, ``model`` and ``seconds``.
        left_out: reason why images are not used -> number of images.
        images: number of images that are used.
        samples: number of samples that remain to be transformed.
        download: size of the weights to download.
        megabytes: disk space in MB for the embeddings that remain to be computed.
        free: free disk space in MB.
        skipped: summary of the files in the corpus that were skipped.
        whole: whether all images were read. If False, numbers of images are extrapolated from a subset.
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
            return "The run is complete."
        rows = [
            {"phase": phase, "time": duration(phase_rows["seconds"].sum()), "models": _whose(phase_rows["model"])}
            for phase, phase_rows in self.table.groupby("phase", sort=False)
        ]
        about = "" if self.whole else "about "
        unused = ", ".join(f"{about}{count:,} {reason}" for reason, count in self.left_out.items())
        download = f"a download of {self.download} and " if self.download.megabytes else ""
        is_full = self.megabytes >= self.free
        sentences = [
            f"The run will take about {duration(self.seconds)} and require {download}{self.megabytes:,.0f} MB of disk "
            f"space ({self.samples:,} samples from {about}{self.images:,} images).",
            f"Unused images: {unused}." if unused else "All images will be used.",
            self.skipped,
            f"Only {self.free:,.0f} MB of disk space is available. Use fewer images or models." if is_full else "",
        ]
        return "\n".join([*filter(None, sentences), "", text_table(rows)])


def _whose(models: pd.Series) -> str:
    named = models[models != ""].unique()
    return f"{len(named)} models" if len(named) > 1 else "".join(map(model_title, named))


def estimate(
    options: Options, out: Path | None = None, stages: Sequence[str] = STAGES, progress: Progress = SILENT
) -> Estimate:
    """Estimate the time and disk space to complete a run, and count the images that will not be used.

    Args:
        options: options of the run.
        out: run directory. If the run exists, only the remaining work is included.
        stages: stages to include.
        progress: object that receives progress updates.

    Raises:
        ProbingError: the input is invalid, or the run has a different recipe.
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
        rows.insert(0, ("Starting", "", _timed(partial(subprocess.run, start, check=False, stdin=subprocess.DEVNULL))))
    table = pd.DataFrame(rows, columns=["phase", "model", "seconds"])
    images, left, models = plan.snapshot.images, embedding_left(plan), plan.snapshot.models
    numbers = [
        count * models[model]["dim"] * (len(models[model]["blocks"]) if series == LAYERS else 1)
        for series, model, count in left
        if model
    ]
    return Estimate(
        table.groupby(["phase", "model"], sort=False, as_index=False).sum(),
        images.loc[~images["used"], "why_not"].str.split(":").str[0].value_counts().to_dict(),
        int(images["used"].sum()),
        sum(count for _, model, count in left if not model),
        download,
        sum(numbers) * 4 / 1e6,
        shutil.disk_usage(next(place for place in (out, *out.parents) if place.is_dir())).free / 1e6,
        plan.snapshot.corpora.skipped_summary,
        is_exact,
    )


def _with_images(snapshot: RunSnapshot) -> tuple[RunSnapshot, float, bool]:
    """Select the images of a new run, or extrapolate from a subset if there are many images.

    Returns:
        A snapshot with the images, the estimated seconds for reading all images, and whether all images were read.
    """
    design, corpus = snapshot.design, snapshot.corpora.own
    times = max(1.0, min(len(corpus.rows), design.limit or len(corpus.rows)) / MOST_READ)

    def report(completed: int, total: int) -> None:
        snapshot.progress.update("images", completed, total, "Reading images")

    began = time.perf_counter()
    images = choose_images(design if times == 1 else replace(design, limit=MOST_READ), corpus, report)
    seconds = (time.perf_counter() - began) * times
    later = snapshot.reloaded()
    later.images = images if times == 1 else _repeated(images, times)
    later.sample_sets = plan_sample_sets(design, later.images)
    return later, seconds, times == 1


def _repeated(images: pd.DataFrame, times: float) -> pd.DataFrame:
    """Repeat ``images`` under different names to represent a larger corpus with similar images."""
    parts = [*[images] * int(times), images.sample(frac=times % 1, random_state=0)]
    for i, part in enumerate(parts[1:], 1):
        parts[i] = part.assign(**{name: part[name].astype(str) + f" {i}" for name in ("image_id", "base_id")})
    return pd.concat(parts, ignore_index=True)


def _measured(plan: Plan, stages: Sequence[str]) -> tuple[Plan, dict[Unit, float], Mapping[str, float], Download]:
    """Time each kind of work in a run.

    Returns:
        A plan that includes the loaded models; the seconds per unit of each kind of work; the number of crops per
        photograph of each kind; and the total size of all downloads.
    """
    snapshot, options, requests = plan.snapshot, plan.snapshot.options, to_load(plan)
    entries, rates, views = dict(snapshot.models), dict[Unit, float](), dict[str, float](VIEWS)
    series = list(snapshot.sample_sets) if requests or plan.pending(plan.select(EMBED)) else []
    total, downloads = len(series) + len(requests) + 2, list[Download]()
    samples: dict[str, tuple[list[Image], pd.DataFrame]] = {}
    with image_pool(sum(map(len, snapshot.sample_sets.values())), options.jobs) as pool:
        for count, name in enumerate(series):
            snapshot.progress.update("measure", count, total, "Timing transformations")
            rates[MADE, name], samples[name] = _timed_samples(snapshot, name, pool)
    for count, request in enumerate(requests, len(series)):
        snapshot.progress.update("measure", count, total, f"Timing {request}")
        began = time.perf_counter()
        loaded = load_if_it_fits(load_or_build, request, options.device, options.precision)
        if loaded is None:
            raise ModelUnavailable(f"'{request}' does not fit into memory. Choose a smaller model.")
        embedder, download = loaded
        downloads.append(download)
        with closing(embedder):
            rates[LOADED, request] = time.perf_counter() - began
            entries |= {entry["name"]: entry for entry in describe(request, embedder)}
            if embedder.embeds_pictures:
                images, rows = samples[""]
                rates[LOADED, request] += _timed(partial(embedder.embed_layers, images[:2]))
                rates[EMBEDDED, request] = _timed(partial(embedder.embed_samples, images, rows)) / len(images)
            if embedder.blocks and LAYERS in samples:
                images, _ = samples[LAYERS]
                rates[LOADED, request] += _timed(partial(embedder.embed_blocks, images[:2]))
                rates[BLOCKS, request] = _timed(partial(embedder.embed_blocks, images)) / len(images)
    snapshot.progress.update("measure", total - 2, total, "Timing remaining steps")
    later = snapshot.with_loaded_models()
    later.models = {entry["name"]: entry for entry in in_order(entries.values(), snapshot.recipe.models)}
    plan = later.plan(plan.graph)
    if TRAIN in stages and (photographs := photographs_left(plan)):
        _measure_verdicts(later, photographs, rates, views)
    if PROJECT in stages and plan.pending(plan.select(PROJECT)):
        rates[MAP_BEGUN, ""], rates[MAPPED, ""] = _map()
    return plan, rates, views, sum(downloads, Download())


def _timed_samples(snapshot: RunSnapshot, series: str, pool: Any) -> tuple[float, tuple[list[Image], pd.DataFrame]]:
    """Time the transformation of some samples of an experiment.

    Returns:
        The seconds per sample, and up to `TIMED_SAMPLES` transformed images with their rows.
    """
    sample_set, corpus = snapshot.sample_sets[series], snapshot.corpora.own
    rows = sample_set.rows()
    rows = rows[rows["image_id"].isin(corpus.rows["image_id"])]  # excludes images added by `_repeated`
    names = rows["image_id"].unique().tolist()
    count = max(2 * getattr(pool, "count", 2), TIMED_SAMPLES * len(names) // len(rows))
    # The first images are not timed, because their time includes starting the workers.
    spread = _spread(names, count)
    first, some = (rows[rows["image_id"].isin(ids)] for ids in (spread[:2], spread))
    sample_set.make(snapshot.design, corpus, first, pool)
    began = time.perf_counter()
    images, table = sample_set.make(snapshot.design, corpus, some, pool)
    return (time.perf_counter() - began) / len(some), (images[:TIMED_SAMPLES], table[:TIMED_SAMPLES])


def _measure_verdicts(
    snapshot: RunSnapshot,
    photographs: Mapping[str, Sequence[dict[Any, Any]]],
    rates: dict[Unit, float],
    views: dict[str, float],
) -> None:
    """Time the processing of some photographs of each kind, and count their crops.

    ``rates`` and ``views`` are updated in place, unless a corpus is missing or has changed.
    """
    try:
        design, corpora = snapshot.design, snapshot.corpora.all
    except BadRun:
        return
    available, crops = [set(corpus.rows["image_id"]) for corpus in corpora], list[Image]()
    learned = partial(measure_photograph, corpora, learned_transforms(design.transforms), design)
    scored = partial(views_of_row, corpora, [t for t in design.transforms if not t.far], design)
    with image_pool(sum(VIEWS[kind] * len(rows) for kind, rows in photographs.items())) as pool:
        for kind, all_rows in photographs.items():
            rows = [row for row in all_rows if row["image_id"] in available[row["corpus"]]]  # excludes `_repeated`
            if not rows:
                continue
            make: Callable[[dict[Any, Any]], Any] = learned if kind == LEARNED else scored
            some = _spread(rows, TIMED_PHOTOGRAPHS)
            list(pool.map(make, some[: getattr(pool, "count", 2)]))  # the first call includes imports
            began = time.perf_counter()
            views_of_photographs = list(pool.map(make, some))
            rates[kind, ""] = (time.perf_counter() - began) / len(some)
            if kind != LEARNED:
                crops_of_kind = [crop for made in views_of_photographs for view in made for crop in view.crops.images]
                views[kind] = len(crops_of_kind) / len(some)
                crops += crops_of_kind
    if crops:
        features(crops[:1])
        rates[FEATURES, ""] = _timed(partial(features, crops[:TIMED_SAMPLES])) / len(crops[:TIMED_SAMPLES])


def _map() -> tuple[float, float]:
    """Time the computation of a map, and return the startup time and the time per point, in seconds."""
    from probing_core.compute.maps import umap_points

    X = np.random.default_rng(0).normal(size=(POINTS, 64)).astype(np.float32)
    first, second = (_timed(partial(umap_points, X, 0)) for _ in range(2))
    return max(0.0, first - second), second / POINTS


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most ``count`` evenly spaced items."""
    return [items[i] for i in np.linspace(0, len(items) - 1, min(len(items), count)).astype(int)]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

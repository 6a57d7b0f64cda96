"""Estimate the duration and the disk space of a run, and count the images that will not be used.

Some samples of each experiment are transformed and embedded with every model, and some photographs are processed for
the detector and for calibration, to time them on this machine. The durations of all other steps are based on recorded
runs (`probing_core.run.step_times`). No files are written to the run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.runtime.parallel import image_pool, threads
from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.task_names import DETECTOR, LAYERS, MAIN
from probing_core.detector import learning, scoring
from probing_core.detector.features import features
from probing_core.errors import BadCorpus, BadRun, ModelUnavailable
from probing_core.images import Image
from probing_core.measures.notation import model_title, text_table
from probing_core.models import locate
from probing_core.models.processor import resolve_device
from probing_core.models.untrained import Download, load_or_build
from probing_core.run import layout
from probing_core.run.calibrate import DETECTOR_STEP, PHOTOGRAPHS_STEP, views_step
from probing_core.run.directory import RunDirectory
from probing_core.run.embed import SampleStep, missing_steps, select_images
from probing_core.run.embedding_worker import describe, load_if_it_fits
from probing_core.run.models import embeds_pictures, in_order
from probing_core.run.options import EMBED, PROJECT, TRAIN, Options
from probing_core.run.pending import dry, samples_left, seconds_of
from probing_core.run.pipeline import pending_steps
from probing_core.run.progress import SILENT, Progress, duration
from probing_core.run.project import maps_at_once
from probing_core.run.run_files import RunFiles
from probing_core.run.setup import asked_for
from probing_core.run.work import Work

TIMED_SAMPLES = 60
"""Approximate number of samples of each experiment that are transformed and embedded for timing."""

MOST_READ = 2000
"""Maximum number of images that are read to find unusable images. Counts for larger corpora are extrapolated."""

TIMED_PHOTOGRAPHS = 8
"""Number of photographs of each kind that are processed for timing."""

PHASES = {TRAIN: "Training probes", PROJECT: "Maps"}
"""Stage -> name of the phase, by default "Scores and studies"."""

Phase = tuple[str, str, float]
"""Name of a phase, model (an empty string for work that all models share), and duration in seconds."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time and disk space for a run. ``str`` returns a readable summary.

    Attributes:
        table: remaining work, with the columns ``phase``, ``model`` and ``seconds``.
        left_out: reason why images are not used -> number of images.
        images: number of images that are used.
        samples: number of samples of the run that remain to be transformed, as in the table of samples.
        more_samples: number of additional samples for experiments, such as those on strengths and layers.
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
    more_samples: int
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
        more = f"; plus {self.more_samples:,} for additional experiments" if self.more_samples else ""
        is_full = self.megabytes >= self.free
        sentences = [
            f"The run will take about {duration(self.seconds)} and require {download}{self.megabytes:,.0f} MB of disk "
            f"space ({self.samples:,} samples from {about}{self.images:,} images{more}).",
            f"Unused images: {unused}." if unused else "All images will be used.",
            self.skipped,
            f"Only {self.free:,.0f} MB of disk space is available. Use fewer images or models." if is_full else "",
        ]
        return "\n".join([*filter(None, sentences), "", text_table(rows)])


def _whose(models: pd.Series) -> str:
    named = models[models != ""].unique()
    return f"{len(named)} models" if len(named) > 1 else "".join(map(model_title, named))


def estimate(options: Options, out: Path | None = None, until: str = PROJECT, progress: Progress = SILENT) -> Estimate:
    """Estimate the time and disk space to complete a run, and count the images that will not be used.

    Args:
        options: options of the run.
        out: run directory. If the run exists, only the remaining work is included.
        until: last stage to include.
        progress: object that receives progress updates.

    Raises:
        ProbingError: the input is invalid, or the run has a different recipe.
    """
    with tempfile.TemporaryDirectory() as folder:
        is_new = out is None or not RunDirectory(out).has(layout.RECIPE)
        run = RunDirectory(Path(folder) / "run" if out is None or is_new else out)
        recipe, corpora = asked_for(run, options, start_copy=RunFiles.read_records, require=locate)
        with threads(recipe.threads):
            work = Work(run, recipe, options, progress, corpora)
            return _estimate(work, until, (out or Path()).absolute())


def _estimate(work: Work, until: str, out: Path) -> Estimate:
    rows, is_exact = list[Phase](), True
    if not work.run.has(layout.IMAGES):
        seconds, is_exact = _assume_images(work)
        rows.append(("Reading images", "", seconds))
    noted, run = dry(work)
    select_images(noted)
    missing_steps(noted, list(noted.models))
    left = samples_left(noted, run)
    incomplete = {noted.models[step.model]["request"] for step in left if step.model}
    timing = _time_models(work, noted, [request for request in work.recipe.models if request in incomplete])
    names, run = pending_steps(noted, until)
    left = samples_left(noted, run)
    rows += [*_embedding(noted, timing, left), *_calibration(noted, timing, names), *_computing(noted, names)]
    if rows:
        start = [sys.executable, "-c", "import probing_core.run.pipeline"]
        rows.insert(0, ("Starting", "", _timed(partial(subprocess.run, start, check=False, stdin=subprocess.DEVNULL))))
    transformed = _transformed(left)
    images, table = noted.images, pd.DataFrame(rows, columns=["phase", "model", "seconds"])
    return Estimate(
        table.groupby(["phase", "model"], sort=False, as_index=False).sum(),
        dict(images.loc[~images["used"], "why_not"].str.split(":").str[0].value_counts()),
        int(images["used"].sum()),
        transformed.pop(MAIN, 0),
        sum(transformed.values()),
        timing.download,
        sum(_numbers(noted, step, samples) for step, samples in left.items()) * 4 / 1e6,
        shutil.disk_usage(next(place for place in (out, *out.parents) if place.is_dir())).free / 1e6,
        work.corpora.skipped_summary,
        is_exact,
    )


def _transformed(left: Mapping[SampleStep, int]) -> dict[str, int]:
    """Return the number of samples of each experiment to transform. Each image is transformed once for all models."""
    counts: dict[str, int] = {}
    for step, samples in left.items():
        counts[step.series] = max(counts.get(step.series, 0), samples)
    return counts


def _numbers(work: Work, step: SampleStep, samples: int) -> int:
    """Return how many numbers the embeddings of a step consist of."""
    if not step.model:
        return 0
    entry = work.models[step.model]
    return samples * int(entry["dim"]) * (len(entry["blocks"]) if step.series == LAYERS else 1)


@dataclass
class Timing:
    """Durations in seconds that were measured on this machine.

    Attributes:
        transform: experiment -> seconds per sample.
        load: name of a model in the recipe -> seconds to load and compile it.
        embed: (model in the recipe, whether all layers are computed) -> seconds per sample.
        download: size of the weights to download.
    """

    transform: dict[str, float] = field(default_factory=dict)
    load: dict[str, float] = field(default_factory=dict)
    embed: dict[tuple[str, bool], float] = field(default_factory=dict)
    download: Download = field(default_factory=Download)


def _assume_images(work: Work) -> tuple[float, bool]:
    """Select the images of a new run, or extrapolate from a subset if there are many images.

    Returns:
        The estimated seconds for reading all images, and whether all images were read.
    """
    design, corpus = work.design, work.corpora.own
    times = max(1.0, min(len(corpus.rows), design.limit or len(corpus.rows)) / MOST_READ)

    def report(completed: int, total: int) -> None:
        work.progress.update("images", completed, total, "Reading images")

    began = time.perf_counter()
    images = choose_images(design if times == 1 else replace(design, limit=MOST_READ), corpus, report)
    seconds = (time.perf_counter() - began) * times
    work.assumed_images = images if times == 1 else _repeated(images, times)
    return seconds, times == 1


def _repeated(images: pd.DataFrame, times: float) -> pd.DataFrame:
    """Repeat ``images`` under different names to represent a larger corpus with similar images."""
    parts = [*[images] * int(times), images.sample(frac=times % 1, random_state=0)]
    for i, part in enumerate(parts[1:], 1):
        parts[i] = part.assign(**{name: part[name].astype(str) + f" {i}" for name in ("image_id", "base_id")})
    return pd.concat(parts, ignore_index=True)


def _time_models(work: Work, noted: Work, requests: Sequence[str]) -> Timing:
    """Time transformations and models on some samples. The loaded models are added to ``noted``."""
    timing, series = Timing(), list(work.sample_sets) if requests else []
    total, options = len(series) + len(requests), work.options
    samples: dict[str, tuple[list[Image], pd.DataFrame]] = {}
    with image_pool(sum(map(len, work.sample_sets.values())), options.jobs) as pool:
        for count, name in enumerate(series):
            work.progress.update("measure", count, total, "Timing transformations")
            timing.transform[name], samples[name] = _timed_samples(work, name, pool)
    entries = {name: entry for name, entry in noted.models.items() if entry["request"] not in requests}
    for count, request in enumerate(requests, len(series)):
        work.progress.update("measure", count, total, f"Timing {request}")
        began = time.perf_counter()
        loaded = load_if_it_fits(load_or_build, request, options.device, options.precision)
        if loaded is None:
            raise ModelUnavailable(f"'{request}' does not fit into memory. Choose a smaller model.")
        embedder, download = loaded
        timing.download += download
        with closing(embedder):
            timing.load[request] = time.perf_counter() - began
            entries |= {entry["name"]: entry for entry in describe(request, embedder)}
            if embedder.embeds_pictures:
                images, rows = samples[MAIN]
                timing.load[request] += _timed(partial(embedder.embed_layers, images[:2]))
                timing.embed[request, False] = _timed(partial(embedder.embed_samples, images, rows)) / len(images)
            if embedder.blocks and LAYERS in samples:
                images, _ = samples[LAYERS]
                timing.load[request] += _timed(partial(embedder.embed_blocks, images[:2]))
                timing.embed[request, True] = _timed(partial(embedder.embed_blocks, images)) / len(images)
    noted.models = {entry["name"]: entry for entry in in_order(entries.values(), work.recipe.models)}
    return timing


def _timed_samples(work: Work, series: str, pool: Any) -> tuple[float, tuple[list[Image], pd.DataFrame]]:
    """Time the transformation of some samples of an experiment.

    Returns:
        The seconds per sample, and up to `TIMED_SAMPLES` transformed images with their rows.
    """
    sample_set, corpus = work.sample_sets[series], work.corpora.own
    rows = sample_set.rows()
    rows = rows[rows["image_id"].isin(corpus.rows["image_id"])]  # excludes images added by `_repeated`
    names = rows["image_id"].unique().tolist()
    count = max(2 * getattr(pool, "count", 2), TIMED_SAMPLES * len(names) // len(rows))
    # The first images are not timed, because their time includes starting the workers.
    spread = _spread(names, count)
    first, some = (rows[rows["image_id"].isin(ids)] for ids in (spread[:2], spread))
    sample_set.make(work.design, corpus, first, pool)
    began = time.perf_counter()
    images, table = sample_set.make(work.design, corpus, some, pool)
    return (time.perf_counter() - began) / len(some), (images[:TIMED_SAMPLES], table[:TIMED_SAMPLES])


def _embedding(work: Work, timing: Timing, left: Mapping[SampleStep, int]) -> Iterator[Phase]:
    for request, seconds in timing.load.items():
        yield "Loading and compiling", request, seconds
    on_accelerator = resolve_device(work.options.device).type != "cpu"
    for series, samples in _transformed(left).items():
        passes = {}  # all layers of a model are computed in one pass
        for step, count in left.items():
            if step.series == series and step.model and embeds_pictures(work.models[step.model]):
                request = work.models[step.model]["request"]
                passes[request] = count * timing.embed.get((request, series == LAYERS), 0.0)
        for request, seconds in passes.items():
            yield "Embedding", request, seconds
        transforming = samples * timing.transform.get(series, 0.0)
        # Samples are transformed while an accelerator embeds.
        yield "Transforming", "", max(0.0, transforming - sum(passes.values())) if on_accelerator else transforming


def _computing(work: Work, left: Mapping[str, Sequence[str]]) -> Iterator[Phase]:
    """Yield the durations of steps that are computed from embeddings, based on recorded runs."""
    for stage, names in left.items():
        at_once = 1
        if stage == PROJECT and names:
            dim = max(int(work.models[work.model_of(name)]["dim"]) for name in names)
            at_once = max(1, min(len(names), maps_at_once(len(work.sample_sets[MAIN]), dim, work.options.jobs)))
        for name in names if stage != EMBED else ():
            is_scoring = name == views_step(DETECTOR) or name == views_step(work.model_of(name))
            if not is_scoring:
                yield PHASES.get(stage, "Scores and studies"), work.model_of(name), seconds_of(work, name) / at_once


def _calibration(work: Work, timing: Timing, left: Mapping[str, Sequence[str]]) -> Iterator[Phase]:
    """Yield the durations of computing the crops for the detector and for calibration, and of scoring them."""
    names = left.get(TRAIN, ())
    scorers = [name for name in (DETECTOR, *work.models) if views_step(name) in names]
    if DETECTOR_STEP not in names and not scorers:
        return
    try:
        corpora = work.corpora.all
        table = (
            learning.choose_photographs(work.design, work.images, corpora[0], corpora[1:])
            if PHOTOGRAPHS_STEP in names
            else work.run.table(layout.VERDICT_PHOTOGRAPHS)
        )
    except (BadCorpus, BadRun):  # the run raises an error when it needs the photographs
        return
    available = [set(corpus.rows["image_id"]) for corpus in corpora]

    def timed_rows(
        units: Sequence[Sequence[dict[Any, Any]]], make: Callable[[dict[Any, Any]], Any]
    ) -> tuple[float, list[Any]]:
        """Process some photographs. Returns the expected seconds for all, and the results."""
        rows = [row for unit in units for row in unit if row["image_id"] in available[row["corpus"]]]
        some = _spread(rows, TIMED_PHOTOGRAPHS)
        with image_pool(len(rows)) as pool:
            list(pool.map(make, some[: getattr(pool, "count", 2)]))  # the first call includes imports
            began = time.perf_counter()
            results = list(pool.map(make, some))
            return (time.perf_counter() - began) / max(1, len(some)) * len(rows), results

    if DETECTOR_STEP in names and learning.can_learn(table):
        transforms = learning.learned_transforms(work.transforms)
        measure = partial(learning.measure_photograph, corpora, transforms, work.design)
        yield "Detector", "", timed_rows(learning.learned_from(table), measure)[0]
    if scorers:
        units = scoring.scored_from(table)
        transforms = [transform for transform in work.transforms if not transform.far]
        seconds, results = timed_rows(units, partial(scoring.views_of_row, corpora, transforms, work.design))
        yield "Calibration", "", seconds
        crops = [crop for views in results for view in views for crop in view.crops.images]
        if not crops:
            return
        total = len(crops) / len(results) * sum(map(len, units))
        features(crops[:1])
        timed_crops = crops[:TIMED_SAMPLES]
        yield "Calibration", "", total * _timed(partial(features, timed_crops)) / len(timed_crops)
        for model in scorers:
            request = work.models[model]["request"] if model != DETECTOR else ""
            seconds = total * timing.embed.get((request, False), 0.0) + timing.load.get(request, 0.0)
            yield "Calibration", request, seconds


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most ``count`` evenly spaced items."""
    return [items[i] for i in np.linspace(0, len(items) - 1, min(len(items), count)).astype(int)]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

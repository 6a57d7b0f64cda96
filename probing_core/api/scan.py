"""Scan a folder for edited images on all cores. Scans can be resumed.

One thread per core scores files that are decoded in separate processes, so only one image per core is in memory.
Measurements are saved in chunks (`scan_files`), so a scan can be resumed after an interruption, and a changed file
affects only one chunk. At the end, answers are computed from the measurements and the calibration.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from probing_core.answers.reference_sets import GRAY, LARGE, LEVEL, MIN_BEYOND, VIEW, ReferenceSets, is_enough
from probing_core.api.predictor import Predictor
from probing_core.api.scan_chunks import Chunks, digest
from probing_core.api.scan_files import File, find_files, measure
from probing_core.api.scan_results import (
    CHUNKS_FOLDER,
    CSV_FILE,
    PAGE_FILE,
    TABLE_FILE,
    Results,
    write_page,
    write_tables,
)
from probing_core.compute.runtime.parallel import image_pool, in_chunks, one_core_threads
from probing_core.cores import cores
from probing_core.detector.detector import Detector
from probing_core.errors import BadConfig, one_line
from probing_core.measures.notation import in_percent
from probing_core.run.files import write_atomically
from probing_core.run.layout import DETECTOR_FILE, LOG, TEMPORARY
from probing_core.run.lock import locked_folder
from probing_core.run.progress import SILENT, Progress

REVISION = 5
"""Version of the measurements, included in the key of each chunk. Increment it when measurements change."""

MIN_FOR_Q = 500
"""Minimum number of clean images for computing q-values.

With fewer clean images, the smallest possible p-value is too large to detect edits in a folder with few edited images.
"""

MARK = "scan.txt"
CLEAN_CHUNKS = "clean"
WRITTEN = (PAGE_FILE, TABLE_FILE, CSV_FILE, CHUNKS_FOLDER, CLEAN_CHUNKS, MARK)
"""All files and folders that a scan writes, except for the log."""


@dataclass(frozen=True)
class Scan:
    """Result of a scan.

    Attributes:
        counts: answer -> number of files; ``unreadable`` counts files that are not images or are corrupted.
        errors: one error message for each file that cannot be read.
        promise: a statement on whether error rates are guaranteed, followed by the number of flagged images.
    """

    counts: dict[str, int]
    errors: tuple[str, ...]
    promise: str


def scan(
    folder: Path,
    out: Path,
    run: Path,
    clean: Path | None = None,
    level: float = LEVEL,
    progress: Progress = SILENT,
    threads: int | None = None,
) -> Scan:
    """Scan a folder for edited images and write ``verdicts.csv``, ``verdicts.parquet`` and ``index.html`` to ``out``.

    A second call resumes an interrupted scan.

    Args:
        folder: folder with the images to scan.
        out: folder for the results.
        run: directory of the run with the detector.
        clean: folder with unedited images from the same source as the images in ``folder``. They replace the
            photographs of the run for calibrating p-values, q-values and probabilities.
        level: significance level; images with a p-value of at most this level are flagged.
        progress: object that receives progress updates.
        threads: number of files to process in parallel; by default the number of cores.

    Raises:
        BadRun: the run does not exist or has no detector.
        BadConfig: ``level`` is invalid, a folder cannot be used, or there are too few clean images for the level.
    """
    if not 0 < level < 1:
        raise BadConfig(f"The level must be strictly between 0 and 1; got {level}.")
    predictor = Predictor(run, device="cpu")
    detector, sets = predictor.detector, predictor.reference_sets
    _refuse_other_folder(out)
    settings = digest([REVISION, predictor.store.checksum(DETECTOR_FILE), predictor.recipe.view])
    chunks = Chunks(out / CHUNKS_FOLDER, find_files(folder, excluded=out), settings)
    trusted = None if clean is None else Chunks(out / CLEAN_CHUNKS, find_files(clean, excluded=out), settings)
    with locked_folder(out, "scan"):
        for part in (chunks, trusted):
            if part is not None:
                part.refuse_other_settings()
        write_atomically(out / MARK, b"Results of `probing scan`. A later call resumes from the files in `chunks`.\n")
        _measure(chunks, trusted, detector, predictor.recipe.view, progress, threads or cores())
        if trusted is not None:
            sets = calibrated(sets, trusted.read(), level)
        results = Results.of(chunks, sets, with_q=trusted is not None and _clean_count(sets) >= MIN_FOR_Q)
        promise = f"{_promise(sets, level, trusting=trusted is not None)} {results.flagged_in_words(level)}"
        write_tables(out, results, promise)
        write_page(out, folder, results, [promise, *_detection_rate(sets)])
    return Scan(results.counts, results.errors, promise)


def _measure(
    chunks: Chunks, trusted: Chunks | None, detector: Detector, view: int, progress: Progress, count: int
) -> None:
    """Measure the missing chunks of the scanned and the clean images, with ``count`` images in parallel."""
    # Use processes even for few files, because a crash must not end the scan. Without the limit, the threads of the
    # linear-algebra library would compete with the other threads, and a scan would take a third longer.
    with image_pool(count, jobs=count) as decoders, one_core_threads(count) as pool, threadpool_limits(1, "blas"):
        measured = partial(measure, decoders=decoders, detector=detector, view=view)
        if trusted is not None:
            _fill(pool, trusted, partial(measured, as_gray=True), progress, "Measuring clean images", "clean")
        _fill(pool, chunks, partial(measured, as_gray=False), progress, "Scanning images", "scan")


def _fill(
    pool: ThreadPoolExecutor, chunks: Chunks, measured: partial[dict], progress: Progress, doing: str, stage: str
) -> None:
    missing = chunks.missing()
    total = sum(map(len, chunks.files))
    completed = total - sum(len(chunks.files[i]) for i in missing)
    progress.update(stage, completed, total, doing)
    waiting: Iterable[list[File]] = (chunks.files[i] for i in missing)
    for i, (files, rows) in zip(missing, in_chunks(pool, measured, waiting), strict=True):
        chunks.write(i, rows)
        completed += len(files)
        progress.update(stage, completed, total, doing)
    chunks.remove_others()


def calibrated(sets: ReferenceSets, chunks: Iterable[pd.DataFrame], level: float) -> ReferenceSets:
    """Return reference sets that are calibrated on clean images instead of the photographs of the run.

    Args:
        sets: reference sets of the run.
        chunks: measurements of the clean images (`scan_files.measure`).
        level: false-positive rate to calibrate for.

    Raises:
        BadConfig: there are too few clean images for ``level``.
    """
    rows = pd.concat(list(chunks), ignore_index=True)
    rows = rows[rows["error"] == ""]
    color = rows[~rows["no_color"].astype(bool)]
    if not is_enough(len(color), level):
        raise BadConfig(
            f"Too few clean color images ({len(color)}) to calibrate for a false-positive rate of {in_percent(level)}. "
            f"Provide at least {MIN_BEYOND / level:.0f} clean color images, or use a higher level."
        )
    large = color.loc[color["large"].astype(bool), "joined"].to_numpy()
    scores = {VIEW: color["whole"].to_numpy(), LARGE: large, GRAY: rows["gray"].dropna().to_numpy()}
    return sets.with_clean(scores)


def _clean_count(sets: ReferenceSets) -> int:
    return len(sets.sets[VIEW].clean) if VIEW in sets.sets else 0


def _promise(sets: ReferenceSets, level: float, trusting: bool) -> str:
    if not trusting:
        enough = f"{MIN_BEYOND / level:.0f} or more"
        return (
            f"Images were compared with clean photographs of the run{_numbers(sets)}. Your images may come from a "
            f"different source, so no error rate is guaranteed. For a guarantee, add a folder with {enough} clean "
            f"images from your source."
        )
    n = _clean_count(sets)
    hint = "" if n >= MIN_FOR_Q else f" The false discovery rate (q) requires at least {MIN_FOR_Q} clean images."
    rate = f"about {in_percent(level)} of unedited images from the same source have a p-value of at most {level:g}"
    return f"Calibrated on {n:,} of your clean images: {rate}.{hint}"


def _numbers(sets: ReferenceSets) -> str:
    names = {VIEW: "small", LARGE: "large", GRAY: "converted to grayscale"}
    counts = [f"{len(sets.sets[kind].clean):,} {phrase}" for kind, phrase in names.items() if kind in sets.sets]
    return f" ({', '.join(counts)})" if counts else ""


def _detection_rate(sets: ReferenceSets) -> list[str]:
    rate = sets.sets[VIEW].detection_rate if VIEW in sets.sets else None
    if rate is None:
        return []
    hard = ", ".join(rate.hardly_detected)
    sentence = f"On the run's own photographs, the detector flags {in_percent(rate.overall.value)} of edited images"
    return [f"{sentence}, but fewer than half of the edits in these groups: {hard}." if hard else f"{sentence}."]


def remove_results(out: Path) -> None:
    """Remove the results of a scan from ``out``, and the folder if it is empty afterwards.

    Raises:
        BadConfig: ``out`` does not contain a scan, or a file cannot be removed.
    """
    _refuse_other_folder(out)
    try:
        with locked_folder(out, "scan", removes_log=True):
            unfinished = [path.name for path in out.iterdir() if path.name.endswith(TEMPORARY)]
            for path in (out / name for name in (*unfinished, *WRITTEN)):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    except OSError as error:
        raise BadConfig(f"'{out}' could not be removed ({one_line(error)}). Remove it manually.") from error
    for folder in (out / LOG, out):
        with suppress(OSError):  # the folder is kept if it contains other files
            folder.rmdir()


def _refuse_other_folder(out: Path) -> None:
    """Raise `BadConfig` if a folder contains files that are not from a scan."""
    if out.exists() and not out.is_dir():
        raise BadConfig(f"'{out}' is a file. Specify a folder for the results.")
    if out.is_dir() and {path.name for path in out.iterdir()} - {LOG} and not (out / MARK).exists():
        raise BadConfig(f"'{out}' contains other files. Choose an empty folder or the folder of a scan.")

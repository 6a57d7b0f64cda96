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

from threadpoolctl import threadpool_limits

from probing_core.answers.reference_sets import LEVEL
from probing_core.api.predictor import Predictor
from probing_core.api.scan_calibration import CLEAN_COLUMNS, Calibration, calibrate
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
from probing_core.run.files import write_atomically
from probing_core.run.layout import DETECTOR_FILE, LOG, TEMPORARY
from probing_core.run.lock import locked_folder
from probing_core.run.progress import SILENT, Progress

REVISION = 6
"""Version of the measurements, included in the key of each chunk. Increment it when measurements change."""

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
        calibration = Calibration(sets, level)
        if trusted is not None:
            calibration = calibrate(sets, trusted.read(CLEAN_COLUMNS), chunks.read(["digest"]), level)
        results = Results.of(chunks, calibration.sets, calibration.has_q)
        promise = " ".join([*calibration.sentences(), results.flagged_in_words(level)])
        write_tables(out, results, promise)
        write_page(out, folder, results, [promise, *calibration.detection_rate()])
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

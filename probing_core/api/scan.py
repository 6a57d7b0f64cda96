"""Scan images for edits on all cores. Scans can be resumed.

One thread per core scores images that are decoded in separate processes, so few images are in memory. Measurements are
saved in chunks (`scan_chunks`), so a scan can be resumed after an interruption, and a changed file affects only one
chunk. At the end, answers are computed from the measurements and the calibration.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probing_core.answers.reference_sets import LEVEL
from probing_core.api.predictor import Predictor
from probing_core.api.scan_calibration import CLEAN_COLUMNS, Calibration, calibrate
from probing_core.api.scan_chunks import Chunks, digest
from probing_core.api.scan_labels import LabelReport, label_report
from probing_core.api.scan_results import (
    CHUNKS_FOLDER,
    CSV_FILE,
    PAGE_FILE,
    TABLE_FILE,
    Results,
    write_page,
    write_tables,
)
from probing_core.api.scan_sources import open_source
from probing_core.api.scan_work import LocalWorker, fill
from probing_core.cores import cores
from probing_core.errors import BadConfig, one_line
from probing_core.run.directory import locked_folder
from probing_core.run.files import write_atomically
from probing_core.run.layout import DETECTOR_FILE, LOG, TEMPORARY
from probing_core.run.options import LOCAL, RAY, require_executor
from probing_core.run.progress import SILENT, Progress

REVISION = 7
"""Version of the measurements, included in the key of each chunk. Increment it when measurements change."""

MIN_LEVEL = 1e-6
"""Minimum significance level, which requires five million clean images."""

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
        labels: what the files reveal about their labels; None if they have no labels.
    """

    counts: dict[str, int]
    errors: tuple[str, ...]
    promise: str
    labels: LabelReport | None = None

    def to_json(self) -> dict[str, Any]:
        labels = None if self.labels is None else self.labels.to_json()
        return {"counts": self.counts, "errors": list(self.errors), "promise": self.promise, "labels": labels}


def scan(
    source: Path | str,
    out: Path,
    run: Path,
    clean: Path | str | None = None,
    level: float = LEVEL,
    progress: Progress = SILENT,
    threads: int | None = None,
    *,
    executor: str = LOCAL,
    address: str | None = None,
) -> Scan:
    """Scan images for edits and write ``verdicts.csv``, ``verdicts.parquet`` and ``index.html`` to ``out``.

    A second call resumes an interrupted scan.

    Args:
        source: folder with the images to scan, or the name of a corpus, such as ``parquet:s3://bucket/folder``.
        out: folder for the results.
        run: directory of the run with the detector.
        clean: unedited images from the same origin as the images in ``source``, as a folder or the name of a corpus.
            They replace the photographs of the run for calibrating p-values, q-values and probabilities.
        level: significance level; images with a p-value of at most this level are flagged.
        progress: object that receives progress updates.
        threads: number of images to process in parallel; by default the number of cores.
        executor: ``local`` (measure in this process) or ``ray`` (measure on the workers of a Ray cluster).
        address: address of an existing Ray cluster. By default, a local cluster is started.

    Raises:
        BadRun: the run does not exist or has no detector.
        BadConfig: an argument is invalid, a folder cannot be used, or there are too few clean images for the level.
        BadCorpus: the source cannot be read.
    """
    if not MIN_LEVEL <= level < 1:
        raise BadConfig(f"The level must be at least {MIN_LEVEL:g} and less than 1; got {level:g}.")
    require_executor(executor, address)
    predictor = Predictor(run, device="cpu")
    detector, sets, view = predictor.detector, predictor.reference_sets, predictor.recipe.view
    _refuse_other_folder(out)
    settings = digest([REVISION, predictor.store.checksum(DETECTOR_FILE), view])
    folder = out.absolute()
    chunks = Chunks(folder / CHUNKS_FOLDER, open_source(source, out), settings)
    trusted = None if clean is None else Chunks(folder / CLEAN_CHUNKS, open_source(clean, out), settings)
    parts = [chunks] if trusted is None else [trusted, chunks]
    with locked_folder(out, "scan"):
        for part in parts:
            part.refuse_other_settings()
        write_atomically(out / MARK, b"Results of `probing scan`. A later call resumes from the files in `chunks`.\n")
        with ExitStack() as stack:
            if executor == RAY:
                from probing_core.api.scan_ray import ray_fill

                measured = stack.enter_context(ray_fill(predictor.store.root, parts, address, threads))
            else:
                measured = stack.enter_context(LocalWorker(detector, view, threads or cores())).fill
            if trusted is not None:
                fill(trusted, measured, True, progress, "Measuring clean images", "clean")
            fill(chunks, measured, False, progress, "Scanning images", "scan")
        calibration = Calibration(sets, level)
        if trusted is not None:
            calibration = calibrate(sets, trusted.read(CLEAN_COLUMNS), chunks.read(["digest"]), level)
        return _written(out, chunks, calibration)


def _written(out: Path, chunks: Chunks, calibration: Calibration) -> Scan:
    """Compute the answers and write all results."""
    results = Results.of(chunks, calibration.sets, calibration.has_q)
    promise = " ".join([*calibration.sentences(), results.flagged_in_words(calibration.level)])
    labels = label_report(chunks)
    write_tables(out, results, promise)
    write_page(out, chunks.source.title, results, [promise, *calibration.detection_rate()], labels)
    return Scan(results.counts, results.errors, promise, labels)


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
    try:
        if out.exists() and not out.is_dir():
            raise BadConfig(f"'{out}' is a file. Specify a folder for the results.")
        is_foreign = out.is_dir() and {path.name for path in out.iterdir()} - {LOG} and not (out / MARK).exists()
    except OSError as error:
        raise BadConfig(f"'{out}' cannot be accessed ({error.strerror}). Choose another folder.") from error
    if is_foreign:
        raise BadConfig(f"'{out}' contains other files. Choose an empty folder or the folder of a scan.")

"""A verdict on every picture of a folder: streaming, resumable, on all cores.

A file is decoded, cut and judged by one thread, on one core; memory holds the pictures of as many threads. What is
found goes to disk a chunk at a time (`chunks`), and the results are written from the chunks.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.api.predictor import Predictor
from probing_core.api.scan.chunks import Chunks
from probing_core.api.scan.page import PAGE, write_page
from probing_core.api.scan.reading import File, Finding, examine, find_files
from probing_core.api.scan.rows import (
    UNREADABLE,
    calibration_of_rows,
    rows_of_findings,
    rows_that_calibrate,
)
from probing_core.api.scan.writing import CSV, TABLE, rows_with_q, write_tables
from probing_core.compute.names import DETECTOR
from probing_core.compute.parallel import cores, in_chunks, one_core_threads
from probing_core.detector.verdicts import LEVEL, MIN_BEYOND, Calibration, Judge
from probing_core.errors import BadConfig, one_line
from probing_core.measures.notation import in_percent
from probing_core.run import revisions
from probing_core.run.layout import DETECTOR_FILE, LOG, TEMPORARY, scored_views_path
from probing_core.run.progress import SILENT, Progress
from probing_core.run.store import digest, write_atomically

MARK = "scan.txt"
"""The file by which a folder is known as a scan's."""

MIN_FOR_Q = 500
"""Clean photographs of the user's: with fewer, the smallest p is too large for a folder with few altered pictures."""

CHUNKS, CLEAN_CHUNKS = "chunks", "clean"
WRITTEN = (PAGE, TABLE, CSV, CHUNKS, CLEAN_CHUNKS, MARK, LOG)
"""All that a scan writes into its folder."""


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Attributes:
        counts: verdict -> number of files; ``unreadable`` for files that are no picture.
        errors: one sentence a file that cannot be read.
        promise: how far the error rates hold, in a sentence.
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
    """Write ``verdicts.csv``, ``verdicts.parquet`` and ``index.html`` into ``out``; again, it does what is missing.

    Args:
        run: whose detector is used.
        clean: a folder of pictures that are known to be untouched, of the same source as those of ``folder``: they
            calibrate in place of the run's photographs.
        level: share of untouched pictures that may be called altered.
        threads: as many as the machine has cores if not given.

    Raises:
        BadRun: the run has no detector.
        BadConfig: a folder that cannot be used, or clean pictures too few for the level.
    """
    if not 0 < level < 1:
        raise BadConfig(f"The level is a share between 0 and 1, as 0.05; got {level}.")
    predictor = Predictor(run, device="cpu", level=level)
    detector, view = predictor.detector(), predictor.recipe.view
    _claim(out)
    files = find_files(folder, apart=out)
    settings = digest([revisions.SCAN, predictor.store.checksum(DETECTOR_FILE), view])
    judge = predictor.judge()
    with one_core_threads(threads or cores()) as pool:
        if clean is not None:
            trusted = Chunks(out / CLEAN_CHUNKS, find_files(clean, apart=out), settings)
            measure = partial(examine, detector=detector, view=view, gray=True)
            _fill(pool, trusted, measure, rows_that_calibrate, progress, "clean")
            judge = replace(judge, calibration=calibration_of_rows(trusted.read(), level), power=None, power_large=None)
        checksum = predictor.store.checksum(scored_views_path(DETECTOR)) if clean is None else trusted.settings
        calibrated = "" if judge.calibration is None else _digest_of(judge.calibration)
        chunks = Chunks(out / CHUNKS, files, digest([settings, level, checksum, calibrated]))
        rows_of = partial(rows_of_findings, judge=judge)
        _fill(pool, chunks, partial(examine, detector=detector, view=view), rows_of, progress, "scan")
    return _write(out, folder, chunks, judge, trusting=clean is not None)


def remove_results(out: Path) -> None:
    """Remove what a scan has written into ``out``, and the folder if nothing else lies in it.

    Raises:
        BadConfig: ``out`` is no folder of a scan, or something in it cannot be removed.
    """
    _refuse_other_folder(out)
    unfinished = [path.name for path in out.iterdir() if path.name.endswith(TEMPORARY)]
    try:
        for path in (out / name for name in (*unfinished, *WRITTEN)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise BadConfig(f"'{out}' could not be removed ({one_line(error)}); remove it by hand.") from error
    with suppress(OSError):  # something else lies in it, and stays
        out.rmdir()


def _write(out: Path, folder: Path, chunks: Chunks, judge: Judge, trusting: bool) -> Scan:
    found = pd.concat(list(chunks.read(["verdict", "p", "error"])), ignore_index=True)
    p = found["p"].to_numpy(np.float64)
    n = 0 if judge.calibration is None else len(judge.calibration.view)
    q = None
    if trusting and n >= MIN_FOR_Q:
        from scipy.stats import false_discovery_control  # Benjamini & Hochberg 1995

        q = np.full(len(p), np.nan)
        q[~np.isnan(p)] = false_discovery_control(p[~np.isnan(p)])
    counts = dict(sorted(Counter(found["verdict"]).items()))
    promise = _promise(judge, n, trusting)
    write_tables(out, chunks, q, promise)
    write_page(out, folder, rows_with_q(chunks, q), counts, [promise, *_power(judge)])
    return Scan(counts, tuple(found.loc[found["verdict"] == UNREADABLE, "error"]), promise)


def _promise(judge: Judge, n: int, trusting: bool) -> str:
    if not trusting:
        enough = f"{MIN_BEYOND / judge.level:.0f} or more"
        return (
            f"Calibrated on untouched photographs of the run{_numbers(judge)}, not on pictures of your source: no "
            f"error rate is promised. One is with a folder of untouched pictures that you trust, {enough} (the option "
            f"--clean, a field on the page Scan)."
        )
    rate = f"about {in_percent(judge.level)} of untouched pictures of their source are called altered"
    more = "" if n >= MIN_FOR_Q else f" For q, the false discovery rate, give {MIN_FOR_Q} or more."
    return f"Calibrated on {n:,} pictures that you trust: {rate}.{more}"


def _numbers(judge: Judge) -> str:
    """Return how many photographs calibrate, of each kind that there is."""
    if judge.calibration is None:
        return ""
    counts = {
        "as small as a view": len(judge.calibration.view),
        "larger": len(judge.calibration.large),
        "without color": len(judge.calibration.gray),
    }
    return f" ({', '.join(f'{count:,} {words}' for words, count in counts.items() if count)})"


def _power(judge: Judge) -> list[str]:
    if judge.power is None:
        return []
    hard = ", ".join(judge.power.hardly_detected)
    seen = (
        f"On the run's own photographs the detector found {in_percent(judge.power.overall.value)} of altered pictures"
    )
    return [f"{seen}; less than half of: {hard}." if hard else f"{seen}."]


def _fill(
    pool: ThreadPoolExecutor,
    chunks: Chunks,
    examined: Callable[[File], Finding],
    rows_of: Callable[[Sequence[File], Sequence[Finding]], pd.DataFrame],
    progress: Progress,
    stage: str,
) -> None:
    """Make the chunks that are missing."""
    missing = chunks.missing()
    total = sum(map(len, chunks.files))
    done = total - sum(len(chunks.files[i]) for i in missing)
    doing = "Scanning pictures" if stage == "scan" else "Scanning the untouched pictures"
    progress.update(stage, done, total, doing)
    results = in_chunks(pool, examined, (chunks.files[i] for i in missing))
    for i, (files, findings) in zip(missing, results, strict=True):
        chunks.write(i, rows_of(files, findings))
        done += len(files)
        progress.update(stage, done, total, doing)
    chunks.remove_others()


def _digest_of(calibration: Calibration) -> str:
    return digest([calibration.scores(kind).tolist() for kind in ("view", "gray", "large")])


def _claim(out: Path) -> None:
    _refuse_other_folder(out)
    write_atomically(out / MARK, b"Results of `probing scan`. `chunks` is what a later call goes on from.\n")


def _refuse_other_folder(out: Path) -> None:
    """Raise `BadConfig` for a folder that holds something else: none of it may be lost."""
    if out.exists() and not out.is_dir():
        raise BadConfig(f"'{out}' is a file; give a folder for the results.")
    if out.is_dir() and {path.name for path in out.iterdir()} - {LOG} and not (out / MARK).exists():
        raise BadConfig(f"'{out}' holds other files; choose an empty folder, or that of a scan.")

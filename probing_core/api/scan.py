"""A verdict on every picture of a folder: streaming, resumable, on all cores.

One thread per core has a file decoded and cut (in another process where there are many files) and judges it; memory
holds one picture per core. Results are saved in chunks of `CHUNK` files in the order of their names, each a file of a
`Store`: a killed scan resumes, and a chunk is made again if its files, the detector or the calibration changed.
"""

from __future__ import annotations

import base64
import heapq
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from probing_core.api.predictor import Predictor
from probing_core.compute.live import ANSWERS, PictureCrops, cut
from probing_core.compute.names import DETECTOR
from probing_core.compute.runtime.parallel import in_chunks, one_core_threads, picture_pool
from probing_core.cores import cores
from probing_core.detector.detector import Detector, detect, has_no_color, turned_gray
from probing_core.detector.verdicts import (
    ALARMS,
    LEVEL,
    MIN_BEYOND,
    Calibration,
    Judge,
    Said,
    is_enough,
    said_of,
    score_of,
)
from probing_core.errors import BadConfig, BadImage, one_line
from probing_core.images import Image, encode_webp, inspect
from probing_core.images.quality import FLAT, PERHAPS_NO_PHOTOGRAPH, as_measured, flatness, flaws
from probing_core.measures.notation import in_percent
from probing_core.paths import leads_out
from probing_core.results.csv_text import csv_text
from probing_core.run.files import write_atomically, written_atomically
from probing_core.run.layout import DETECTOR_FILE, LOG, TEMPORARY, scored_views_path
from probing_core.run.progress import SILENT, Progress
from probing_core.run.store import Store, digest

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"))
"""Endings of files that are scanned; whether they are pictures is decided by their content."""

VIEWS_OF_FILE = 4
"""Weight of a file, in pictures of a run, in the decision whether processes decode."""

THUMBNAIL = 72


@dataclass(frozen=True, slots=True)
class File:
    """A file to scan, small: there may be a million.

    Attributes:
        path: absolute.
        name: relative to the folder, with forward slashes; bytes that are not text are replaced.
        stamp: size and time of the last change, by which a changed file is scanned again.
    """

    path: str
    name: str
    stamp: tuple[int, int]


def find_files(folder: Path, apart: Path) -> list[File]:
    """Find the files under ``folder`` in the order of their names, without hidden ones, links out of it and ``apart``.

    Raises:
        BadConfig: the folder is missing, has nothing to scan, or contains a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise BadConfig(f"'{error.filename}' cannot be listed ({error.strerror}); give the right to, or move it away.")

    root, apart = (Path(os.path.realpath(path)) for path in (folder, apart))
    if not root.is_dir():
        raise BadConfig(f"'{folder}' is no folder; give a folder with pictures.")
    found = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(place, n) != apart)
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES or leads_out(path, root):
                continue
            try:
                status = path.stat() if path.exists() else path.lstat()  # of the target of a link, unless it is broken
            except FileNotFoundError:
                continue  # it was removed meanwhile
            shown = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
            found.append(File(str(path), shown, (status.st_size, status.st_mtime_ns)))
    if not found:
        raise BadConfig(f"'{folder}' holds no picture; expected files that end in {', '.join(sorted(SUFFIXES))}.")
    return found


UNREADABLE = "unreadable"
"""In place of a verdict, for files that are no picture, or damaged."""

VERDICTS = (*ANSWERS, PERHAPS_NO_PHOTOGRAPH, UNREADABLE)
"""Verdicts on files, in the order in which counts and rows are shown."""


Row = dict[str, Any]
Decoded = tuple[Row, PictureCrops | None]
"""A file as a process returns it to the detector, which judges it: its row, with `COLUMNS` except ``q`` and with
``thumbnail``, as that of a file that cannot be judged; and its crops, None where it cannot be read."""


def decode(file: File, view: int) -> Decoded:
    row = {name: EMPTY[kind] for name, kind in COLUMNS.items() if name != "q"}
    row |= {"path": file.name, "verdict": UNREADABLE, "thumbnail": b""}
    try:
        picture = inspect(Path(file.path), file.name)
    except BadImage as error:
        return row | {"error": str(error)}, None
    crops = cut(picture.image, view)
    no_color = has_no_color(crops.whole)
    found = {
        "no_color": no_color,
        "width": picture.width,
        "height": picture.height,
        "flags": "; ".join(flags_of(picture.image, picture.notes, crops, no_color)),
        "thumbnail": encode_webp(small(picture.image), 60),
    }
    return row | found, crops


def flags_of(image: Image, notes: Sequence[str], crops: PictureCrops, no_color: bool) -> list[str]:
    """Return the flags of a picture, as on the page Try your images, those that matter to its verdict first."""
    reduced = as_measured(image)
    flawed = flaws(reduced)
    kinds = {
        PERHAPS_NO_PHOTOGRAPH: flatness(reduced) > FLAT,
        "hardly any color": no_color and "has no color" not in flawed,
        "large": crops.kind == "combined",
    }
    return [*(kind for kind, there in kinds.items() if there), *notes, *flawed]


def examine(file: File, decoding: Callable[[File], Future[Decoded]], detector: Detector, judge: Judge) -> Row:
    """Have one file decoded by ``decoding``, which starts `decode`, and judge it; return its row (see `Decoded`)."""
    row, crops = decoding(file).result()
    if crops is None:
        return row
    verdict = judge.verdict(detect(detector, [crops])[0], row["no_color"])
    return row | {
        "verdict": verdict.answer(),
        "group": verdict.group or "",
        "class": verdict.transform or "",
        "p": _number(verdict.p),
        "group_probability": _number(verdict.group_probability),
        "class_probability": _number(verdict.transform_probability),
        "n": verdict.n,
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def score_untouched(file: File, decoding: Callable[[File], Future[Decoded]], detector: Detector) -> Row:
    """Score one file that calibrates, also turned gray; empty where it cannot be read, since it then calibrates
    nothing."""
    row, crops = decoding(file).result()
    if crops is None:
        return {}
    no_color = row["no_color"]
    found, gray = detect(detector, [crops, PictureCrops(turned_gray(crops.whole))])
    whole, fused = (score_of(found, no_color, fused=fused) for fused in (False, True))
    numbers = (file.name, crops.kind == "combined", no_color, whole, fused, score_of(gray, True, fused=False))
    return dict(zip(CALIBRATING, numbers, strict=True))


CALIBRATING = ("path", "large", "no_color", "whole", "fused", "gray")


def small(image: Image) -> Image:
    share = min(1.0, THUMBNAIL / max(image.shape[:2]))
    height, width = (max(1, round(length * share)) for length in image.shape[:2])
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


REVISION = 3
"""Raised where a scan finds something else in the same file; in the key of each chunk."""

CHUNK = 64


class Chunks:
    """The chunks of one list of files; ``settings`` is a digest of everything else that the results depend on."""

    def __init__(self, folder: Path, files: Sequence[File], settings: str) -> None:
        self.settings, self._store = settings, Store(folder)
        self.files = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]

    def missing(self) -> list[int]:
        return [i for i in range(len(self.files)) if not self._store.has(_name_of_chunk(i), self._key(i))]

    def write(self, index: int, rows: pd.DataFrame) -> None:
        self._store.write_table(_name_of_chunk(index), rows, self._key(index))

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        for index in range(len(self.files)):
            yield self._store.read_table(_name_of_chunk(index), columns)

    def remove_others(self) -> None:
        """Remove chunks beyond the last: the folder had more files before."""
        expected = {_name_of_chunk(i) for i in range(len(self.files))}
        self._store.remove(*(name for name in self._store.names() if name not in expected))
        self._store.fold()

    def _key(self, index: int) -> str:
        return digest([self.settings, [[f.name, *f.stamp] for f in self.files[index]]])


def _name_of_chunk(index: int) -> str:
    return f"chunk-{index:06d}.parquet"


def calibration_of_rows(chunks: Iterable[pd.DataFrame], level: float) -> Calibration:
    """Calibrate by the rows of `score_untouched`.

    Raises:
        BadConfig: they are too few for ``level``.
    """
    rows = pd.concat(list(chunks), ignore_index=True)
    color = rows[~rows["no_color"].astype(bool)]
    large = color.loc[color["large"].astype(bool), "fused"].to_numpy()
    if not is_enough(len(color), level):
        raise BadConfig(
            f"{len(color)} untouched pictures with color cannot calibrate a level of {in_percent(level)}; give "
            f"{MIN_BEYOND / level:.0f} or more, or a larger --level."
        )
    gray = rows["gray"].dropna().to_numpy()
    return Calibration(color["whole"].to_numpy(), gray, large if is_enough(len(large), level) else large[:0])


TABLE, CSV = "verdicts.parquet", "verdicts.csv"
PROMISE = b"promise"

COLUMNS = {
    "path": pa.string(),
    "verdict": pa.string(),
    "group": pa.string(),
    "class": pa.string(),
    "p": pa.float64(),
    "q": pa.float64(),
    "n": pa.int64(),
    "group_probability": pa.float64(),
    "class_probability": pa.float64(),
    "no_color": pa.bool_(),
    "width": pa.int64(),
    "height": pa.int64(),
    "flags": pa.string(),
    "error": pa.string(),
}
"""Of the CSV and the Parquet file, one row a file."""

EMPTY: dict[pa.DataType, Any] = {pa.string(): "", pa.float64(): float("nan"), pa.int64(): 0, pa.bool_(): False}
"""Values of a file that cannot be judged."""


def rows_with_q(chunks: Chunks, q: np.ndarray | None, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows of each chunk for people, with their part of ``q`` (n,), which is for all rows."""
    start = 0
    for rows in chunks.read(columns):
        mine = np.full(len(rows), np.nan) if q is None else q[start : start + len(rows)]
        start += len(rows)
        yield rows.assign(q=mine, verdict=verdicts_in_words(rows))


def verdicts_in_words(rows: pd.DataFrame) -> list[str]:
    """Return the verdict on each of ``rows`` for people: of what is perhaps no photograph that alone is said."""
    flags = rows["flags"].fillna("")
    return [PERHAPS_NO_PHOTOGRAPH if _is_doubtful(f) else v for v, f in zip(rows["verdict"], flags, strict=True)]


def promise_of(out: Path) -> str:
    """Return a sentence on how far the error rates of the scan in ``out`` hold.

    Raises:
        OSError, pyarrow.ArrowException: there is no such table, or it is damaged.
    """
    return (pq.read_schema(out / TABLE).metadata or {}).get(PROMISE, b"").decode()


def thumbnails_of(out: Path, rows: Sequence[int]) -> list[bytes]:
    """Return the thumbnails (WebP) of some rows of the table of the scan in ``out``; empty where there is none."""
    chunks: dict[int, list[bytes | None]] = {}
    for index in {row // CHUNK for row in rows}:
        with suppress(OSError, pa.ArrowException):  # gone or damaged, though the table is there
            chunk = pq.read_table(out / CHUNKS / _name_of_chunk(index), columns=["thumbnail"], use_threads=False)
            chunks[index] = chunk["thumbnail"].to_pylist()
    there = {row: row % CHUNK < len(chunks.get(row // CHUNK, ())) for row in rows}
    return [(there[row] and chunks[row // CHUNK][row % CHUNK]) or b"" for row in rows]


def write_tables(out: Path, chunks: Chunks, q: np.ndarray | None, promise: str) -> None:
    """Write `CSV` and `TABLE`, with ``promise`` in the metadata of the latter.

    Raises:
        BadRun: the disk is full or not writable.
    """
    schema = pa.schema(list(COLUMNS.items()), metadata={PROMISE: promise.encode()})
    columns = [name for name in COLUMNS if name != "q"]
    with (
        written_atomically(out / TABLE) as parquet,
        pq.ParquetWriter(parquet, schema) as file,
        written_atomically(out / CSV) as csv,
    ):
        for i, rows in enumerate(rows_with_q(chunks, q, columns)):
            ordered = rows[list(COLUMNS)]
            csv.write(csv_text(ordered, header=i == 0).encode())
            file.write_table(pa.Table.from_pandas(ordered, schema=schema, preserve_index=False))


AS_ALTERED = "Untouched at least as altered"
ABOUT_P = (
    "How many of the untouched photographs seem at least as altered to the detector as the picture. Up to 1 %: "
    "altered; up to 5 %: rather altered. Above 5 %, the probability that it was altered decides: cannot tell from 40 % "
    "on, rather untouched from 10 % on, untouched below. Pictures as small as a view, larger ones and those without "
    "color are each compared with photographs of their kind, so that the number of photographs differs."
)
ABOUT_Q = "False discovery rate: share of untouched pictures among all that seem at least as altered as this one."
"""Title of the column ``p``, and what it and ``q`` mean."""

PAGE = "index.html"
TEMPLATE = Path(__file__).with_name("scan.html")

MAX_ROWS = 5000
"""Largest number of pictures on the page, from altered to untouched; the tables hold all."""


def write_page(
    out: Path, folder: Path, chunks: Iterable[pd.DataFrame], counts: dict[str, int], about: list[str]
) -> None:
    """Write `PAGE`.

    Args:
        chunks: rows of all files, with thumbnails, a chunk at a time.
        counts: verdict -> number of files.
        about: sentences at the top of the page.
    """
    from jinja2 import Environment

    records = (record for rows in chunks for record in rows.to_dict("records"))
    worst = heapq.nsmallest(
        MAX_ROWS, records, key=lambda row: (VERDICTS.index(row["verdict"]), _or_last(row["p"]), row["path"])
    )
    total = sum(counts.values())
    notes = [*about, f"{total:,} files; {', '.join(f'{count:,} {verdict}' for verdict, count in counts.items())}."]
    if len(worst) < total:
        notes.append(
            f"The page shows the {len(worst):,} that come first, from altered to untouched; the tables hold all."
        )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Scan of {folder.name}",
        notes=notes,
        counts=counts,
        as_altered=AS_ALTERED,
        about_p=ABOUT_P,
        about_q=ABOUT_Q if any(not np.isnan(row["q"]) for row in worst) else "",
        rows=[_shown(row) for row in worst],
    )
    write_atomically(out / PAGE, page.encode(errors="replace"))


def _or_last(share: float) -> float:
    return 2.0 if np.isnan(share) else float(share)


def said_of_row(row: Mapping[Any, Any]) -> Said:
    """Return what tables say of a picture, from its row (`COLUMNS`)."""
    probabilities = row["group_probability"], row["class_probability"]
    is_doubtful = _is_doubtful(row["flags"])
    return said_of(row["verdict"], row["group"], row["class"], *probabilities, row["p"], row["n"], is_doubtful)


def remark_of(row: Mapping[Any, Any]) -> str:
    """Return why a file cannot be read, or the flags of the picture but for what its verdict and numbers say."""
    said = (PERHAPS_NO_PHOTOGRAPH, "large")
    return row["error"] or "; ".join(flag for flag in row["flags"].split("; ") if flag not in said)


def discoveries_in_words(q: float, said: Said) -> str:
    return in_percent(q, 1) if said.like_it and not pd.isna(q) else ""


def _is_doubtful(flags: str) -> bool:
    return PERHAPS_NO_PHOTOGRAPH in flags.split("; ")


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    said = said_of_row(row)
    return {
        "path": row["path"],
        "verdict": said.verdict,
        "kind": "found" if said.verdict in ALARMS else "bad" if said.verdict == UNREADABLE else "fine",
        "picture": base64.b64encode(row["thumbnail"]).decode() if row["thumbnail"] else "",
        "done": said.done,
        "numbers": [
            (repr(_or_last(row["p"])), said.like_it),
            (repr(_or_last(row["q"])), discoveries_in_words(row["q"], said)),
        ],
        "remark": remark_of(row),
    }


MARK = "scan.txt"

MIN_FOR_Q = 500
"""Fewest clean photographs of the user for q: with fewer, the smallest p is too large for a folder with few altered
pictures."""

CHUNKS, CLEAN_CHUNKS = "chunks", "clean"
WRITTEN = (PAGE, TABLE, CSV, CHUNKS, CLEAN_CHUNKS, MARK, LOG)
"""All files and folders that a scan writes."""


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Attributes:
        counts: verdict -> number of files; ``unreadable`` for files that are no picture.
        errors: one sentence for each file that cannot be read.
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
    """Write ``verdicts.csv``, ``verdicts.parquet`` and ``index.html`` into ``out``; another call resumes.

    Args:
        run: whose detector is used.
        clean: a folder of untouched pictures from the same source as those of ``folder``, which calibrate in place of
            the run's photographs.
        level: share of untouched pictures that may be called altered.
        threads: files that are processed at a time; by default the number of cores.

    Raises:
        BadRun: the run has no detector.
        BadConfig: a folder cannot be used, or clean pictures are too few for the level.
    """
    if not 0 < level < 1:
        raise BadConfig(f"The level is a share between 0 and 1, as 0.05; got {level}.")
    predictor = Predictor(run, device="cpu", level=level)
    detector, view = predictor.detector, predictor.recipe.view
    _refuse_other_folder(out)
    write_atomically(out / MARK, b"Results of `probing scan`. `chunks` is what a later call goes on from.\n")
    files = find_files(folder, apart=out)
    settings = digest([REVISION, predictor.store.checksum(DETECTOR_FILE), view])
    judge = predictor.judge
    trusted = None if clean is None else Chunks(out / CLEAN_CHUNKS, find_files(clean, apart=out), settings)
    count = len(files) + (0 if trusted is None else sum(map(len, trusted.files)))
    with picture_pool(VIEWS_OF_FILE * count, threads) as decoders, one_core_threads(threads or cores()) as pool:
        decoding = partial(decoders.submit, partial(decode, view=view))
        if trusted is not None:
            measure = partial(score_untouched, decoding=decoding, detector=detector)
            _fill(pool, trusted, measure, progress, "Scanning the untouched pictures", "clean")
            judge = replace(judge, calibration=calibration_of_rows(trusted.read(), level), power=None, power_large=None)
        checksum = predictor.store.checksum(scored_views_path(DETECTOR)) if trusted is None else trusted.settings
        known, kinds = judge.calibration, ("view", "gray", "large")
        calibrated = "" if known is None else digest([known.scores(kind).tolist() for kind in kinds])
        chunks = Chunks(out / CHUNKS, files, digest([settings, level, checksum, calibrated]))
        judged = partial(examine, decoding=decoding, detector=detector, judge=judge)
        _fill(pool, chunks, judged, progress, "Scanning pictures", "scan")
    return _write(out, folder, chunks, judge, trusting=trusted is not None)


def remove_results(out: Path) -> None:
    """Remove what a scan has written into ``out``, and the folder if it is then empty.

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
    with suppress(OSError):  # it holds other files, and stays
        out.rmdir()


def _write(out: Path, folder: Path, chunks: Chunks, judge: Judge, trusting: bool) -> Scan:
    found = pd.concat(list(chunks.read(["verdict", "p", "flags", "error"])), ignore_index=True)
    p = found["p"].to_numpy(np.float64)
    n = 0 if judge.calibration is None else len(judge.calibration.view)
    q = None
    if trusting and n >= MIN_FOR_Q:
        from scipy.stats import false_discovery_control  # Benjamini & Hochberg 1995

        q = np.full(len(p), np.nan)
        q[~np.isnan(p)] = false_discovery_control(p[~np.isnan(p)])
    verdicts = Counter(verdicts_in_words(found))
    counts = {verdict: verdicts[verdict] for verdict in VERDICTS if verdict in verdicts}
    promise = _promise(judge, n, trusting)
    write_tables(out, chunks, q, promise)
    write_page(out, folder, rows_with_q(chunks, q), counts, [promise, *_power(judge)])
    return Scan(counts, tuple(found.loc[found["verdict"] == UNREADABLE, "error"]), promise)


def _promise(judge: Judge, n: int, trusting: bool) -> str:
    if not trusting:
        enough = f"{MIN_BEYOND / judge.level:.0f} or more"
        return (
            f"Compared with untouched photographs of the run{_numbers(judge)}. Yours may come from another source, so "
            f"no error rate is promised. To have one, add a folder of {enough} untouched pictures that you trust."
        )
    rate = f"about {in_percent(judge.level)} of untouched pictures of their source are called altered"
    more = "" if n >= MIN_FOR_Q else f" For q, the false discovery rate, give {MIN_FOR_Q} or more."
    return f"Calibrated on {n:,} pictures that you trust: {rate}.{more}"


def _numbers(judge: Judge) -> str:
    if judge.calibration is None:
        return ""
    counts = {
        "small": len(judge.calibration.view),
        "large": len(judge.calibration.large),
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
    row_of: Callable[[File], Row],
    progress: Progress,
    doing: str,
    stage: str,
) -> None:
    missing = chunks.missing()
    total = sum(map(len, chunks.files))
    done = total - sum(len(chunks.files[i]) for i in missing)
    progress.update(stage, done, total, doing)
    results = in_chunks(pool, row_of, (chunks.files[i] for i in missing))
    for i, (files, rows) in zip(missing, results, strict=True):
        columns = CALIBRATING if stage == "clean" else None
        chunks.write(i, pd.DataFrame([row for row in rows if row], columns=columns))
        done += len(files)
        progress.update(stage, done, total, doing)
    chunks.remove_others()


def _refuse_other_folder(out: Path) -> None:
    """Refuse a folder that holds something else, none of which may be lost."""
    if out.exists() and not out.is_dir():
        raise BadConfig(f"'{out}' is a file; give a folder for the results.")
    if out.is_dir() and {path.name for path in out.iterdir()} - {LOG} and not (out / MARK).exists():
        raise BadConfig(f"'{out}' holds other files; choose an empty folder, or that of a scan.")

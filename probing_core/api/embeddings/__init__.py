"""What embeddings without their pictures tell of the look: NumPy alone, streaming, resumable.

Every row gets a score, which orders rows, and what was done to the picture if anything was. A row is called altered
only by a p-value, and that needs rows of the same source that are known to be untouched.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from probing_core.api.embeddings.reading import Block, Part, find_parts, read_blocks
from probing_core.compute.live.noticing import ALTERED, UNTOUCHED
from probing_core.compute.names import DEPLOYMENT
from probing_core.detector.calibration import LEVEL, MIN_BEYOND, alarms, p_values
from probing_core.errors import BadArray, BadConfig, BadRun, UnknownName
from probing_core.probes.portable import PortableProbe
from probing_core.results.run import open_run
from probing_core.run.atomic import write_atomically, written_atomically
from probing_core.run.layout import PARQUET, TEMPORARY, probe_path
from probing_core.run.probes import read_probe
from probing_core.run.progress import SILENT, Progress
from probing_core.transforms import resolve

SCORES, PROBE = "scores", "probe.safetensors"
"""What is written into a folder: a table a file of embeddings, and the probe."""

MADE_OF = b"made of"
"""Entry of a table's metadata: a digest of all that its rows follow from."""

AHEAD = 2
"""Blocks that wait or are computed for each thread."""

Answer = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What `PortableProbe.answer` returns."""


@dataclass(frozen=True)
class Scored:
    """What was found.

    Attributes:
        rows: with a score.
        groups: group -> rows of which it is the most probable one, had they been altered; with ``clean`` rows, of those
            that are called altered.
        altered: rows called altered; None without ``clean``.
        clean: rows that calibrate.
        errors: one sentence a file that cannot be used, or that holds rows without a score.
        tables: the files that were written, or were there.
    """

    rows: int
    groups: dict[str, int]
    altered: int | None
    clean: int
    errors: tuple[str, ...]
    tables: tuple[Path, ...]


def probe_of(model: str, run: Path | None = None) -> PortableProbe:
    """Return the probe of all transformations of a ``model`` of ``run`` (the reference run, if not given), or the one
    in the file ``model`` (``probe.safetensors``, as `score_embeddings` writes it).

    Raises:
        UnknownName: the run has no such model, or no probe of it.
        BadRun: the file or the run cannot be read.
    """
    if model.endswith(".safetensors") and "@weights=" not in model:
        path = Path(model)
        if not path.is_file():
            raise BadRun(f"There is no probe '{path}'; give a model of a run, or a file that this command wrote.")
        return PortableProbe.from_bytes(path.read_bytes())
    opened = open_run(run)
    store = opened.store
    entries = {entry["name"]: entry for entry in opened.entries if store.has(probe_path(entry["name"], DEPLOYMENT))}
    if model not in entries:
        raise UnknownName(
            f"'{store.root}' has no probe of '{model}'; `probing rank {model}` makes one. It has: "
            f"{', '.join(entries) or 'none'}."
        )
    recipe = entries[model]["recipe"]
    backbone = {name: recipe.get(name) for name in ("weights", "preprocessing", "pooling", "layer")}
    probe = read_probe(store, model, DEPLOYMENT)
    return PortableProbe(probe, tuple(resolve(name).group for name in probe.classes), {"model": model} | backbone)


def score_embeddings(
    source: Path,
    out: Path,
    probe: PortableProbe,
    clean: Path | None = None,
    column: str | None = None,
    progress: Progress = SILENT,
    threads: int = 2,
) -> Scored:
    """Write a table of scores into ``out/scores`` for each file of embeddings of ``source``, and the probe beside them;
    again, what is there is kept.

    A table has a row for each row of its file, in order: ``row``, ``key`` (its name in the metadata), ``group`` and
    ``class`` (what was done, if anything was), ``score`` (higher is more altered); with ``clean`` also ``p``, the
    conformal p-value, and ``verdict``, `ALTERED` where p is at most 0.05.

    Args:
        source: a folder or a file, see `probing_core.api.embeddings.reading`.
        clean: rows known to be untouched, drawn at random from the same source and used for nothing else; at least 100.
        column: of the embeddings, where a file has several.

    Raises:
        BadConfig: no embeddings there, too few clean rows, or ``clean`` is part of ``source``.
    """
    parts = find_parts(source)
    out, portable = Path(out), probe.to_bytes()
    write_atomically(out / PROBE, portable)
    for left in (out / SCORES).glob(f"*{TEMPORARY}"):  # of a call that was killed
        left.unlink(missing_ok=True)
    tables, errors = [], []
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        scorer = _Scorer(probe, column, pool, AHEAD * threads)
        untouched = None if clean is None else _untouched(scorer, find_parts(clean), parts)
        calibration = b"" if untouched is None else np.sort(untouched).tobytes()
        settings = hashlib.sha256(portable + calibration + (column or "").encode()).hexdigest()
        for done, part in enumerate(parts):
            progress.update("embeddings", done, len(parts), "Scoring files")
            table, made_of = out / SCORES / f"{part.path.name}{PARQUET}", _made_of(part, settings)
            try:
                if not _is_made_of(table, made_of):
                    table.unlink(missing_ok=True)  # of a file that was another, and may not be readable now
                    _write(scorer, part, table, made_of, untouched)
                tables.append(table)
            except BadArray as error:
                errors.append(str(error))
        progress.update("embeddings", len(parts), len(parts), "Scoring files")
    return _summary(tables, errors, untouched)


@dataclass(frozen=True, eq=False)
class _Scorer:
    """Answers of a probe to all rows of a file, computed by the threads of ``pool`` while the next rows are read.

    Attributes:
        column: of the embeddings.
        ahead: blocks in memory at most, beside the one that is read.
    """

    probe: PortableProbe
    column: str | None
    pool: ThreadPoolExecutor
    ahead: int

    def answers(self, part: Part) -> Iterator[tuple[Block, Answer]]:
        """Yield each block of the file with its answers, in order."""
        waiting: deque[tuple[Block, Future[Answer]]] = deque()
        for block in read_blocks(part, self.probe, self.column):
            waiting.append((block, self.pool.submit(self.probe.answer, block.X)))
            if len(waiting) > self.ahead:
                first, answer = waiting.popleft()
                yield first, answer.result()
        for block, answer in waiting:
            yield block, answer.result()


def _untouched(scorer: _Scorer, clean: list[Part], parts: list[Part]) -> np.ndarray:
    """Return the finite scores of the rows of ``clean``, which may not be among ``parts``."""
    scored = {part.path.resolve() for part in parts}
    if both := [part.path for part in clean if part.path.resolve() in scored]:
        raise BadConfig(
            f"'{both[0]}' is among the embeddings that are scored; untouched rows serve the calibration alone: move "
            f"them into a folder of their own."
        )
    found = np.concatenate([score for part in clean for _, (score, _, _) in scorer.answers(part)] or [np.zeros(0)])
    found = found[np.isfinite(found)]
    fewest = round(MIN_BEYOND / LEVEL)
    if len(found) < fewest:
        raise BadConfig(
            f"{fewest} untouched rows are needed at least to call others altered at {LEVEL:g}, and there are "
            f"{len(found)}; give more, or leave --clean out: scores order rows without them."
        )
    return found


def _made_of(part: Part, settings: str) -> bytes:
    about = [part.path, *([part.names] if part.names else [])]
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in about]
    return hashlib.sha256(repr((settings, facts)).encode()).hexdigest().encode()


def _is_made_of(table: Path, made_of: bytes) -> bool:
    if not table.is_file():
        return False
    try:
        return (pq.read_schema(table).metadata or {}).get(MADE_OF) == made_of
    except (pa.ArrowException, OSError):
        return False


def _write(scorer: _Scorer, part: Part, table: Path, made_of: bytes, untouched: np.ndarray | None) -> None:
    schema = pa.schema(
        [
            ("row", pa.int64()),
            ("key", pa.string()),
            ("group", pa.dictionary(pa.int8(), pa.string())),
            ("class", pa.dictionary(pa.int16(), pa.string())),
            ("score", pa.float32()),
            *([] if untouched is None else [("p", pa.float32()), ("verdict", pa.dictionary(pa.int8(), pa.string()))]),
        ],
        metadata={MADE_OF: made_of},
    )
    start = 0
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["group", "class", "verdict"]}
    with written_atomically(table) as handle, pq.ParquetWriter(handle, schema, **options) as writer:
        for block, answer in scorer.answers(part):
            writer.write_batch(_rows(block, start, answer, scorer.probe, untouched, schema))
            start += len(block.X)


def _rows(
    block: Block,
    start: int,
    answer: Answer,
    probe: PortableProbe,
    untouched: np.ndarray | None,
    schema: pa.Schema,
) -> pa.RecordBatch:
    score, group, best = answer
    n, lacks = len(score), ~np.isfinite(score)
    columns = [
        pa.array(np.arange(start, start + n)),
        pa.nulls(n, pa.string()) if block.keys is None else block.keys,
        _named(group, probe.group_names, np.int8, lacks),
        _named(best, probe.class_names, np.int16, lacks),
        pa.array(score.astype(np.float32), mask=lacks),
    ]
    if untouched is not None:
        p = p_values(np.where(lacks, 0, score), untouched)
        columns.append(pa.array(p.astype(np.float32), mask=lacks))
        columns.append(_named(alarms(p).astype(np.int8), (UNTOUCHED, ALTERED), np.int8, lacks))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _named(codes: np.ndarray, names: tuple[str, ...], kind: type, lacks: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(kind), mask=lacks), list(names))


def _summary(tables: list[Path], errors: list[str], untouched: np.ndarray | None) -> Scored:
    rows, altered, groups = 0, 0, Counter[str]()
    for table in tables:
        with pq.ParquetFile(table) as file:
            lacking, first = 0, None
            for batch in file.iter_batches(columns=["row", "group", *([] if untouched is None else ["verdict"])]):
                names = batch.column("group").cast(pa.string())
                rows += len(names) - names.null_count
                if names.null_count and first is None:
                    first = batch.column("row").filter(pc.is_null(names))[0].as_py()
                lacking += names.null_count
                if untouched is not None:
                    names = names.filter(pc.equal(batch.column("verdict").cast(pa.string()), ALTERED))
                    altered += len(names)
                for entry in pc.value_counts(pc.drop_null(names)):
                    groups[entry["values"].as_py()] += entry["counts"].as_py()
        if lacking:
            name = table.name.removesuffix(PARQUET)
            errors.append(
                f"'{name}' holds {lacking:,} rows with values that are not finite numbers, the first is row {first:,}; "
                f"they have no score."
            )
    return Scored(
        rows,
        dict(groups.most_common()),
        None if untouched is None else altered,
        0 if untouched is None else len(untouched),
        tuple(errors),
        tuple(tables),
    )

"""Measure the share of a run's time that the studies of retrieval take, and how the search of a gallery grows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lab.benchmarks._common import peak_mb
from probing_core.images import encode_png
from probing_core.measures.neighbors import ranks, unit
from probing_core.run import layout
from probing_core.run.store import Store
from probing_core.transforms.view import source_side

VIEW = 64

TABLES = ("retrieval", "duplicates", "variance", "uses")

BLOCK = 2**16

QUERIES, DIM = 500, 64


@dataclass(frozen=True)
class Size:
    """Photographs and the model of the run, and pictures of two galleries."""

    photographs: int = 60
    model: str = "baseline/random-vit"
    few: int = 100_000
    many: int = 1_000_000


SMALL = Size(4, "baseline/pixels", 600, 1200)


def run(size: Size) -> dict[str, float]:
    """- ``retrieval_ratio``: processor seconds that the tables of retrieval take over those of all else of a run of 60
      photographs with one small network, all stages; at most 0.1 is the aim.
    - ``retrieval_gallery_s``, ``retrieval_gallery_mb``: seconds that 500 pictures take in a gallery of 100,000, and the
      peak memory of the process; ``retrieval_gallery_memory_ratio``: the peak with a million over it, at most 1.1 being
      the aim.
    """  # fmt: skip
    few, many = (_process(count) for count in (size.few, size.many))
    with tempfile.TemporaryDirectory() as folder:
        added = _added(Path(folder), size)
    return {
        "retrieval_ratio": added,
        "retrieval_gallery_s": round(few["s"], 2),
        "retrieval_gallery_mb": round(few["mb"]),
        "retrieval_gallery_memory_ratio": round(many["mb"] / few["mb"], 3),
    }


def _added(folder: Path, size: Size) -> float:
    from probing_core.run.options import Options
    from probing_core.run.stages import run as make_run

    options = Options(corpus=_corpus(folder, size.photographs), view=VIEW, models=(size.model,), device="cpu")
    seconds = lambda: _processor_seconds(lambda: make_run(folder / "run", options))  # noqa: E731
    whole = seconds()
    store = Store(folder / "run")
    paths = [path for name in TABLES for path in (layout.table_path(name), layout.study_path(size.model, name))]
    store.remove(*(path for path in paths if store.has(path)))
    added = seconds() - seconds()  # the second call finds nothing missing
    print(f"  {whole:.0f} s, of which retrieval {added:.1f} s", file=sys.stderr, flush=True)
    return round(added / (whole - added), 3)


def _processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds of all threads, which a busy machine hardly changes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _corpus(folder: Path, photographs: int) -> str:
    rng, side = np.random.default_rng(0), source_side(VIEW)

    def picture() -> bytes:
        small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        return encode_png(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))

    columns = {
        "image": [picture() for _ in range(photographs)],
        "label": [f"label {i % 3}" for i in range(photographs)],
        "image_id": [f"picture {i:03d}" for i in range(photographs)],
    }
    pd.DataFrame(columns).to_parquet(folder / "pictures.parquet")
    return f"parquet:{folder / 'pictures.parquet'}"


def _process(size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "lab.benchmarks.retrieval", str(size)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _measure(size: int) -> dict[str, float]:
    """Search a gallery that is made block by block, so that the memory is that of the search."""

    def gallery() -> Iterator[np.ndarray]:
        for start in range(0, size, BLOCK):
            rng = np.random.default_rng(start)
            yield unit(rng.standard_normal((min(BLOCK, size - start), DIM), np.float32), np.float32)

    originals = next(gallery())[:QUERIES]
    noise = np.random.default_rng(1).standard_normal(originals.shape, np.float32)
    queries = unit(originals + 0.05 * noise, np.float32)
    start = time.perf_counter()
    ranks(queries, originals, gallery(), np.arange(QUERIES), np.arange(size))
    return {"s": time.perf_counter() - start, "mb": peak_mb()}


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))

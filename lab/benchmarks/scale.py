"""Scaling of costs with the size of a run: registration of files, time and memory per sample, and the overhead of Ray.

`WHOLE` uses a million samples instead of a hundred thousand (``python -m lab.benchmarks.scale --whole``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil

from lab.benchmarks._common import in_process, peak_mb, seconds_of
from probing_core.images import encode_png
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import table_path
from probing_core.run.run_files import FileRecord
from probing_core.transforms.view import source_side

VIEW = 32
TRANSFORMS = (
    *("desaturate", "hue-shift", "sepia", "brighten", "contrast", "gamma", "gaussian-blur", "gaussian-noise"),
    *("salt-and-pepper", "speckle", "jpeg", "pixelate", "posterize", "border"),
)
PER_IMAGE = 2 + len(TRANSFORMS)
"""Samples per image: identity is drawn twice."""

PHOTOGRAPHS = 20
"""So few that a run has no series, whose number is the same for all sizes."""

ROW_GROUP = 100
"""Pictures in a row group: a reader holds two whole, and the smallest corpus has several, too."""

POLL_S = 0.1

MEASURE = ("lab.benchmarks.scale", "--measure")
"""With what is measured and a corpus, the command of a measurement in a process of its own."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        few: samples of a run.
        many: samples of a larger one.
        ray: samples of the two runs by which Ray is measured; 0 leaves it out.
        files: files that two stores have.
        entered: those that are entered beyond them while the clock runs.
        blocks: measurements of each side, taken in turn; their medians are compared.
    """

    few: int = 10_000
    many: int = 100_000
    ray: tuple[int, int] = (10_000, 30_000)
    files: tuple[int, int] = (1_000, 100_000)
    entered: int = 200
    blocks: int = 3


WHOLE = replace(Size(), many=1_000_000)
SMALL = Size(PER_IMAGE * 2, PER_IMAGE * 3, (0, 0), (2, 4), 2, 1)


def run(size: Size) -> dict[str, float]:
    """Ratios of medians of three interleaved blocks, of processor seconds (user and system, all threads):

    - ``scale_store_entry_ratio``: writing and entering a file of one kilobyte where 100,000 are entered, over where
      1,000 are; at most 1.2 is the aim.
    - ``scale_seconds_ratio``, ``scale_memory_ratio``: seconds a sample, and peak memory, of the stage ``embed`` with
      100,000 samples (``--whole``: a million) over 10,000, with baseline/pixels and views of 32 pixels, in processes of
      their own; at most 1.05 and 1.1 are the aim.
    - ``scale_ray_overhead``: seconds that a further sample takes with ``--executor ray`` on this machine, all processes
      of the cluster counted, over those of ``--executor local``: the difference between 30,000 and 10,000 samples, so
      that starting a cluster (``scale_ray_start_s``) is not in it; at most 1.1 is the aim. Only where Ray is installed.
    """
    ratios = {"scale_store_entry_ratio": _entry_ratio(size)}
    with tempfile.TemporaryDirectory() as folder:
        ratios |= _growth(Path(folder), size)
        if all(size.ray) and importlib.util.find_spec("ray") is not None:
            ratios |= _ray(Path(folder), size)
    return ratios


def _entry_ratio(size: Size) -> float:
    with tempfile.TemporaryDirectory() as folder:
        stores = {count: _filled(Path(folder) / str(count), count) for count in size.files}
        few, many = _in_turn(
            size.blocks, *(lambda store=store: _enter(store, size.entered) for store in stores.values())
        )
    return round(many / few, 3)


def _filled(root: Path, count: int) -> RunDirectory:
    """Return a run directory with the records of ``count`` steps whose files do not exist."""
    directory = RunDirectory(root)
    for i in range(count):
        directory.finish(f"step-{i}", {}, {table_path(str(i)): FileRecord(1024, "0" * 64)})
    return directory


def _enter(directory: RunDirectory, entered: int) -> float:
    def save() -> None:
        for i in range(entered):
            directory.save(f"entered/{i}", {}, {f"entered/{i}.bin": b"x" * 1024})

    return seconds_of(save, time.process_time)


def _growth(folder: Path, size: Size) -> dict[str, float]:
    few_corpus, many_corpus = (_corpus(folder, count) for count in (size.few, size.many))
    few, more = [], []
    for _ in range(size.blocks):
        few.append(in_process(*MEASURE, "growth", few_corpus))
        more.append(in_process(*MEASURE, "growth", many_corpus))
        print(f"  {size.few:,} samples: {few[-1]}; {size.many:,}: {more[-1]}", file=sys.stderr, flush=True)

    def ratio(unit: str) -> float:
        first, second = (statistics.median(costs[unit] for costs in measured) for measured in (few, more))
        return round(second / first, 3)

    return {"scale_seconds_ratio": ratio("s"), "scale_memory_ratio": ratio("mb")}


def _ray(folder: Path, size: Size) -> dict[str, float]:
    sizes = [_corpus(folder, count) for count in size.ray]
    command = [sys.executable, "-m", *MEASURE]
    tasks = [lambda e=e, c=c: _tree_seconds([*command, e, c]) for e in ("local", "ray") for c in sizes]
    local_few, local_many, ray_few, ray_many = _in_turn(size.blocks, *tasks)
    overhead = (ray_many - ray_few) / (local_many - local_few)
    return {"scale_ray_overhead": round(overhead, 3), "scale_ray_start_s": round(ray_few - local_few, 1)}


def _in_turn(blocks: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of ``blocks`` measurements of each function, which are called alternately."""
    rounds = [[measure() for measure in measures] for _ in range(blocks)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def _corpus(folder: Path, samples: int) -> str:
    """Return the path of a Parquet file of images for about ``samples`` samples, which is created once."""
    path = folder / f"{samples}.parquet"
    if not path.exists():
        rng = np.random.default_rng(0)
        side = source_side(VIEW)

        def picture() -> bytes:
            small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            return encode_png(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))

        count = samples // PER_IMAGE
        columns = {
            "image": [picture() for _ in range(count)],
            "label": "picture",
            "image_id": [f"picture {i:06d}" for i in range(count)],
            "base_id": [f"photograph {i * PHOTOGRAPHS // count:02d}" for i in range(count)],
        }
        pd.DataFrame(columns).to_parquet(path, row_group_size=ROW_GROUP)
    return f"parquet:{path}"


def _tree_seconds(command: Sequence[str]) -> float:
    """Run a command, and return the processor time of it and all its child processes in seconds."""
    driver = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds: dict[int, float] = {}
    while driver.poll() is None:
        try:
            for process in [driver, *driver.children(recursive=True)]:
                times = process.cpu_times()
                seconds[process.pid] = times.user + times.system
        except psutil.NoSuchProcess:
            pass
        time.sleep(POLL_S)
    if driver.returncode:
        raise RuntimeError(f"`{' '.join(command)}` ended with exit code {driver.returncode}.")
    return sum(seconds.values())


def _embed(corpus: str, executor: str) -> None:
    from probing_core.run.options import Options
    from probing_core.run.pipeline import run

    with tempfile.TemporaryDirectory() as out:
        options = Options(
            corpus=corpus,
            view=VIEW,
            models=("baseline/pixels",),
            transforms=TRANSFORMS,
            device="cpu",
            executor=executor,
        )
        run(Path(out) / "run", options, "embed")


def _measure(what: str, corpus: str) -> None:
    if what != "growth":
        _embed(corpus, what)
        return
    import probing_core.run.embed  # noqa: F401 - so that the clock does not count imports

    samples = len(pd.read_parquet(corpus.removeprefix("parquet:"), columns=["image_id"])) * PER_IMAGE
    seconds = seconds_of(lambda: _embed(corpus, "local"), time.process_time)
    print(json.dumps({"s": seconds / samples, "mb": round(peak_mb())}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true", help="use a million samples")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "CORPUS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        _measure(*options.measure)
    else:
        print(json.dumps(run(WHOLE if options.whole else Size()), indent=1))


if __name__ == "__main__":
    main()

"""How many embeddings a second are scored without their pictures, and in how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from lab.benchmarks._memory import peak_mb
from probing_core.api.embeddings import probe_of, score_embeddings
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.portable import PortableProbe
from probing_core.transforms import bank

ROWS, DIM = 200_000, 768
FEW = ROWS // 5
ROUNDS = 3


def run() -> dict[str, dict[str, float]]:
    """``embeddings``, of rows of 768 numbers in half precision, as clip-retrieval writes them, each time in a process
    of its own:

    - ``rows_per_s``: of 200,000 rows, from the file to the table of scores, the best of three; 100,000 on two cores is
      the aim, on a quiet machine.
    - ``peak_mb``: at the most, of these rows; ``growth_mb``: beyond that of a fifth of them, whose file is 246 MB
      smaller.
    """
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        for rows in (FEW, ROWS):
            _write(here / str(rows), rows)
        (here / "probe.safetensors").write_bytes(_probe().to_bytes())
        measured = [_measure(here, rows, i) for i in range(ROUNDS) for rows in (FEW, ROWS)]
    whole = [one for one in measured if one["rows"] == ROWS]
    few = [one for one in measured if one["rows"] == FEW]
    peak = min(one["peak_mb"] for one in whole)
    return {
        "embeddings": {
            "rows_per_s": round(ROWS / min(one["seconds"] for one in whole)),
            "peak_mb": round(peak, 1),
            "growth_mb": round(peak - min(one["peak_mb"] for one in few), 1),
        }
    }


def _measure(here: Path, rows: int, turn: int) -> dict[str, float]:
    arguments = [str(here / str(rows)), str(here / f"out-{rows}-{turn}"), str(here / "probe.safetensors")]
    command = [sys.executable, "-m", "lab.benchmarks.embeddings", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) | {"rows": rows}


def _write(folder: Path, rows: int) -> None:
    folder.mkdir()
    block = np.random.default_rng(0).normal(size=(10_000, DIM)).astype(np.float16)
    np.save(folder / "img_emb_0.npy", np.tile(block, (rows // len(block), 1)))
    names = {"image_path": [f"00000/{i:09d}.jpg" for i in range(rows)]}
    pd.DataFrame(names).to_parquet(folder / "metadata_0.parquet")


def _probe() -> PortableProbe:
    """A probe of the bank with random weights: what it answers does not matter here."""
    rng = np.random.default_rng(0)
    classes = tuple(transform.name for transform in bank())
    linear = LinearProbe(
        classes=classes,
        weight=rng.normal(size=(len(classes), DIM)).astype(np.float32),
        bias=np.zeros(len(classes), np.float32),
        mean=np.zeros(DIM, np.float32),
        scale=np.ones(DIM, np.float32),
        facts=FitFacts(0.01, False, True, 40, 1.2),
    )
    backbone = dict.fromkeys(("model", "weights", "preprocessing", "pooling", "layer"), "made")
    return PortableProbe(linear, tuple(transform.group for transform in bank()), backbone)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        source, out, probe = sys.argv[1:]
        begun = time.perf_counter()
        score_embeddings(Path(source), Path(out), probe_of(probe))
        print(json.dumps({"seconds": time.perf_counter() - begun, "peak_mb": peak_mb()}))
    else:
        print(json.dumps(run(), indent=1))

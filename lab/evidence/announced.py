"""Write estimated and measured durations of runs to docs/how-to/large.md.

    python -m lab.evidence.announced [KIND ...]

The command estimates and then computes seven kinds of small runs, each in a separate process. This takes about ten
minutes on two cores, which should otherwise be idle. To measure only some kinds, specify their names, such as
"two models".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.devtools.commands import put_row
from probing_core.run.estimate import estimate
from probing_core.run.options import EMBED, PROJECT, Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "large.md"
BEGIN = "<!-- generated: python -m lab.evidence.announced -->"
HEAD = "| run | estimated | measured | ratio |\n| --- | --- | --- | --- |"
ENCODER, BASELINE = "zoo/mae", "baseline/pixels"
DEMO = ("zoo/mae", "zoo/clip", "baseline/handcrafted")
"""Models of the demo run, as in `dashboard.jobs.demo`."""
FEW = ("gaussian-blur", "jpeg", "gaussian-noise", "brighten", "pencil-sketch")
"""Transformations of the runs, few enough for a run to take about a minute."""


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        options: options of the run.
        before: options of the base run, which is computed first.
        until: last stage that has already been computed when the run is measured.
    """

    options: dict[str, Any]
    before: dict[str, Any] | None = None
    until: str = ""


def kinds(images: int = 60, encoder: str = ENCODER) -> dict[str, Kind]:
    """Return the kinds of runs by name."""
    splits = {"corpus": "reference", "limit": images, "transforms": list(FEW), "models": [encoder]}
    return {
        "few photographs, all transformations of the bank": Kind(
            {"corpus": "photos", "limit": 40, "models": [encoder]}
        ),
        "photographs with splits": Kind(splits),
        "two models": Kind(splits | {"models": [encoder, BASELINE]}),
        "calibration with `--calibrate-on`": Kind(splits | {"calibrate_on": ["photos"]}),
        "demo run": Kind({"corpus": "reference", "limit": images, "models": list(DEMO), "repetitions": 1}),
        "run resumed after embedding": Kind(splits, until=EMBED),
        "model added with `--base`": Kind({"models": [encoder]}, before=splits | {"models": [BASELINE]}),
    }


@dataclass(frozen=True)
class Measured:
    """Estimated and measured seconds of a run."""

    announced: float
    took: float

    @property
    def factor(self) -> float:
        """Factor by which the durations differ, at least 1."""
        return max(self.announced / self.took, self.took / self.announced)


def measure(kind: Kind, folder: Path, until: str = "") -> Measured:
    """Estimate the duration of a run up to the stage ``until``, compute the run, and measure its duration."""
    options, out = dict(kind.options), folder / "run"
    if kind.before is not None:
        options["base"] = str(folder / "base")
        _spend("run", folder / "base", kind.before, until)
    if kind.until:
        _spend("run", out, options, kind.until)
    announced = float(_spend("estimate", out, options, until)[1].splitlines()[-1])
    took, _ = _spend("run", out, options, until)
    return Measured(announced, took)


def _spend(kind: str, out: Path, options: dict[str, Any], until: str) -> tuple[float, str]:
    """Run a process, and return its duration in seconds and its output."""
    command = [sys.executable, "-m", "lab.evidence.announced", "--", kind, str(out), json.dumps(options), until]
    begun = time.perf_counter()
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8", env=os.environ | PASSIVE)
    return time.perf_counter() - begun, process.stdout


PASSIVE = {"OMP_WAIT_POLICY": "passive"}
"""Environment of the processes, as in the command line: waiting threads do not use processor time."""


def _work(kind: str, out: Path, options: dict[str, Any], until: str) -> None:
    from probing_core.run.pipeline import run

    options_of_run = Options(**options | ({"base": Path(options["base"])} if "base" in options else {}))
    if kind == "run":
        run(out, options_of_run, until or PROJECT)
        return
    expected = estimate(options_of_run, out, until or PROJECT)
    print(expected, file=sys.stderr)
    print(expected.seconds)


def main(names: Sequence[str]) -> None:
    kinds_by_name = kinds()
    for name, kind in kinds_by_name.items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(kind, Path(folder))
        _write(list(kinds_by_name), name, measured)


def _write(names: Sequence[str], name: str, measured: Measured) -> None:
    row = f"{measured.announced:.0f} s | {measured.took:.0f} s | {measured.factor:.2f}"
    put_row(PAGE, BEGIN, HEAD, names, name, row)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        _work(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]), sys.argv[5])
    else:
        main(sys.argv[1:])

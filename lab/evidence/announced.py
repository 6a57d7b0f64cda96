"""Writes into docs/how-to/large.md how long runs take, beside what was announced for them.

    python -m lab.evidence.announced [KIND ...]

Seven kinds of small runs, each in a process of its own: first `probing run --estimate`, then the run. Seconds on the
clock depend on what other programs do meanwhile, processor seconds hardly. Some ten minutes on two idle cores. With
kinds, such as "two models", these alone are measured.
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
from probing_core.run.options import EMBED, STAGES, Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "large.md"
BEGIN = "<!-- generated: python -m lab.evidence.announced -->"
HEAD = (
    "| run | announced | took | factor | announced, processor | took, processor | factor |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
ENCODER, BASELINE = "zoo/mae", "baseline/pixels"
DEMO = ("zoo/mae", "zoo/clip", "baseline/handcrafted")
"""Models of the demo run, as in `dashboard.jobs.demo`."""
FEW = ("gaussian-blur", "jpeg", "gaussian-noise", "brighten", "pencil-sketch")
"""Of the bank, so that a run takes a minute."""


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        options: of it.
        before: options of a run that is made first, and on which it stands.
        until: stage up to which it was made already.
    """

    options: dict[str, Any]
    before: dict[str, Any] | None = None
    until: str = ""


def kinds(images: int = 60, few: int = 40, encoder: str = ENCODER, transforms: Sequence[str] = FEW) -> dict[str, Kind]:
    """Return the kinds of runs by name."""
    splits = {"corpus": "reference", "limit": images, "transforms": list(transforms), "models": [encoder]}
    return {
        "few photographs, the whole bank": Kind({"corpus": "photos", "limit": few, "models": [encoder]}),
        "splits": Kind(splits),
        "two models": Kind(splits | {"models": [encoder, BASELINE]}),
        "answers calibrated by `--calibrate-on`": Kind(splits | {"calibrate_on": ["photos"]}),
        "the demo run": Kind({"corpus": "reference", "limit": images, "models": list(DEMO), "repetitions": 1}),
        "a run that was stopped after embedding": Kind(splits, until=EMBED),
        "a model that joins by `--base`": Kind({"models": [encoder]}, before=splits | {"models": [BASELINE]}),
    }


@dataclass(frozen=True)
class Measured:
    """Seconds on the clock and of processors that a run took, and that were announced."""

    announced: tuple[float, float]
    took: tuple[float, float]

    @property
    def factors(self) -> tuple[float, float]:
        """Factors by which they differ, on the clock and in processor time; 1 or more."""
        first, second = (max(one / other, other / one) for one, other in zip(self.announced, self.took, strict=True))
        return first, second


def measure(kind: Kind, folder: Path, until: str = "") -> Measured:
    """Announce a run and make it, up to the stage ``until``."""
    options, out = dict(kind.options), folder / "run"
    if kind.before is not None:
        options["base"] = str(folder / "base")
        _spend("run", folder / "base", kind.before, until)
    if kind.until:
        _spend("run", out, options, kind.until)
    announced = json.loads(_spend("estimate", out, options, until)[1].splitlines()[-1])
    took, _ = _spend("run", out, options, until)
    return Measured((announced["seconds"], announced["processor_s"]), took)


def _spend(what: str, out: Path, options: dict[str, Any], until: str) -> tuple[tuple[float, float], str]:
    """Return the seconds that a process took, on the clock and of processors, and what it printed."""
    command = [sys.executable, "-m", "lab.evidence.announced", "--", what, str(out), json.dumps(options), until]
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | PASSIVE)
    after = os.times()
    processor = after.children_user - before.children_user + after.children_system - before.children_system
    return (time.perf_counter() - begun, processor), done.stdout


PASSIVE = {"OMP_WAIT_POLICY": "passive"}
"""As in the command line: threads that wait take no processor."""


def _work(what: str, out: Path, options: dict[str, Any], until: str) -> None:
    from probing_core.run.stages import run

    asked = Options(**options | ({"base": Path(options["base"])} if "base" in options else {}))
    stages = STAGES[: STAGES.index(until) + 1] if until else STAGES
    if what == "run":
        run(out, asked, stages)
        return
    found = estimate(asked, out, stages)
    print(found, file=sys.stderr)
    print(json.dumps({"seconds": found.seconds, "processor_s": found.processor_s}))


def main(asked: Sequence[str]) -> None:
    known = kinds()
    for name, kind in known.items():
        if asked and name not in asked:
            continue
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(kind, Path(folder))
        _write(list(known), name, measured)


def _write(names: Sequence[str], name: str, measured: Measured) -> None:
    cells = []
    for announced, took, factor in zip(measured.announced, measured.took, measured.factors, strict=True):
        cells += [f"{announced:.0f} s", f"{took:.0f} s", f"{factor:.2f}"]
    put_row(PAGE, BEGIN, HEAD, names, name, " | ".join(cells))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        _work(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]), sys.argv[5])
    else:
        main(sys.argv[1:])

"""``busy``: how many cores each phase of a run keeps busy, and how many pictures per second a cheap model gets.

On a machine with other work, these numbers are too low.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.benchmarks._common import processor_s
from probing_core.compute.parallel import cores
from probing_core.run.layout import SAMPLES
from probing_core.run.options import EMBED, STAGES, Options
from probing_core.run.progress import Progress
from probing_core.run.stages import run as make_run
from probing_core.run.store import Store
from probing_core.transforms import bank


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        images: of the reference corpus, for the cheap model.
        whole: images of a run with all stages.
        models: of that run.
    """

    images: int = 200
    whole: int = 100
    models: tuple[str, ...] = ("zoo/mae", "zoo/clip")


SMALL = Size(2, 2, ("baseline/pixels",))
CHEAP = "baseline/dhash"


def run(size: Size) -> dict[str, dict[str, object]]:
    """Return ``busy``:

    - ``cores``: that there are.
    - ``embed_cheap``: cores that ``--until embed`` keeps busy with a cheap model and the bank without neural styles,
      1.9 of two are aimed at; ``embed_cheap_pictures_per_s``.
    - ``by_phase``: cores that each phase of a run with all stages keeps busy, and ``run``, the run: 1.6 of two.
    """
    plain = [t.name for t in bank() if t.group != "style"]
    cheap = Options(corpus="reference", transforms=plain, models=(CHEAP,), limit=size.images)
    whole = Options(corpus="reference", models=size.models, limit=size.whole, repetitions=1)
    with tempfile.TemporaryDirectory() as folder:
        embedding = _watched(Path(folder) / "cheap", cheap, (EMBED,))
        pictures = len(Store(Path(folder) / "cheap").read_table(SAMPLES))
        phases = _watched(Path(folder) / "whole", whole, STAGES)
    return {
        "busy": {
            "cores": cores(),
            "embed_cheap": _busy(embedding.values()),
            "embed_cheap_pictures_per_s": round(pictures / sum(seconds for seconds, _ in embedding.values()), 1),
            "by_phase": {name: _busy([spent]) for name, spent in phases.items()},
            "run": _busy(phases.values()),
        }
    }


class _Watch(Progress):
    """Records when each phase begins.

    Attributes:
        entered: the phase, with the clock and the processor seconds then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered: list[tuple[str, float, float]] = []
        self.enter("start")

    def enter(self, phase: str) -> None:
        if not self.entered or self.entered[-1][0] != phase:
            self.entered.append((phase, time.perf_counter(), processor_s()))

    def update(self, stage: str, done: int, total: int, message: str = "", step: str = "") -> None:
        self.enter(stage)
        super().update(stage, done, total, message, step)


def _watched(out: Path, options: Options, stages: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return seconds and processor seconds of each phase of a run."""
    watch = _Watch()
    make_run(out, options, stages, watch)
    watch.enter("end")
    spent: dict[str, tuple[float, float]] = {}
    for (phase, since, used), (_, until, later) in zip(watch.entered, watch.entered[1:], strict=False):
        seconds, processor = spent.get(phase, (0.0, 0.0))
        spent[phase] = seconds + until - since, processor + later - used
    return spent


def _busy(phases: Iterable[tuple[float, float]]) -> float:
    seconds, processor = (sum(column) for column in zip(*phases, strict=True))
    return round(processor / seconds, 2)

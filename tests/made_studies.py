"""Invented tables of studies for the made run, with the columns of docs/run-format.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.run_edits import put
from probing_core.compute.sampling.series import strengths_of
from probing_core.compute.task_names import VARIANCE
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.results import Run
from probing_core.run.recipe import load_transforms
from probing_core.run.run_files import RunFiles

KEY = "made"
PARTS = [("content", 0.5), ("look", 0.2), ("rest", 0.3)]
EVERY = {"interval": "bootstrap", "bases": 150, "images": 150, "note": ""}


def _layers(accuracies: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    table = accuracies.assign(chance=np.where(accuracies["task"] == "fine", 1 / 31, 0.2))
    table = table.assign(validation_loss=1 - table["value"])
    lowest = table.groupby(["model", "task"])["validation_loss"].transform("min")
    last = table["layer"] == table.groupby(["model", "task"])["layer"].transform("max")
    of_last = table["value"].where(last).groupby([table["model"], table["task"]]).transform("max")
    gap, half = table["value"] - of_last, np.where(last, 0, 0.02)
    table = table.assign(difference=gap, difference_low=gap - half, difference_high=gap + half)
    table = pd.concat([table.assign(chosen=table["validation_loss"] == lowest), parts.assign(chosen=False)])
    return table.assign(pooling="mean")


def _retrieval(run: Run, rows: Callable[..., pd.DataFrame], scored: Callable) -> dict[str, pd.DataFrame]:
    """The tables of retrieval; content and look of the variance are 50 and 20 %."""
    transforms = [t for t in load_transforms(run.recipe) if not t.far]
    changed = [t for t in transforms if t.name != "identity"]
    shares = [(kind, share) for kind in ("raw", "centered") for share in (0.01, 0.005, 0.001)]
    found = [(name, np.nan, k, 150) for name in (*(t.name for t in transforms), "all") for k in (1, 10)]
    found += [(t.name, s, k, 150) for t in changed for s in strengths_of(t) for k in (1, 10)]
    uses = ("original", "duplicates", "content", "altered")
    photographs = [(use, f"{i:03d}", i % 10 / 10) for use in uses for i in range(30)]
    names = (*(t.name for t in transforms), "all", *FRAMING_EDITS)
    copies = rows("cosine", "unrelated", "transform", of=[(*d, name) for d in shares for name in names])
    parted = scored(rows("part", "share", of=PARTS)).assign(repetitions=1)
    return {
        "retrieval": scored(rows("transform", "strength", "k", "gallery", of=found)).assign(chance=0.01),
        "duplicates": scored(copies).assign(threshold=0.8, threshold_low=0.7, threshold_high=0.9, pairs=11175),
        "variance": parted.assign(value=parted["share"]).drop(columns="share"),
        "uses": rows("use", "base_id", "value", of=photographs),
    }


def add_studies(root: Path) -> Path:
    """Writes every table of studies into the run in ``root``."""
    run, store, rng = Run.open(root), RunFiles(root), np.random.default_rng(0)
    models = list(run.models["name"])
    transforms = [t for t in load_transforms(run.recipe) if not t.far]
    changed = [t for t in transforms if t.name != "identity"]

    def rows(*columns: str, of: list[tuple]) -> pd.DataFrame:
        return pd.DataFrame([(m, *row) for m in models for row in of], columns=["model", *columns])

    def scored(table: pd.DataFrame) -> pd.DataFrame:
        value = rng.uniform(0.2, 0.9, len(table))
        return table.assign(value=value, low=value - 0.1, high=value + 0.1, **EVERY)

    strength = rows("transform", "strength", of=[(t.name, s) for t in changed for s in strengths_of(t)])
    for name, low in (("hit_rate", "hit"), ("shift", "shift")):
        value = rng.uniform(0.2, 0.9, len(strength))
        strength = strength.assign(**{name: value, f"{low}_low": value - 0.1, f"{low}_high": value + 0.1})
    strength = strength.assign(images=150, bases=150, interval="bootstrap", note="")
    thresholds = rows("transform", "threshold", of=[(t.name, t.strength_at(0.5)) for t in changed])
    thresholds = thresholds.assign(
        low=thresholds["threshold"] * 0.9, high=thresholds["threshold"] * 1.1, censored="", false_alarms=0.1,
        images=150, bases=150, note="",
    )  # fmt: skip
    parts = scored(rows("layer", "task", "share", of=[(n, f"{VARIANCE}{p}", s) for n in (1, 2, 3) for p, s in PARTS]))
    accuracies = scored(rows("layer", "task", of=[(n, t) for n in (1, 2, 3) for t in ("fine", "content")]))
    tables = {
        "strength": strength,
        "thresholds": thresholds,
        "geometry": scored(rows("transform", of=[(t.name,) for t in transforms])),
        "layers": _layers(accuracies, parts.assign(value=parts["share"]).drop(columns="share")),
        "selectivity": scored(rows(of=[()])).assign(accuracy=0.8, control=0.1, types=248),
    }
    for name, table in (tables | _retrieval(run, rows, scored)).items():
        put(store, {f"tables/{name}.parquet": table})
    return root

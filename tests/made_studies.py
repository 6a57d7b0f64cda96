"""Invented tables of studies for the made run, with the columns of docs/run-format.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.compute.series import pairs_among, strengths_of
from probing_core.measures.content_or_look import SETTINGS
from probing_core.results import Run
from probing_core.run.recipe import load_transforms
from probing_core.run.store import Store

KEY = "made"
STEADY = "150 images; from 2000 on the estimate is steady"
EVERY = {"interval": "bootstrap", "bases": 150, "images": 150, "note": ""}


def _layers(scored: pd.DataFrame) -> pd.DataFrame:
    table = scored.assign(pooling="mean", chance=np.where(scored["task"] == "fine", 1 / 31, 0.2))
    table = table.assign(validation_loss=1 - table["value"])
    lowest = table.groupby(["model", "task"])["validation_loss"].transform("min")
    return table.assign(chosen=table["validation_loss"] == lowest)


def _retrieval(run: Run, rows: Callable[..., pd.DataFrame], scored: Callable) -> dict[str, pd.DataFrame]:
    """The tables of retrieval; content and look of the variance are 50 and 20 %."""
    transforms = [t for t in load_transforms(run.recipe) if not t.far]
    changed = [t for t in transforms if t.name != "identity"]
    shares = ((kind, share) for kind in ("raw", "centered") for share in (0.01, 0.001))
    sizes = [(size, size > 150) for size in (25, 50, 100, 150, 300, 750, 1500)]
    found = [(t.name, k, 150, False) for t in transforms for k in (1, 10)]
    found += [("all", k, *size) for size in sizes for k in (1, 10)]
    parts = (("content", 0.5), ("look", 0.2), ("rest", 0.3))
    parted = scored(rows("part", "share", of=parts)).assign(repetitions=1)
    layers = scored(rows("layer", "part", "share", of=[(n, *p) for n in (1, 2, 3) for p in parts]))
    settings = [(name,) for name in SETTINGS]
    strengths = [(t.name, s, k, 150) for t in changed for s in strengths_of(t) for k in (1, 10)]
    limits = [(t.name, t.strength_at(0.5), "") for t in changed]
    duplicates = [*shares]
    uses = ("original", "duplicates", "content", "altered")
    photographs = [(use, f"{i:03d}", i % 10 / 10) for use in uses for i in range(30)]
    kinds = (("original-found", ""), ("robustness-index", "label"), ("shift", ""))
    near = [(n, *kind) for n in (1, 2, 3) for kind in kinds]
    limited = rows("transform", "value", "censored", of=limits)
    return {
        "retrieval": scored(rows("transform", "k", "gallery", "extrapolated", of=found)).assign(chance=0.01),
        "retrieval-strength": scored(rows("transform", "strength", "k", "gallery", of=strengths)).assign(chance=0.01),
        "retrieval-limits": limited.assign(
            low=limited["value"] * 0.9, high=limited["value"] * 1.1, gallery=150, images=150, bases=150, note=""
        ),
        "duplicates": scored(rows("cosine", "unrelated", of=duplicates)).drop(columns="images").assign(pairs=11175),
        "copies": scored(
            rows("cosine", "unrelated", "transform", of=[(*d, t.name) for d in duplicates for t in transforms])
        ).assign(threshold=0.8),
        "robustness": scored(rows("by", of=[("photograph",), ("label",)])).assign(
            k=10, chance=0.2, both=0.0, content=0.4, look=0.3, neither=0.3
        ),
        "content-neighbors": scored(rows("setting", of=settings)).assign(gallery=60, k=10, classes=5, chance=0.2),
        "variance": parted.assign(value=parted["share"]).drop(columns="share"),
        "variance-layers": layers.assign(value=layers["share"], pooling="mean", repetitions=1).drop(columns="share"),
        "neighbors-layers": scored(rows("layer", "measure", "by", of=near)).assign(pooling="mean"),
        "uses": rows("use", "base_id", "value", of=photographs),
    }


def add_studies(root: Path) -> Path:
    """Writes every table of studies into the run in ``root``."""
    run, store, rng = Run.open(root), Store(root), np.random.default_rng(0)
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
    kinds = [f"equivariance-{kind}" for kind in ("identity", "offset", "ridge", "rank")]
    geometry = [(t.name, "shift") for t in transforms] + [(t.name, kind) for t in changed for kind in kinds]
    composition = rows("first", "second", of=pairs_among(transforms))
    for name in ("first", "second", "both"):
        value = rng.uniform(0.2, 0.9, len(composition))
        composition = composition.assign(
            **{f"{name}_hit": value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        )
    probes = [("fine", "linear"), ("fine", "knn"), ("content", "linear")]
    erased = ("nothing", "transformation", "random")
    outliers = [
        (t.name, method, measure)
        for t in changed
        for method in ("mahalanobis", "neighbors")
        for measure in ("auroc", "fpr95")
    ]
    tables = {
        "strength": strength,
        "thresholds": thresholds,
        "geometry": scored(rows("transform", "measure", of=geometry)),
        "cka": pd.DataFrame(
            [(a, b, float(a == b), 0.9 * (a == b), 1.0, "jackknife", 150, 150, STEADY) for a in models for b in models],
            columns=["model_a", "model_b", "value", "low", "high", "interval", "bases", "images", "note"],
        ),
        "composition": composition.assign(**EVERY),
        "layers": _layers(scored(rows("layer", "task", of=[(n, t) for n in (1, 2, 3) for t in ("fine", "content")]))),
        "dimension": scored(rows("dimensions", of=[(2**k,) for k in range(7)])).assign(chance=1 / 31),
        "erasure": scored(rows("task", "probe", "erased", of=[(*p, e) for p in probes for e in erased])).assign(
            chance=0.1
        ),
        "ood": scored(rows("transform", "method", "measure", of=outliers)),
        "selectivity": scored(rows(of=[()])).assign(accuracy=0.8, control=0.1, types=248),
        "codelength": scored(rows(of=[()])).assign(bits=2000.0, guessing_bits=6000.0, samples=1240),
    }
    for name, table in (tables | _retrieval(run, rows, scored)).items():
        store.write_table(f"tables/{name}.parquet", table, KEY)
    return root

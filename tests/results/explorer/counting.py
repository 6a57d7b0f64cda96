"""Counts of the explorer, by pandas over the run's own tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from probing_core.results import Run
from probing_core.results.explorer import ExplorerData
from probing_core.transforms import resolve

BINS = 12
OUTCOMES = ["neither", "a", "b", "both"]


def points(run: Run, data: ExplorerData) -> pd.DataFrame:
    """The tested points, a row each: truth, bin of the strength, and every model's answer under its name."""
    samples = data.sample
    table = run.samples.set_index("sample").loc[samples, ["transform", "strength", "base_id"]].reset_index()
    falling = {name: resolve(name).falling for name in table["transform"].unique()}
    upward = table["strength"].where(~table["transform"].map(falling), -table["strength"])
    place = upward.groupby(table["transform"]).rank() - 1
    most = upward.groupby(table["transform"]).transform("count") - 1
    rank = np.rint(254 * place / most.clip(lower=1))
    table["bin"] = np.floor(rank * BINS / 255)  # NaN of an untouched picture
    for model in data.models:
        answers = run.predictions(model.name, "fine").set_index("sample")
        table[model.name] = answers.loc[samples, "predicted"].to_numpy()
    return table


def enclosed(polygon: list[int], places: np.ndarray) -> np.ndarray:
    """Which places lie in the polygon, by the even-odd rule."""
    corners = np.array(polygon, float).reshape(-1, 2)
    x, y = places.astype(float).T
    inside = np.zeros(len(places), bool)
    for (x1, y1), (x0, y0) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        crosses = (y1 > y) != (y0 > y)
        if y0 != y1:
            inside ^= crosses & (x < x1 + (y - y1) * (x0 - x1) / (y0 - y1))
    return inside


def counts(data: ExplorerData, table: pd.DataFrame, chosen: dict[str, Any]) -> dict[str, Any]:
    """What `explorer.counts()` returns."""
    classes = [one.name for one in data.classes]
    models = {model.name: model for model in data.models}
    a, b = table[chosen["a"]], table[chosen["b"]]
    truth = table["transform"]
    everything = pd.Series(True, table.index)
    where = what = out = how = rows = everything
    columns: list[str] = []
    if polygon := chosen.get("where"):
        model = models[chosen[polygon["map"]]]
        reading = next(iter(model.places))
        where = pd.Series(enclosed(polygon["polygon"], model.places[reading]))
    if clause := chosen.get("what"):
        columns = clause.get("columns", [])
        rows = truth.isin(clause["rows"]) if "rows" in clause else everything
        named = {"a": a.isin(columns), "b": b.isin(columns), "either": a.isin(columns) | b.isin(columns)}
        what = rows & (named[clause["by"]] if columns else everything)
    code = (a == truth).astype(int) + 2 * (b == truth)
    if names := chosen.get("out"):
        out = code.map(lambda one: OUTCOMES[one]).isin(names)
    if ends := chosen.get("how"):
        how = table["bin"].between(*ends)

    def matrix(answers: pd.Series, mask: pd.Series) -> list[int]:
        found = pd.crosstab(truth[mask], answers[mask]).reindex(index=classes, columns=classes, fill_value=0)
        return found.to_numpy().ravel().tolist()

    def tally(values: pd.Series, keys: list[Any]) -> list[int]:
        return values.value_counts().reindex(keys, fill_value=0).tolist()

    free, all_of_it = where & out & how, where & what & out & how
    curve = where & rows & table["bin"].notna()
    marked = [one.isin(columns) if columns else one == truth for one in (a, b)]
    bins = table["bin"]
    better = ((b == truth).astype(float) - (a == truth))[all_of_it]
    return {
        "n": int(all_of_it.sum()),
        "rows": tally(truth[free], classes),
        "matrix": [matrix(a, free), matrix(b, free)],
        "outcomes": tally(code[where & what & how], [0, 1, 2, 3]),
        "curve": [tally(bins[mask], list(range(BINS))) for mask in (curve, curve & marked[0], curve & marked[1])],
        "chosenRows": tally(truth[all_of_it], classes),
        "chosen": [matrix(a, all_of_it), matrix(b, all_of_it)],
        "right": [int((a == truth)[all_of_it].sum()), int((b == truth)[all_of_it].sum())],
        "difference": difference(better, table["base_id"][all_of_it]),
    }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    ours, theirs = ([np.nan if n is None else n for n in one.pop("difference")] for one in (found, expected))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-9)
    assert found == expected


def difference(better: pd.Series, photographs: pd.Series) -> list[float | None]:
    """The mean in points, and half its 95 % interval by photograph: the standard error of a ratio of sums."""
    if better.empty:
        return [None, None]
    sums = better.groupby(photographs).agg(["sum", "count"])
    clusters = len(sums)
    if clusters < 6:
        return [100 * better.mean(), None]
    squares = (sums["sum"] - better.mean() * sums["count"]).pow(2).sum()
    error = np.sqrt(squares * clusters / (clusters - 1)) / len(better)
    width = t.ppf(0.975, clusters - 1) if clusters < 20 else 1.96
    return [100 * better.mean(), 100 * width * error]


def random_selection(data: ExplorerData, rng: np.random.Generator) -> dict[str, Any]:
    """Two models and any of the four clauses."""
    names = [model.name for model in data.models]
    classes = [one.name for one in data.classes]
    chosen: dict[str, Any] = dict(zip("ab", rng.choice(names, 2, replace=False).tolist(), strict=True))
    if rng.random() < 0.5:
        corners = int(rng.integers(3, 14))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(5_000, 40_000, corners)
        center = rng.uniform(-15_000, 15_000, 2)
        polygon = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] + center
        chosen["where"] = {"map": str(rng.choice(["a", "b"])), "polygon": np.rint(polygon).astype(int).ravel().tolist()}
    if rng.random() < 0.5:
        what: dict[str, Any] = {"by": str(rng.choice(["a", "b", "either"]))}
        for kind in rng.choice(["rows", "columns"], int(rng.integers(1, 3)), replace=False):
            what[str(kind)] = rng.choice(classes, int(rng.integers(1, 9)), replace=False).tolist()
        chosen["what"] = what
    if rng.random() < 0.4:
        chosen["out"] = rng.choice(OUTCOMES, int(rng.integers(1, 4)), replace=False).tolist()
    if rng.random() < 0.4:
        chosen["how"] = sorted(rng.integers(0, BINS, 2).tolist())
    return chosen

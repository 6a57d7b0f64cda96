"""Counts of the explorer, by pandas over the run's own tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from probing_core.measures.statistics import Difference, interval, rare_differences
from probing_core.measures.statistics import difference as difference_of
from probing_core.measures.statistics import mean as mean_of
from probing_core.results import Run
from probing_core.results.explorer import ExplorerData
from probing_core.results.ranking import accuracy_of
from probing_core.transforms import resolve

BINS = 12
OUTCOMES = ["neither", "a", "b", "both"]


def points(run: Run, data: ExplorerData) -> pd.DataFrame:
    """Return the points, a row each: truth, bin of the strength, and the predictions of every model under its name."""
    samples = data.sample
    table = run.samples.set_index("sample").loc[samples, ["transform", "strength", "base_id"]].reset_index()
    falling = {name: resolve(name).falling for name in table["transform"].unique()}
    upward = table["strength"].where(~table["transform"].map(falling), -table["strength"])
    place = upward.groupby(table["transform"]).rank() - 1
    most = upward.groupby(table["transform"]).transform("count") - 1
    rank = np.rint(254 * place / most.clip(lower=1))
    table["bin"] = np.floor(rank * BINS / 255)  # NaN for clean samples
    for model in data.models:
        answers = run.predictions(model.name, "fine").set_index("sample")
        table[model.name] = answers.loc[samples, "predicted"].to_numpy()
    return table


def enclosed(polygon: list[int], places: np.ndarray) -> np.ndarray:
    """Return which points are in the polygon, by the even-odd rule."""
    corners = np.array(polygon, float).reshape(-1, 2)
    x, y = places.astype(float).T
    inside = np.zeros(len(places), bool)
    for (x1, y1), (x0, y0) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        crosses = (y1 > y) != (y0 > y)
        if y0 != y1:
            inside ^= crosses & (x < x1 + (y - y1) * (x0 - x1) / (y0 - y1))
    return inside


def counts(data: ExplorerData, table: pd.DataFrame, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return what `explorer.counts()` returns."""
    classes = [one.name for one in data.classes]
    models = {model.name: model for model in data.models}
    a, b = table[chosen["a"]], table[chosen["b"]]
    truth = table["transform"]
    everything = pd.Series(True, table.index)
    where = what = out = how = rows = everything
    columns: list[str] = []
    if polygon := chosen.get("where"):
        model = models[chosen[polygon["map"]]]
        places = next(iter(model.places.values()))
        where = pd.Series(enclosed(polygon["polygon"], places))
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
        "selectedRows": tally(truth[all_of_it], classes),
        "selected": [matrix(a, all_of_it), matrix(b, all_of_it)],
        "correct": [int((a == truth)[all_of_it].sum()), int((b == truth)[all_of_it].sum())],
        "photographs": table["base_id"][all_of_it].nunique(),
        "difference": difference(better, table["base_id"][all_of_it])
        if {"where", "what", "out", "how"} & set(chosen)
        else overall_difference(data, table, chosen["a"], chosen["b"]),
    }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    ours, theirs = ([np.nan if n is None else n for n in one.pop("difference")] for one in (found, expected))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    assert found == expected


def difference(better: pd.Series, photographs: pd.Series) -> list[float | None]:
    """Return the mean in percentage points, its 95% CI over photographs, and its p-value.

    If at least half of the photographs differ, the standard error is that of a ratio of sums.
    """
    if better.empty:
        return [None] * 4
    sums = better.groupby(photographs).agg(["sum", "count"])
    clusters, mean = len(sums), better.mean()
    if clusters < 6:
        return [100 * mean, None, None, None]
    squares = (sums["sum"] - mean * sums["count"]).pow(2).sum()
    error = np.sqrt(squares * clusters / (clusters - 1)) / len(better)
    half = t.ppf(0.975, clusters - 1) * error
    if 2 * (sums["sum"] != 0).sum() < clusters:
        gap = paired(better, photographs)
        estimate, rare = interval(gap, low=-1, high=1), rare_differences(gap)
        return [100 * mean, 100 * estimate.low, 100 * estimate.high, 2 * t.sf(abs(rare.statistic(0)), clusters - 1)]
    if error < 1e-9:
        return [100 * mean, None, None, None]
    p = 2 * t.sf(abs(mean) / error, clusters - 1)
    return [100 * mean, 100 * (mean - half), 100 * (mean + half), p]


def paired(better: pd.Series, photographs: pd.Series) -> Difference:
    """Return the mean difference as sums by photograph."""
    bases = photographs.to_numpy()
    return difference_of(*(mean_of((better * sign > 0).to_numpy(), bases) for sign in (1, -1)))


def overall_difference(data: ExplorerData, table: pd.DataFrame, a: str, b: str) -> list[float | None]:
    """Return the difference over all samples, with the interval and the p-value that the ranking has for it."""
    rows = table.rename(columns={"transform": "truth"})
    found = [accuracy_of(rows.assign(predicted=rows[model])) for model in (a, b)]
    interval = found[1].minus(found[0])
    value = 100 * ((rows[b] == rows["truth"]) * 1.0 - (rows[a] == rows["truth"])).mean()
    earlier, later = sorted([model.name for model in data.models].index(name) for name in (a, b))
    return [value, 100 * interval.low, 100 * interval.high, data.p_values[later][earlier]]


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

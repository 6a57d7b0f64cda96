"""Prepare the data of a run as typed arrays for the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.charts.theme import Theme
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, FINE, NEAR
from probing_core.errors import BadRun, UnknownName
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import group_title, model_titles, transform_title
from probing_core.measures.paired_tests import paired_interval
from probing_core.measures.statistics import (
    MIN_CLUSTERS_FOR_BOOTSTRAP,
    bootstrap,
    with_place,
)
from probing_core.results.ranking import PAGE_FLIPS, in_order, is_baseline, scores_of
from probing_core.results.run_tables import RunTables
from probing_core.results.two_models import p_of_pair, pairwise_p
from probing_core.transforms import Transform, resolve

SOURCE_FOLDER = Path(__file__).parent
ABOUT_EXPLORER = (
    "Each dot is one transformed image. A small classifier (the probe) predicts the transformation from "
    "the model's embedding. Similar embeddings are close together."
)

SCRIPTS = ("counting.js", "drawing.js", "map.js", "views.js", "explorer.js")

PROJECTION_TITLES = {BY_TRANSFORMATION: "effect of the transformation", BY_EMBEDDING: "full embedding"}
"""Name of a projection in a run -> title in the explorer."""

MAX_COORDINATE = 32_767
"""Maximum coordinate of a point. The longer side of a map extends from -`MAX_COORDINATE` to `MAX_COORDINATE`."""

STRONGEST = 254
"""Strength rank of the strongest sample of a class. The weakest sample has rank 0."""

NO_STRENGTH = 255
"""Strength rank of clean samples."""

SHARED_MODELS = 6
"""Maximum number of models in a shared file."""


@dataclass(frozen=True)
class Class:
    """A class of the fine task: a transformation, or clean.

    Attributes:
        name: name of the transformation.
        title: display name.
        group: position in the list of groups.
        before, after: text before and after the value of a strength, such as ``radius`` and ``px``.
        scale: factor by which strengths are multiplied for display.
        colors: colors in the light and dark themes.
    """

    name: str
    title: str
    group: int
    before: str
    after: str
    scale: float
    colors: tuple[str, str]


@dataclass(frozen=True, eq=False)
class ModelPoints:
    """Coordinates and predictions of one model for all points.

    Attributes:
        name: name of the model.
        title: display name.
        places: (tested, 2) ``int16`` coordinates, by projection.
        predicted: (tested,) ``uint8`` predicted class.
        confidence: (tested,) ``uint8`` probability of the predicted class, scaled to 0–255.
        truth_probability: (tested,) ``uint8`` probability of the true class, scaled to 0–255.
        neighbors: (tested, 5) ``int32`` nearest points in the embedding, nearest first, by projection. The value is -1
            if a neighbor is not on the map. The mapping is empty if the run has no neighbors.
    """

    name: str
    title: str
    places: Mapping[str, np.ndarray]
    predicted: np.ndarray
    confidence: np.ndarray
    truth_probability: np.ndarray
    neighbors: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ExplorerData:
    """Data of the explorer. Its points are the test samples that are on the maps of all models.

    Attributes:
        classes: classes of the fine task.
        groups: ``name``, ``title`` and ``colors`` (light and dark themes) of each group of classes.
        models: one or more models, with points in the same order.
        sample: (tested,) ``int32`` positions of the samples in the run.
        truth: (tested,) ``uint8`` true class.
        strength: (tested,) ``uint8`` rank of the strength within the class, from 0 (weakest) to `STRONGEST`, or
            `NO_STRENGTH`.
        value: (tested,) ``float32`` strength.
        repetition: (tested,) ``uint8`` repetition of the sample.
        crop: (tested,) ``uint16`` (``uint32`` for many crops) index of the crop.
        crops: image IDs of the crops.
        photographs: (crops,) index of the photograph of each crop.
        labels: (crops,) content labels.
        licenses: (crops,) licenses.
        p_values: for each model, the p-values of the differences in accuracy between this model and each preceding
            model. As on the Models page, they are adjusted for testing all pairs of models in the run. The p-value is
            NaN if a pair was not tested.
    """

    classes: tuple[Class, ...]
    groups: tuple[dict[str, Any], ...]
    models: tuple[ModelPoints, ...]
    sample: np.ndarray
    truth: np.ndarray
    strength: np.ndarray
    value: np.ndarray
    repetition: np.ndarray
    crop: np.ndarray
    crops: tuple[str, ...]
    photographs: np.ndarray
    labels: tuple[str, ...]
    licenses: tuple[str, ...]
    p_values: tuple[tuple[float, ...], ...]

    @property
    def tested(self) -> int:
        return len(self.truth)

    @property
    def example(self) -> tuple[int, int] | None:
        """True and predicted class of an example confusion, or None if there is no such confusion.

        It is the confusion of the first model for which the second model is most often correct.
        """
        a, b = self.models[0].predicted, self.models[min(1, len(self.models) - 1)].predicted
        cells = self.truth.astype(int) * len(self.classes) + a
        counts = np.bincount(cells[(a != self.truth) & (b == self.truth)], minlength=1)
        row, column = divmod(int(counts.argmax()), len(self.classes))
        return (row, column) if counts.any() else None


def explorer_data(run: RunTables, models: Sequence[str] | None = None, near_in: int | None = None) -> ExplorerData:
    """Read the test samples of all repetitions of a run for the explorer.

    Args:
        models: names of the models, in the order of the menus. By default, `default_models` are used.
        near_in: the only repetition whose images can be shown. Neighbors of its samples are limited to this repetition.
            By default, neighbors are from all repetitions.

    Raises:
        UnknownName: the run has no such model.
        BadRun: one of ``models``, or every model of the run, has no map or no predictions, or no sample is on
            all maps.
    """
    names = list(models) if models is not None else default_models(run)
    for name in names:
        run.require_model(name)
    if not names:
        raise BadRun(f"The run '{run.name}' has no model with both a map and predictions. Complete the run first.")
    maps = {name: {p: table for p in PROJECTION_TITLES if (table := run.map(name, p)) is not None} for name in names}
    answers = {name: run.predictions(name, FINE, ()) for name in names}
    for name in names:
        if not maps[name] or answers[name].empty:
            raise BadRun(f"The run does not have both a map and predictions for '{name}'. Omit this model.")
    samples = np.arange(run.sample_count)
    for table in (*answers.values(), *(table for projections in maps.values() for table in projections.values())):
        samples = samples[np.isin(samples, table["sample"])]
    if not len(samples):
        raise BadRun(f"The maps of these models in the run '{run.name}' share no test samples: {', '.join(names)}.")
    # Random order, because points are drawn in sequence and the last class would otherwise cover all others.
    samples = np.random.default_rng(0).permutation(samples)
    rows = run.sample_columns("image_id", "base_id", "label", "transform", "strength", "repetition").iloc[samples]
    classes, groups = _classes(run)
    codes = {entry.name: i for i, entry in enumerate(classes)}

    def as_seen_by(name: str, title: str) -> ModelPoints:
        answered = answers[name].set_index("sample").loc[samples]
        tables = {projection: _neighbors(run, name, projection, near_in) for projection in maps[name]}
        return ModelPoints(
            name,
            title,
            {projection: _places(table, samples) for projection, table in maps[name].items()},
            _coded(answered["predicted"], codes),
            _byte(answered["p_predicted"]),
            _byte(answered["p_truth"]),
            {projection: _nearest(table, samples) for projection, table in tables.items() if table is not None},
        )

    truth = _coded(rows["transform"], codes)
    crops, crop = np.unique(rows["image_id"].to_numpy(str), return_inverse=True)
    first = rows.iloc[np.unique(crop, return_index=True)[1]]
    licenses = run.images.set_index("image_id")["license"] if "license" in run.images else pd.Series(dtype=str)
    return ExplorerData(
        classes=classes,
        groups=groups,
        models=tuple(as_seen_by(name, title) for name, title in model_titles(names).items()),
        sample=samples.astype(np.int32),
        truth=truth,
        strength=_ranks(truth, rows["strength"].to_numpy(np.float64), classes),
        value=rows["strength"].to_numpy(np.float32),
        repetition=rows["repetition"].to_numpy(np.uint8),
        crop=_small(crop),
        crops=tuple(crops.tolist()),
        photographs=_small(np.unique(first["base_id"].to_numpy(str), return_inverse=True)[1]),
        labels=tuple(first["label"].astype(str)),
        licenses=tuple(str(licenses.get(crop, "") or "") for crop in crops),
        p_values=_p_values(run, names),
    )


def _p_values(run: RunTables, models: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    pairs = pairwise_p(run)
    return tuple(tuple(p_of_pair(pairs, model, other) for other in models[:i]) for i, model in enumerate(models))


def default_models(run: RunTables, limit: int = SHARED_MODELS) -> list[str]:
    """Return the models to show by default: the best model of each objective, followed by other encoders and baselines.

    The first two models are swapped, so that model A is the second best and B minus A is positive.
    """
    ranked = ranked_models(run)
    objectives = run.models.set_index("name")["objective"].fillna("").astype(str).str.split(",").str[0]
    names = pd.Series(ranked, dtype=str)
    table = pd.DataFrame({"model": names, "baseline": is_baseline(names)})
    plain = ~table["baseline"] & ~table["model"].str.contains("@")
    table["again"] = ~plain | table["model"].map(objectives).where(plain).duplicated()
    chosen = table.sort_values(["baseline", "again"], kind="stable")["model"].tolist()[:limit]
    return [*chosen[1:2], *chosen[:1], *chosen[2:]]


def shared_models(run: RunTables, selected: Sequence[str] = ()) -> list[str]:
    """Return the models of a shared file, including ``selected`` models, the best encoder and the best baseline.

    Selected models replace models at the end of the default list, so that files with different selections contain
    mostly the same models.
    """
    ranked, default = pd.Series(ranked_models(run), dtype=str), default_models(run)
    best = [*ranked[~is_baseline(ranked)][:1], *ranked[is_baseline(ranked)][:1]]
    models = list(dict.fromkeys([*default[:2], *best, *default]))[:SHARED_MODELS]
    for model in selected:
        if model not in models:
            last = next(name for name in reversed(models) if name not in (*best, *selected))
            models[models.index(last)] = model
    return models


def ranked_models(run: RunTables) -> list[str]:
    """Return the models of ``run`` that the explorer can show, starting with the most accurate model."""
    scores = scores_of(run, FINE, "seen")
    ranked = list(run.models["name"]) if scores.empty else list(in_order(scores)["model"])
    placed = [m for m in with_place(ranked) if any(run.has_map(m, projection) for projection in PROJECTION_TITLES)]
    return [m for m in placed if run.has_predictions(m, FINE)]


def packed(data: ExplorerData) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Serialize ``data`` for the JavaScript function ``open``.

    Returns:
        A JSON-serializable header, and binary parts by name. All models share the part ``points``. The parts
        ``model/0`` and ``neighbors/0`` belong to the first model, and so on. The header describes each array by its
        ``type``, ``offset`` and ``length`` within its part. ``differences`` contains ``[low, high, p]`` for each model
        minus each preceding model: the 95% CI in percentage points and the p-value, which is null if the pair was not
        tested. If there is no interval, the list is replaced with null.
    """
    parts = {f"neighbors/{number}": b"" for number in range(len(data.models))}

    def put(part: str, array: np.ndarray) -> dict[str, Any]:
        before = parts.get(part, b"")
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        parts[part] = before + raw + bytes(-len(raw) % 4)  # typed arrays must start at a multiple of their item size
        return {"type": array.dtype.name, "offset": len(before), "length": array.size}

    def model(number: int, item: ModelPoints) -> dict[str, Any]:
        answers = {
            "predicted": item.predicted,
            "confidence": item.confidence,
            "truthProbability": item.truth_probability,
        }
        points = {name: put(f"model/{number}", array) for name, array in answers.items()}
        points["places"] = {name: put(f"model/{number}", places) for name, places in item.places.items()}
        neighbor_tables = {  # -1 is replaced with the number of points, so that unsigned 16-bit integers can be used
            name: put(f"neighbors/{number}", _small(np.where(table < 0, data.tested, table)))
            for name, table in item.neighbors.items()
        }
        return {"name": item.name, "title": item.title, "points": points, "neighbors": neighbor_tables}

    shared = ("sample", "truth", "strength", "value", "repetition", "crop", "photographs")
    header = {
        "classes": [asdict(item) for item in data.classes],
        "groups": data.groups,
        "projections": {
            name: title
            for name, title in PROJECTION_TITLES.items()
            if any(name in model.places for model in data.models)
        },
        "ramps": [Theme(dark).sequential for dark in (False, True)],
        "diverging": [Theme(dark).diverging for dark in (False, True)],
        "tested": data.tested,
        "example": data.example,
        "repetitions": len(np.unique(data.repetition)),
        "labels": data.labels,
        "differences": _differences(data),
        "points": {name: put("points", getattr(data, name)) for name in shared},
        "models": [model(number, item) for number, item in enumerate(data.models)],
    }
    return header, parts


def _differences(data: ExplorerData) -> list[list[list[float | None] | None]]:
    """Compute the 95% CI and p-value of the difference in accuracy between each model and each preceding model."""
    cluster = data.photographs[data.crop].astype(np.int64)
    sums = [balanced_accuracy(data.truth.astype(np.int64), m.predicted.astype(np.int64), cluster) for m in data.models]
    is_drawn = len(np.unique(cluster)) >= MIN_CLUSTERS_FOR_BOOTSTRAP
    draws = [bootstrap(item) for item in sums] if is_drawn else []  # computed once per model, not once per pair

    def of_pair(first: int, second: int) -> list[float | None] | None:
        drawn = draws[second] - draws[first] if is_drawn else None
        gap = paired_interval(sums[second], sums[first], drawn=drawn, flips=PAGE_FLIPS)
        p = data.p_values[second][first]
        return None if np.isnan(gap.low) else [100 * gap.low, 100 * gap.high, None if np.isnan(p) else p]

    return [[of_pair(first, second) for first in range(second)] for second in range(len(data.models))]


def source(*files: str) -> str:
    return "".join((SOURCE_FOLDER / file).read_text(encoding="utf-8") for file in files)


def _places(table: pd.DataFrame, samples: np.ndarray) -> np.ndarray:
    points = table.set_index("sample")[["x", "y"]].loc[samples].to_numpy(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-9)
    return np.rint((points - (low + high) / 2) / half * MAX_COORDINATE).astype(np.int16)


def _neighbors(run: RunTables, model: str, projection: str, near_in: int | None) -> pd.DataFrame | None:
    table = run.neighbors(model, projection)
    within = None if near_in is None else run.neighbors(model, projection, near_in)
    if table is None or within is None:
        return table
    return pd.concat([within, table[~table["sample"].isin(within["sample"])]])


def _nearest(table: pd.DataFrame, samples: np.ndarray) -> np.ndarray:
    neighbors = table.set_index("sample")[list(NEAR)].loc[samples].to_numpy()
    return pd.Index(samples).get_indexer(neighbors.ravel()).reshape(neighbors.shape).astype(np.int32)


def _coded(names: pd.Series, codes: Mapping[str, int]) -> np.ndarray:
    return names.astype(str).map(codes).to_numpy(np.uint8)


def _small(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.uint16 if len(numbers) == 0 or numbers.max() <= np.iinfo(np.uint16).max else np.uint32)


def _byte(probabilities: pd.Series) -> np.ndarray:
    return np.rint(255 * probabilities.to_numpy(np.float64).clip(0, 1)).astype(np.uint8)


def _ranks(truth: np.ndarray, strengths: np.ndarray, classes: Sequence[Class]) -> np.ndarray:
    falling = np.array([entry is not None and entry.falling for entry in map(_entry, (item.name for item in classes))])
    of_class = pd.Series(np.where(falling[truth], -strengths, strengths)).groupby(truth)
    place, last_place = of_class.rank() - 1, of_class.transform("count") - 1
    return (STRONGEST * place / last_place.clip(lower=1)).round().fillna(NO_STRENGTH).to_numpy(np.uint8)


def _entry(name: str) -> Transform | None:
    try:
        return resolve(name)
    except UnknownName:  # the plug-in that defines the transformation is not loaded
        return None


def _classes(run: RunTables) -> tuple[tuple[Class, ...], tuple[dict[str, Any], ...]]:
    table = run.transforms[run.transforms["transform"].isin(run.classes(FINE))]
    names, of = list(table["transform"].astype(str)), list(table["group"].astype(str))
    groups = list(dict.fromkeys(of))
    light, dark = Theme(), Theme(dark=True)
    shades = light.members(names, of), dark.members(names, of)
    classes = tuple(
        Class(name, transform_title(name), groups.index(group), *_words(name), (shades[0][name], shades[1][name]))
        for name, group in zip(names, of, strict=True)
    )
    return classes, tuple(
        {"name": g, "title": group_title(g), "colors": (light.group(g), dark.group(g))} for g in groups
    )


def _words(name: str) -> tuple[str, str, float]:
    """Return the text before and after the value of a strength, and the factor by which strengths are multiplied."""
    entry = _entry(name)
    if entry is None or entry.name == "identity":
        return "", "", 1.0
    if entry.unit == "in a square view":  # a count
        return "", f" {entry.parameter}", 1.0
    if entry.unit.startswith("fraction"):
        return f"{entry.parameter} ", "%", 100.0
    if entry.unit == "power" or entry.unit.startswith("of "):
        return f"{entry.parameter} ", "", 1.0
    unit = {"bits per channel": "", "degrees": "°", "times": "", "radians": "rad"}.get(entry.unit, entry.unit)
    unit = "px" if unit.startswith("px") else unit
    return f"{entry.parameter} ", f"\N{NO-BREAK SPACE}{unit}" if len(unit) > 1 else unit, 1.0

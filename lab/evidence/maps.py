"""Properties that nearest neighbors have in common: ``python -m lab.evidence.maps --run DIR [--write]``.

For 2,000 random samples of the maps, the command computes the percentages of the 15 nearest neighbors that have the
same transformation, the same group, and the same photograph. It does so for each projection (effect of the
transformation, full embedding) and each model with embeddings, in the embedding space and, if the run has a map, on the
map. ``--write`` updates the table in docs/maps.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lab.devtools.commands import parser_of, publish
from probing_core.compute.maps import MAP_NEIGHBORS, read_as
from probing_core.compute.sampling.samples import samples_on_maps
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, PROJECTIONS
from probing_core.measures.neighbors import nearest, unit
from probing_core.measures.notation import in_percent
from probing_core.results import Run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "maps.md"
BEGIN = "<!-- generated: python -m lab.evidence.maps --run DIR --write -->"

QUERIES = 2000
NAMES = {BY_TRANSFORMATION: "effect of the transformation", BY_EMBEDDING: "full embedding"}
LABELS = {"transform": "transformation", "group": "group", "base_id": "photograph"}


def main() -> None:
    parser = parser_of(__doc__, write="docs/maps.md")
    parser.add_argument("--run", type=Path, required=True, help="run with embeddings")
    options = parser.parse_args()
    run = Run.open(options.run)
    if not any(run.has_embeddings(model) for model in run.models["name"]):
        raise SystemExit(f"error: The run '{options.run}' has no embeddings. Compute a run with `probing run`.")
    publish(PAGE, BEGIN, table_of(run), options.write)


def table_of(run: Run, queries: int = QUERIES) -> str:
    """Return a sentence about the samples and a Markdown table of the percentages."""
    samples = run.samples.iloc[samples_on_maps(run.samples, run.images)]
    chosen = np.random.default_rng(0).choice(len(samples), min(queries, len(samples)), replace=False)
    labels = {name: samples[name].to_numpy() for name in LABELS}
    drawn = np.random.default_rng(1).integers(0, len(samples) - 1, (len(chosen), MAP_NEIGHBORS))
    guessed = shares_among(drawn + (drawn >= chosen[:, None]), chosen, labels)  # none is the query itself
    photographs = samples["base_id"].nunique()
    chances = ", ".join(f"{in_percent(guessed[name], 1)} {label}" for name, label in LABELS.items())
    lines = [
        f"Nearest neighbors of {len(chosen):,} of the {len(samples):,} test samples from {photographs:,} photographs. "
        f"Chance: {chances}. Values in parentheses are for the 15 nearest neighbors on the map, if the model has a "
        f"map.",
        "",
        f"| model | projection | {' | '.join(f'same {label}' for label in LABELS.values())} |",
        f"| --- | --- | {' | '.join('---:' for _ in LABELS)} |",
    ]
    for model, reading, in_embedding, on_map in _shares(run, samples, chosen, labels):
        cells = [
            in_percent(in_embedding[name]) + (f" ({in_percent(on_map[name])})" if on_map else "") for name in LABELS
        ]
        lines.append(f"| `{model}` | {NAMES[reading]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def nearest_embeddings(X: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` rows (Q, k) of ``X`` (N, D) nearest to each of ``queries`` (Q,), by cosine as on maps."""
    rows = unit(X - X.mean(axis=0), np.float32)
    return nearest(rows, rows[queries], k, groups=(np.arange(len(rows)), queries))[0]


def nearest_points(points: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` points (Q, k) of a map (N, 2) nearest to each of ``queries`` (Q,)."""
    indices = cKDTree(points).query(points[queries], k + 1)[1]
    # Other points may have the same position as the query, and may be returned before or instead of the query.
    return np.stack([row[row != query][:k] for row, query in zip(indices, queries, strict=True)])


def shares_among(neighbors: np.ndarray, queries: np.ndarray, labels: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the fraction of ``neighbors`` (Q, k) that have the label of their query, for each set of ``labels``."""
    return {name: float((of[neighbors] == of[queries][:, None]).mean()) for name, of in labels.items()}


def _shares(
    run: Run, samples: pd.DataFrame, queries: np.ndarray, labels: dict[str, np.ndarray]
) -> Iterator[tuple[str, str, dict[str, float], dict[str, float]]]:
    """Yield the model, the projection, the fractions for neighbors in the embedding space, and the fractions for
    neighbors on the map, which are empty if there is no map of all ``samples``."""
    for model in run.models["name"]:
        lazy = run.lazy_embeddings(model)
        if lazy is None:
            continue
        for reading in PROJECTIONS:
            neighbors = nearest_embeddings(
                read_as(lazy.at(samples["sample"].to_numpy()), samples, reading)[:], queries, MAP_NEIGHBORS
            )
            placed = run.map(model, reading)
            on_map = {}
            if placed is not None and set(placed["sample"]) == set(samples["sample"]):
                points = placed.set_index("sample").loc[samples["sample"], ["x", "y"]].to_numpy()
                on_map = shares_among(nearest_points(points, queries, MAP_NEIGHBORS), queries, labels)
            yield model, reading, shares_among(neighbors, queries, labels), on_map


if __name__ == "__main__":
    main()

"""Effect of landmarks on the neighborhoods of a map: ``python -m lab.evidence.landmarks --run DIR --model NAME``.

The command compares the UMAP projection of all samples of a run with maps on which UMAP places only the samples of some
images, the landmarks. All other samples are placed between their nearest landmarks, as in runs with more than
`maps.LANDMARKS` samples. For each map, it prints as JSON, over 2,000 random samples:

- ``near_15``, ``near_150``: fraction of the 15 nearest neighbors of a sample in the embedding that are among its 15
  (150) nearest neighbors on the map. The chance level is 15 (150) divided by the number of samples.
- ``same_transform``: fraction of the 15 nearest neighbors on the map that have the transformation of the sample.

``all`` covers all samples, and ``placed`` only samples that are not landmarks.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lab.devtools.commands import parser_of
from lab.evidence.maps import nearest_embeddings, nearest_points
from probing_core.compute import maps
from probing_core.compute.training.model_samples import whole_images
from probing_core.results import Run

QUERIES = 2000
NEAR, WIDER = 15, 150


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run with embeddings")
    parser.add_argument("--model", help="model of the run (default: the first)")
    parser.add_argument("--shares", default="0.5,0.2,0.05", help="fractions of samples that are landmarks")
    options = parser.parse_args()
    run = Run.open(options.run)
    model = options.model or run.models["name"].iloc[0]
    embeddings = run.embeddings(model)
    if embeddings is None:
        raise SystemExit(f"error: The run '{options.run}' has no embeddings of '{model}'.")
    transforms, images = run.samples["transform"].to_numpy(), run.samples["image_id"].to_numpy()
    queries = np.random.default_rng(0).choice(len(images), min(QUERIES, len(images)), replace=False)
    neighbors = nearest_embeddings(embeddings, queries, NEAR)
    result = {"model": model, "samples": len(images), "queries": len(queries)}
    for share in (1.0, *map(float, options.shares.split(","))):
        landmarks = whole_images(images, max(NEAR, int(share * len(images))))
        points = maps.umap_points(embeddings[landmarks], run.recipe.seed)
        points = maps.place_others(embeddings, landmarks, points)
        scores = _scores(points, queries, neighbors, transforms)
        placed = ~np.isin(queries, landmarks)
        of = {"all": slice(None)} | ({"placed": placed} if placed.any() else {})
        means = {
            kind: {name: round(float(v[rows].mean()), 4) for name, v in scores.items()} for kind, rows in of.items()
        }
        result[f"{len(landmarks)} landmarks"] = means
    print(json.dumps(result, indent=1))


def _scores(
    points: np.ndarray, queries: np.ndarray, neighbors: np.ndarray, transforms: np.ndarray
) -> dict[str, np.ndarray]:
    on_map = nearest_points(points, queries, WIDER)
    shares = {
        f"near_{k}": np.array([np.isin(a, b).mean() for a, b in zip(neighbors, on_map[:, :k], strict=True)])
        for k in (NEAR, WIDER)
    }
    same_transform = transforms[on_map[:, :NEAR]] == transforms[queries][:, None]
    return shares | {"same_transform": same_transform.mean(axis=1)}


if __name__ == "__main__":
    main()

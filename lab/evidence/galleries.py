"""How far recall that is extrapolated to a tenfold gallery lies from the recall that is measured there.

``python -m lab.evidence.galleries --run DIR`` searches the altered test images of a run with embeddings among a tenth
of its untouched images, extrapolates to all of them, and prints the difference to the recall among all: by model, in
points and with its sign on average, and over all models.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.measures.retrieval import MAX_TIMES, directions, extrapolated, ranks
from probing_core.results import Run, retrieval

KS = (1, 10)
DRAWS = 2
"""Small galleries that are drawn."""


def measure(run: Run, model: str) -> pd.DataFrame:
    """Return ``k``, ``measured``, ``extrapolated`` and ``held`` (whether the interval holds what was measured) of every
    drawn gallery."""
    samples, clean = run.samples, retrieval.untouched(run)
    altered = (samples["transform"] != "identity") & (samples["split"] == "test") & (samples["repetition"] == 0)
    queries = np.flatnonzero(altered)
    embeddings = run.lazy_embeddings(model)
    if embeddings is None:
        sys.exit(f"error: The run '{run.name}' has no embeddings of {model}; name one that was computed here.")
    gallery, X = directions(embeddings[clean]), directions(embeddings[queries])
    bases, _ = pd.factorize(samples["base_id"])
    own = pd.Index(samples["image_id"].iloc[clean]).get_indexer(pd.Index(samples["image_id"].iloc[queries]))
    transforms = samples["transform"].iloc[queries].to_numpy()
    of_queries, of_gallery = bases[queries], bases[clean]
    whole = ranks(X, gallery[own], [gallery], of_queries, of_gallery)
    rng, rows = np.random.default_rng(0), []
    for _ in range(DRAWS):
        some = rng.choice(len(clean), len(clean) // MAX_TIMES, replace=False)
        few = ranks(X, gallery[own], [gallery[some]], of_queries, of_gallery[some])
        beyond = extrapolated(few, of_queries, transforms, KS, [len(clean)])
        for (k, _), found in beyond.items():
            truth = float(whole.found(k).mean())
            rows.append((k, truth, found.value, found.low <= truth <= found.high))
    return pd.DataFrame(rows, columns=["k", "measured", "extrapolated", "held"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a run with embeddings")
    run = Run.open(parser.parse_args().run)
    found = pd.concat([measure(run, model).assign(model=model) for model in run.models["name"]])
    bias = (found["extrapolated"] - found["measured"]) * 100
    found = found.assign(error=bias.abs(), bias=bias)
    print(found.groupby(["model", "k"], sort=False)[["measured", "extrapolated", "error", "held"]].mean().round(3))
    print(found.groupby("k").agg({"error": ["mean", "max"], "bias": "mean", "held": "mean"}).round(2))


if __name__ == "__main__":
    main()

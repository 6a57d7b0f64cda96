"""tables/codelength.parquet: how many bits the transformations cost, given the embeddings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, too_few
from probing_core.compute.studies.base import Study
from probing_core.compute.studies.model_data import ModelData, fit_probe, measured
from probing_core.measures.cluster_sums import ClusterSums, mean
from probing_core.measures.information import codelength, compression
from probing_core.measures.probabilities import MIN_PROBABILITY
from probing_core.probes.base import FitFacts


def codelength_table(data: ModelData) -> pd.DataFrame:
    """Compute the online code of the fine task over the images that the studies learn from (Voita & Titov 2020).

    The interval of the compression is over the images of this one order, given the probes.
    """
    learned, validated, classes = data.learned, data.validated, data.classes
    cost = np.full(len(learned.y), np.log2(len(classes)))  # bits; the first block costs what guessing costs
    facts: list[FitFacts] = []

    def surprise(known: np.ndarray, coded: np.ndarray) -> float:
        probe = fit_probe(learned.X[known], learned.y[known], validated.X, validated.y, classes)
        facts.append(probe.facts)
        p = probe.probabilities(learned.X[coded])[np.arange(len(coded)), learned.y[coded]]
        nats = -np.log(np.maximum(p.astype(np.float64), MIN_PROBABILITY))
        cost[coded] = nats / np.log(2)
        return float(nats.sum())

    bits = codelength(surprise, learned.rows["image_id"].to_numpy(), len(classes))
    per_sample = mean(cost, learned.bases).sums
    guessing = float(np.log2(len(classes)))
    sums = ClusterSums(per_sample, lambda t: t[..., 1] * guessing / np.maximum(t[..., 0], 1e-12))
    found = measured("compression", sums)
    row = (
        {"model": data.model}
        | found
        | {
            "value": compression(bits, len(cost), len(classes)),
            "bits": bits,
            "guessing_bits": len(cost) * guessing,
            "samples": len(cost),
            "images": learned.images,
            "note": joined(too_few(found["bases"]), "images in one order", data.note(*facts)),
        }
    )
    return pd.DataFrame([row])


STUDY = Study(name="codelength", make=codelength_table)

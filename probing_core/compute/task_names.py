"""Names that are used in files of a run and in computations: series, probes, tables of predictions, results of
claims."""

from __future__ import annotations

MAIN = ""
STRENGTH = "strength"
RENDERING = "rendering"
LAYERS = "layers"
"""The main samples, and additional series (`probing_core.compute.sampling.series`)."""

VARIANCE = "variance-"
"""Prefix of the fractions of variance in the column ``task`` of ``tables/layers.parquet``."""

FINE = "fine"
"""Task of predicting the transformation, and the score for this task."""

DEPLOYMENT = "deployment"
"""Probe for new images."""

NOTICING = "noticing"
"""Temperature and offset that convert the score of the probe `DEPLOYMENT` to the probability of an edit."""

CALIBRATED = "fine-calibrated"
"""Probe for the fine task at its temperature. For new images, a different probe is used."""

ORACLE = "content-oracle"
"""Predictions of the content from probes trained on images with the same transformation."""

OTHER_PROBES = "fine-mlp-knn"

ALL = "all"
"""Value of the column ``transform`` for all transformed images instead of one transformation."""

DETECTOR = "detector"
"""Name of the detector of edited images among models."""

BY_TRANSFORMATION, BY_EMBEDDING = "done", "everything"
PROJECTIONS = (BY_TRANSFORMATION, BY_EMBEDDING)
"""Projections for maps: by transformation (the mean of each image's versions is subtracted), and by unchanged
embedding."""

NEAR = ("near_1", "near_2", "near_3", "near_4", "near_5")

ALL_REPETITIONS = -1
"""Value of the column ``among`` for neighbors among all repetitions."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
"""Values of the column ``result`` of the table of claims. For claims that are tested with contrasts, "not supported"
means that a contrast is significant in the opposite direction."""

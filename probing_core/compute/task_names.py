"""Names of experiments, tasks, probes, projections and claim results that are used in the files of a run."""

from __future__ import annotations

MAIN = ""
STRENGTH = "strength"
RENDERING = "rendering"
LAYERS = "layers"
FRAMING = "framing"
"""Names of the main samples and of the additional experiments (`probing_core.compute.sampling.series`)."""

VARIANCE = "variance-"
"""Prefix for fractions of variance in the column ``task`` of ``tables/layers.parquet``."""

FINE = "fine"
"""Name of the fine task (predicting the transformation) and of its score."""

DEPLOYMENT = "deployment"
"""Name of the probe for new images."""

NOTICING = "noticing"
"""Name of the calibration that converts scores of the probe `DEPLOYMENT` to probabilities of an edit."""

CALIBRATED = "fine-calibrated"
"""Name of the probe for the fine task with temperature scaling. New images are classified with `DEPLOYMENT` instead."""

ORACLE = "content-oracle"
"""Name of the content predictions by probes that were trained on images with the same transformation."""

OTHER_PROBES = "fine-mlp-knn"

QUICK_VERSION = 1
"""Version of the quick protocol, which increases if the answers of an unchanged model may change."""

ALL = "all"
"""Value of the column ``transform`` in rows that combine all transformations except identity."""

DETECTOR = "detector"
"""Name of the detector of edited images, which is used in place of a model name."""

BY_TRANSFORMATION, BY_EMBEDDING = "done", "everything"
PROJECTIONS = (BY_TRANSFORMATION, BY_EMBEDDING)
"""Names of the projections for maps: embeddings minus the mean embedding of each image, and unchanged embeddings."""

NEAR = ("near_1", "near_2", "near_3", "near_4", "near_5")

ALL_REPETITIONS = -1
"""Value of the column ``among`` for neighbors from all repetitions."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
"""Values of the column ``result`` in the table of claims. For claims that are tested with contrasts, "not supported"
means that a contrast is significant in the opposite direction."""

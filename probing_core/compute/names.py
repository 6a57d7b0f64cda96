"""Names in files of a run and in computations: series, probes, tables of predictions, results of claims."""

from __future__ import annotations

MAIN = ""
STRENGTH = "strength"
RENDERING = "rendering"
LAYERS = "layers"
"""The main samples, and series in addition to them (`probing_core.compute.sampling.series`)."""

VARIANCE = "variance-"
"""Prefix of the tasks of ``tables/layers.parquet`` that are parts of the variance."""

FINE = "fine"
"""The task of predicting the transformation, and the score by that name."""

DEPLOYMENT = "deployment"
"""The probe that predicts new images."""

NOTICING = "noticing"
"""Temperature and offset that turn the score of the probe `DEPLOYMENT` into the probability of an edit."""

CALIBRATED = "fine-calibrated"
"""The probe of the fine task at its temperature; live predictions have another one."""

ORACLE = "content-oracle"
"""Predictions of the content by probes that learned from images with the same transform."""

OTHER_PROBES = "fine-mlp-knn"

GROUP_SUBSET = "group:"

DETECTOR = "detector"
"""Name under which the detector of edited images answers, next to models."""

DONE, EVERYTHING = "done", "everything"
READINGS = (DONE, EVERYTHING)
"""Projections of a map: by transformation (the mean of each image's versions is subtracted), and of the unchanged
embeddings."""

NEAR = ("near_1", "near_2", "near_3", "near_4", "near_5")

ALL_REPETITIONS = -1
"""Value of the column ``among`` for neighbors among all repetitions."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
"""Values of the column ``result`` of the table of claims. Not supported: a part of the claim is significantly the other
way round."""

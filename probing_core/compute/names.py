"""Names in files of a run and in what is computed: series, probes, tables of predictions, results of claims."""

from __future__ import annotations

MAIN = ""
STRENGTH = "strength"
RENDERING = "rendering"
LAYERS = "layers"
"""The main samples, and series in addition to them (`probing_core.compute.series`)."""

VARIANCE = "variance-"
"""Beginning of the tasks of ``tables/layers.parquet`` that are parts of the variance."""

DEPLOYMENT = "deployment"
NOTICING = "noticing"
"""The probe of live answers, and the two numbers by which its score is a probability."""

CALIBRATED = "fine-calibrated"
"""The probe of the fine task at its temperature; live predictions have another one."""

ORACLE = "content-oracle"
"""Predictions of the content by probes that learned from images transformed alike."""

OTHER_PROBES = "fine-mlp-knn"
"""Predictions of the fine task by the probes other than the linear one."""

GROUP_SUBSET = "group:"
"""Beginning of the subset of a score that is of one group: ``group:blur``."""

DETECTOR = "detector"
"""The name under which the detector of alterations answers, next to those of models."""

DONE, EVERYTHING = "done", "everything"
READINGS = (DONE, EVERYTHING)
"""Readings of a map: by what was done to a picture (the mean of each image's versions is taken off), and by
everything."""

NEAR = ("near_1", "near_2", "near_3", "near_4", "near_5")
"""Columns of a table of neighbors, nearest first."""

ALL_REPETITIONS = -1
"""What the column ``among`` is in rows of neighbors of all repetitions."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "holds here", "does not hold here", "cannot be told"
"""Results of the test of a claim, as the column ``result`` of the table of claims has them: supported; not supported,
since a part of it is significantly the other way round; undecided."""

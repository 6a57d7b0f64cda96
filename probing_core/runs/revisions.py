"""Revisions of what a run computes: raise one where the bytes change, and what it stands for is computed again.

They enter keys beside the inputs of a file (see `probing_core.runs.store.digest`). The package's version is none of
them: a release by itself changes no bytes.
"""

from __future__ import annotations

from probing_core.runs.layout import COMPOSITION, LAYERS, RENDERING, STRENGTH

SCHEMA = 1
"""Of everything that a run holds; it is in every key."""

FIRST_RELEASE = "0.1.0"
"""Keys of samples and studies held the package's version up to 0.1.0. It stays there as a constant, so that runs made
by that version keep their keys."""

SAMPLES = 2
"""Of the main samples: which images, and what is drawn for them."""

PAINTED = 2
"""Of pictures that the arbitrary-style network paints: part of the key of runs that have any, the others keep theirs.
At 1, they depended on the processor."""

SERIES = {STRENGTH: 2, COMPOSITION: 2, RENDERING: 3, LAYERS: 1}
"""Of each series of samples."""

TRAINING = 7
"""Of probes and their predictions."""

VERDICTS = 3
"""Of the photographs that verdicts need, and of the scores that calibrate verdicts."""

DETECTOR = 3
"""Of what the detector of alterations learns from, and how."""

SCAN = 1
"""Of what a scan finds in a file: in the key of every chunk of one."""

SCORING = 6
"""Of the tables of scores and fits."""

SCORED = ("macro-f1", "informedness", "nll", "calibration-error", "calibration-error-tempered")
"""Scores of the catalog of measures at that revision. Further ones enter the key: with a new one, runs are scored
again."""

STUDIES = 4
"""Of every study."""

CLAIMS = 7
"""Of the tables of claims, contrasts and ablations: how verdicts are reached."""

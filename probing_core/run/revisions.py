"""Revisions of what a run computes: raise one where the bytes change, and what depends on it is computed again.

They enter keys together with the inputs of a file (see `probing_core.run.store.digest`). The package's version does
not: a release alone changes no bytes.
"""

from __future__ import annotations

from probing_core.compute.names import LAYERS, RENDERING, STRENGTH

FORMAT = 2
"""Of a run on disk: ``run.toml`` states it, and it is in every key. A run of another format is refused."""

SAMPLES = 2
"""Of the main samples: which images, and what is drawn for them."""

SERIES = {STRENGTH: 2, RENDERING: 4, LAYERS: 1}

TRAINING = 8
"""Of probes and their predictions."""

VERDICTS = 4
"""Of the photographs that verdicts need, and of the scores that calibrate verdicts."""

DETECTOR = 3
"""Of what the detector of alterations learns from, and how."""

SCAN = 3
"""Of what a scan finds in a file, in the key of each of its chunks."""

SCORING = 7

STUDIES = 4

MAP = 3
"""Of the maps: their samples and positions."""

CLAIMS = 9
"""Of the tests behind the tables of claims, contrasts and ablations."""

"""Revisions of what a run computes: raise one where the bytes change, and what it stands for is computed again.

They enter keys beside the inputs of a file (see `probing_core.run.store.digest`). The package's version is none of
them: a release by itself changes no bytes.
"""

from __future__ import annotations

from probing_core.compute.names import LAYERS, RENDERING, STRENGTH

FORMAT = 2
"""Of what a run is on disk: ``run.toml`` states it, and it is in every key. A run of another format is refused."""

SAMPLES = 2
"""Of the main samples: which images, and what is drawn for them."""

SERIES = {STRENGTH: 2, RENDERING: 4, LAYERS: 1}
"""Of each series of samples."""

TRAINING = 8
"""Of probes and their predictions."""

VERDICTS = 4
"""Of the photographs that verdicts need, and of the scores that calibrate verdicts."""

DETECTOR = 3
"""Of what the detector of alterations learns from, and how."""

SCAN = 3
"""Of what a scan finds in a file: in the key of every chunk of one."""

SCORING = 7
"""Of the tables of scores."""

STUDIES = 4
"""Of every study."""

MAP = 3
"""Of the maps: their samples and positions."""

CLAIMS = 9
"""Revision of the tests behind the tables of claims, contrasts and ablations."""

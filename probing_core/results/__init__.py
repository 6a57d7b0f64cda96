"""Access the results of runs: tidy tables, recomputed images, and comparisons of models.

This package does not train probes or compute embeddings, and it does not import a deep-learning framework.
"""

from __future__ import annotations

from probing_core.results.claim_sentences import claims_by_set, result_in_words
from probing_core.results.command import FURTHER, command_of, corpus_is_named
from probing_core.results.image_neighbors import nearest, place
from probing_core.results.pictures import PicturesMissing
from probing_core.results.ranking import leaderboard
from probing_core.results.run import Run
from probing_core.results.run_places import RunPlace, find_runs, unused_name

__all__ = [
    "FURTHER",
    "PicturesMissing",
    "Run",
    "RunPlace",
    "claims_by_set",
    "command_of",
    "corpus_is_named",
    "find_runs",
    "leaderboard",
    "nearest",
    "place",
    "result_in_words",
    "unused_name",
]

"""The catalog of measures. Each family lists its entries in its own file, beside the functions."""

from __future__ import annotations

from probing_core.catalog import Catalog
from probing_core.measures import (
    classification,
    content_or_look,
    detection_threshold,
    embedding_space,
    information,
    retrieval,
    unrelated_pairs,
    variance_parts,
)
from probing_core.measures.base import Measure

MEASURES: Catalog[Measure] = Catalog(
    "measure",
    (
        *classification.MEASURES,
        *information.MEASURES,
        *detection_threshold.MEASURES,
        *embedding_space.MEASURES,
        *retrieval.MEASURES,
        *unrelated_pairs.MEASURES,
        *content_or_look.MEASURES,
        *variance_parts.MEASURES,
    ),
)

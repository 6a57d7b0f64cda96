"""Measures: pure functions on arrays, each with its unit, bounds, direction and definition.

Anyone may use them: nothing here knows of runs or models.
"""

from __future__ import annotations

from probing_core.catalog import Catalog
from probing_core.measures.base import Measure
from probing_core.measures.intervals import Interval, interval

__all__ = ["MEASURES", "Interval", "Measure", "interval"]

CLASSIFICATION = (
    Measure(
        name="balanced-accuracy",
        title="balanced accuracy",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=True,
        definition="Mean over classes of the share of a class's images that the probe tells right.",
        source="Brodersen et al. 2010",
    ),
    Measure(
        name="recall",
        title="recall",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=True,
        definition="Share of a class's images that the probe tells right; for a group the mean over its members.",
        source="definition",
    ),
    Measure(
        name="group-hit-rate",
        title="in-group hit rate",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=True,
        definition="Mean over groups, identity left out, of the share of images whose group the probe tells right.",
        source="the group task of the protocol",
    ),
    Measure(
        name="called-identity",
        title="called untouched",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        definition="Share of transformed images that the probe calls identity, that is untouched.",
        source="the group task of the protocol",
    ),
    Measure(
        name="generalization-gap",
        title="gap between seen and unseen",
        unit="fraction",
        low=-1.0,
        high=1.0,
        higher_is_better=False,
        definition="In-group hit rate of transformations seen in training, less that of unseen ones.",
        source="the group task of the protocol",
    ),
    Measure(
        name="macro-f1",
        title="macro F1",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=True,
        definition="Mean over classes of the harmonic mean of precision and recall.",
        source="definition",
    ),
    Measure(
        name="nll",
        title="negative log-likelihood",
        unit="nats",
        low=0.0,
        high=None,
        higher_is_better=False,
        definition="Mean of -log of the probability that the probe gave to the right class.",
        source="definition",
    ),
    Measure(
        name="calibration-error",
        title="expected calibration error",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        definition="Mean gap between how sure the probe was and how often it was right, over 15 bins of equal mass.",
        source="Nixon et al. 2019",
    ),
)

MEASURES: Catalog[Measure] = Catalog("measure", CLASSIFICATION)

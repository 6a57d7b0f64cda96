"""Probes: small classifiers from an embedding to a class.

`PROBES` lists the kinds; fitting one imports what it needs. Reading and applying a linear probe (`LinearProbe`)
needs NumPy alone. Few photographs: `probing_core.probes.leave_one_out.fit_leave_one_out`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from probing_core.catalog import Catalog
from probing_core.probes.base import FitFacts, LinearProbe, Probe

__all__ = ["PROBES", "FitFacts", "LinearProbe", "Probe", "ProbeKind"]


@dataclass(frozen=True)
class ProbeKind:
    """One kind of probe.

    Attributes:
        name: as in tables.
        title: for people.
        definition: one sentence.
        module: where its ``fit`` lives.
    """

    name: str
    title: str
    definition: str
    module: str

    def fit(self, X: Any, y: Any, *, classes: Any, validation: Any) -> Probe:
        """One fitted probe; arguments as in `probing_core.probes.linear.fit`."""
        return import_module(self.module).fit(X, y, classes=classes, validation=validation)


PROBES: Catalog[ProbeKind] = Catalog(
    "probe",
    (
        ProbeKind(
            "linear",
            "linear probe",
            "Softmax regression on standardized embeddings, its L2 penalty chosen on validation.",
            "probing_core.probes.linear",
        ),
        ProbeKind(
            "mlp",
            "MLP probe",
            "Two hidden layers of 512 units on standardized embeddings, weight decay 0.01, the epoch chosen on "
            "validation.",
            "probing_core.probes.mlp",
        ),
        ProbeKind(
            "knn",
            "nearest neighbors",
            "Votes of the k nearest training embeddings by the cosine, k of 5, 20 or 50; validation says which.",
            "probing_core.probes.knn",
        ),
    ),
)

"""Probes: small classifiers on embeddings.

Loading and applying a linear probe (`LinearProbe`) requires only NumPy. Fitting imports PyTorch.
"""

from __future__ import annotations

from probing_core.probes.base import FitFacts, LinearProbe, Probe

__all__ = ["DEFINITIONS", "FitFacts", "LinearProbe", "Probe"]

DEFINITIONS = {
    "linear probe": "Softmax regression on standardized embeddings, its L2 penalty chosen on validation.",
    "MLP probe": "Two hidden layers of 512 units on standardized embeddings, weight decay 0.01, the epoch chosen on "
    "validation.",
    "nearest neighbors": "Votes of the k nearest training embeddings by the cosine; k of 5, 20 and 50 are each "
    "reported.",
}
"""One sentence on each kind of probe, for the glossary."""

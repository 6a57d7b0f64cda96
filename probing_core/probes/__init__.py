"""Probes: small classifiers on embeddings.

Loading and applying a linear probe (`LinearProbe`) requires only NumPy. Fitting imports PyTorch.
"""

from __future__ import annotations

from probing_core.probes.probe import FitFacts, LinearProbe, Probe

__all__ = ["DEFINITIONS", "FitFacts", "LinearProbe", "Probe"]

DEFINITIONS = {
    "linear probe": "Softmax regression on standardized embeddings, with the L2 penalty selected on validation "
    "photographs.",
    "MLP probe": "Two hidden layers of 512 units on standardized embeddings, weight decay 0.01, and the epoch "
    "selected on validation photographs.",
    "nearest neighbors": "Majority vote of the k nearest training embeddings by cosine similarity, reported for k of "
    "5, 20 and 50.",
}
"""One sentence on each kind of probe, for the glossary."""

"""Probes: small classifiers on embeddings.

Only fitting a probe imports PyTorch.
"""

from __future__ import annotations

from probing_core.probes.probe import FitFacts, LinearProbe, Probe

__all__ = ["DEFINITIONS", "FitFacts", "LinearProbe", "Probe"]

DEFINITIONS = {
    "linear probe": "Softmax regression on standardized embeddings, with the L2 penalty selected on validation "
    "photographs.",
    "MLP probe": "Neural network with two hidden layers of 512 units on standardized embeddings.",
    "nearest neighbors": "Majority vote of the k nearest training embeddings by cosine similarity, reported for "
    "k = 5, 20 and 50.",
}
"""Definition of each kind of probe, for the glossary."""

"""The five claims of the abstract of arXiv 2307.05610, tested: contrasts between roles that were named in advance, with
Holm's correction over all of them.

An encoder of the zoo, or a published one, has a role: supervised, SimCLR, MAE, CAN, CLIP or ALIGN. The
claims are tested within either set, never across: published encoders differ in network, data and budget as well.
Several trainings of a role are tested together. What a run lacks is stated, and the rest tested. The results are about
these encoders: one encoder of an objective is no evidence about the objective.
"""

from __future__ import annotations

from probing_core.compute.claims.named import (
    ABLATIONS,
    CLAIMS,
    CONTRASTS,
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    Contrast,
)
from probing_core.compute.claims.tables import claim_tables

__all__ = ["ABLATIONS", "CLAIMS", "CONTRASTS", "NOT_SUPPORTED", "SUPPORTED", "UNDECIDED", "Contrast", "claim_tables"]

"""The five claims of the abstract of arXiv 2307.05610, tested: contrasts between roles that were named in advance, with
Holm's correction over all of them.

A role (supervised, SimCLR, MAE, CAN, CLIP, ALIGN) is played by an encoder of the zoo, or by a published one. The
claims are judged within either set, never across: published encoders differ in network, data and budget as well.
Several trainings of a role are judged together. What a run lacks is stated, and the rest judged. The verdicts are about
these encoders: one encoder of an objective is no evidence about the objective.
"""

from __future__ import annotations

from probing_core.compute.claims.named import ABLATIONS, CLAIMS, CONTRASTS, FAILS, HOLDS, OPEN, Contrast
from probing_core.compute.claims.tables import judge

__all__ = ["ABLATIONS", "CLAIMS", "CONTRASTS", "FAILS", "HOLDS", "OPEN", "Contrast", "judge"]

"""Probes: small classifiers from an embedding to a class.

Reading and applying a linear probe (`LinearProbe`) needs NumPy alone; fitting imports torch:
`probing_core.probes.linear.fit`, `probing_core.probes.leave_one_out.fit_leave_one_out`.
"""

from probing_core.probes.base import FitFacts, LinearProbe, Probe

__all__ = ["FitFacts", "LinearProbe", "Probe"]

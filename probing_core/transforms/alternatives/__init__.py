"""Alternative implementations of the bank's transforms, as in other programs.

A probe that learned one implementation of fog may not find another's. Evaluation uses the bank alone; deployment
probes learn from these as well. An alternative (`Transform.alternative`) draws its own strength, and its lengths are
fractions of the side. All start from pictures that other programs store (`clean`), the alternatives of identity.
"""

from __future__ import annotations

from probing_core.transforms.alternatives.clean import clean

__all__ = ["clean"]

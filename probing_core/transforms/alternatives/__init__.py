"""Alternative implementations of the bank's transforms, as other programs make them.

A probe that learned one implementation of fog may not find another's. Evaluation uses the bank alone; deployment
probes, which meet pictures that other programs have changed, learn from these as well. An alternative is
``(image, rng) -> image`` of the same size: it draws its own strength within the transform's distribution, and its
lengths are fractions of the side. A transform names its own (`Transform.alternative`). All start from pictures that
other programs store (`clean`), which are the alternatives of identity.
"""

from __future__ import annotations

from probing_core.transforms.alternatives.clean import clean

__all__ = ["clean"]

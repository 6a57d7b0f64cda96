"""What was named before any result was seen: the claims, and the contrasts that decide them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

CLAIMS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at telling the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives hold more non-semantic information than supervised training.",
    "Knowing more about appearance does not cost knowing less about content.",
)
"""What the abstract claims, in this project's words; they are in the key of the tables."""

SUPERVISED, SIMCLR, MAE, CAN, CLIP, ALIGN = "supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN"

FINE, FAR = "fine", "far style"
"""The scores that contrasts compare."""

DOZENS = 24
SIGNIFICANCE = 0.05

MIN_RANKED = 4
"""With fewer encoders than this a correlation of their ranks means nothing."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "holds here", "does not hold here", "cannot be told"
"""Results of the test of a claim, as the column ``result`` of the table of claims has them: supported; not supported,
since a part of it is significantly the other way round; undecided."""


@dataclass(frozen=True)
class Contrast:
    """A difference that was named before any result was seen: score of ``first`` less that of ``second``.

    ``claim`` is the number of the claim that it decides, between two roles; 0 for an ablation, between two encoders.
    """

    claim: int
    first: str
    second: str
    score: str


CONTRASTS = (
    *(Contrast(2, a, b, FINE) for a, b in product((MAE, CAN), (SUPERVISED, SIMCLR, CLIP, ALIGN))),
    *(Contrast(3, a, b, FAR) for a, b in product((CLIP, ALIGN), (SUPERVISED, SIMCLR, MAE, CAN))),
    *(Contrast(4, a, SUPERVISED, FINE) for a in (SIMCLR, MAE, CAN, CLIP, ALIGN)),
)
"""Between roles, of whichever set of encoders."""

ABLATIONS = tuple(
    Contrast(0, a, b, score)
    for a, b in (
        ("zoo/clip", "zoo/clip-plain"),
        ("zoo/align", "zoo/align-plain"),
        ("zoo/simclr", "zoo/simclr-matched"),
    )
    for score in (FINE, FAR)
)
"""What the words of style in captions, and views that change color and sharpness, are worth. They decide no claim, and
are corrected as a list of their own."""

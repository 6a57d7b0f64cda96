"""The five answers, and the one table by which they follow from a probability."""

from __future__ import annotations

import math

from probing_core.errors import BadConfig

EDITED, PROBABLY_EDITED, INCONCLUSIVE = "edited", "probably edited", "inconclusive"
PROBABLY_UNEDITED, NO_EDIT_DETECTED = "probably unedited", "no edit detected"

LOWEST_PERCENT = {EDITED: 90, PROBABLY_EDITED: 60, INCONCLUSIVE: 40, PROBABLY_UNEDITED: 10, NO_EDIT_DETECTED: 0}
"""Answer -> the lowest probability, in percent and rounded as it is shown, at which it is given."""

ANSWERS = tuple(LOWEST_PERCENT)

FOUND = (EDITED, PROBABLY_EDITED)
"""Answers that say that an image was edited."""

PRIOR = 0.5
"""Fraction of images that are edited, before any is examined."""


def answer_word(edited: float | None) -> str:
    """Return the answer for a probability that an image was edited; `INCONCLUSIVE` where there is none.

    >>> answer_word(0.93), answer_word(0.2), answer_word(None)
    ('edited', 'probably unedited', 'inconclusive')
    """
    if edited is None or math.isnan(edited):
        return INCONCLUSIVE
    percent = round(100 * edited)
    return next(answer for answer, lowest in LOWEST_PERCENT.items() if percent >= lowest)


def require_prior(prior: float) -> None:
    """Raise `BadConfig` where a prior is not between 0 and 1."""
    if not 0 < prior < 1:
        raise BadConfig(f"The prior is the fraction of edited images, between 0 and 1, such as 0.5; got {prior}.")

"""Format answers for pages, tables and the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from probing_core.answers.answer import FOUND, LOWEST_PERCENT
from probing_core.measures.notation import in_percent, transform_title

MIN_NAMED_PERCENT = 50
"""Minimum displayed (rounded) probability in percent for naming a group or transformation."""

MIN_CERTAIN_GROUP_PERCENT = 60
"""Minimum displayed probability in percent for naming a group without the word "perhaps"."""

MIN_CERTAIN_TRANSFORM_PERCENT = 90
"""Minimum displayed probability in percent for naming a transformation without the words "most likely"."""

UNCLEAR = "edit unclear"
"""Text if no group is probable enough to be named."""

ABOUT_P = (
    "Fraction of clean photographs of the same kind (size, color) that score at least as high as this image. Small "
    "values are rare for unedited images."
)
ABOUT_Q = "False discovery rate: expected fraction of unedited images among the images with this q-value or lower."
ABOUT_ANSWER = (
    "The answer depends on the probability that the image was edited: "
    + ", ".join(f"{answer} for at least {lowest}%" for answer, lowest in LOWEST_PERCENT.items() if lowest)
    + ", otherwise no edit detected. The probability assumes that half of all images are edited. The p-value does not "
    "depend on this assumption."
)


class Edit(NamedTuple):
    """Most probable edit of an image, given that it was edited.

    Attributes:
        group: most probable group.
        transform: most probable transformation of this group.
        group_probability, transform_probability: probabilities of the group and the transformation given an edit.
    """

    group: str
    transform: str
    group_probability: float
    transform_probability: float

    @property
    def is_named(self) -> bool:
        return is_named(self.group_probability)

    def in_words(self, numbers: bool = False) -> str:
        """Format the edit, such as ``perhaps codec, most likely JPEG``.

        Returns `UNCLEAR` if the group is not probable enough to be named.

        Args:
            numbers: whether to include probabilities.
        """
        if not self.is_named:
            return UNCLEAR
        text = f"{'perhaps ' if _percent(self.group_probability) < MIN_CERTAIN_GROUP_PERCENT else ''}{self.group}"
        text = f"{text} ({in_percent(self.group_probability)})" if numbers else text
        transform = transform_in_words(self.transform, self.transform_probability, numbers)
        return f"{text}, {transform}" if transform else text


def edit_of(classes: Sequence[Mapping[str, Any]]) -> Edit:
    """Return the most probable edit, given the result of `Answer.classes`."""
    groups: dict[str, float] = {}
    for entry in classes:
        groups[entry["group"]] = groups.get(entry["group"], 0.0) + entry["probability"]
    group = max(groups, key=groups.__getitem__)
    first = next(entry for entry in classes if entry["group"] == group)
    return Edit(group, first["class"], groups[group], first["probability"])


def transform_in_words(transform: str, probability: float, numbers: bool = False) -> str:
    """Format a transformation, such as ``most likely Perspective (67%)``.

    Returns an empty string if the probability is below `MIN_NAMED_PERCENT`.
    """
    if not is_named(probability):
        return ""
    text = (
        f"{'most likely ' if _percent(probability) < MIN_CERTAIN_TRANSFORM_PERCENT else ''}{transform_title(transform)}"
    )
    return f"{text} ({in_percent(probability)})" if numbers else text


def is_named(probability: float) -> bool:
    return _percent(probability) >= MIN_NAMED_PERCENT


def _percent(probability: float) -> int:
    return round(100 * probability)


def edit_cell(word: str, edit: Edit | None) -> str:
    """Format an edit for a table cell. The result is empty unless the image is classified as edited."""
    if word not in FOUND or edit is None:
        return ""
    text = edit.in_words()
    return text[0].upper() + text[1:]  # not `capitalize`, which would turn JPEG into Jpeg


def p_in_words(p: float | None, n: int) -> str:
    """Format a p-value and the number of clean photographs that score at least as high, such as ``0.014 (1 of 147)``.

    Returns an empty string if there is no p-value.
    """
    if p is None or math.isnan(p) or n <= 0:
        return ""
    number = f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
    return f"{number} ({round(p * (n + 1)) - 1:,} of {n:,})"

"""Results of `probing_core.diff`: pairs, their summary, and the text that describes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from probing_core.api.diff_embeddings import ModelEffect
from probing_core.diffs.comparison import Kind
from probing_core.errors import BadConfig
from probing_core.images.file_facts import FileFacts
from probing_core.measures.neighbors import UNRELATED
from probing_core.measures.notation import decimal, in_percent, interval_in_percent, text_table
from probing_core.measures.statistics import Interval

NOT_EXPLAINED = "not explained by the edits known here"


@dataclass(frozen=True)
class Edit:
    """An edit with its strength.

    Attributes:
        name: name of a transformation, or of an edit that only pipelines apply.
        title: display name.
        detail: fixed setting, such as the chroma subsampling.
        parameter, unit: name and unit of the strength; empty if the edit has none.
        strength: median over the pairs.
        low, high: lowest and highest strength among the pairs.
    """

    name: str
    title: str
    detail: str
    parameter: str
    unit: str
    strength: float
    low: float
    high: float

    def __str__(self) -> str:
        about = [self.detail] if self.detail else []
        if self.parameter:
            spread = "" if _same(self.low, self.high) else f" ({decimal(self.low)} to {decimal(self.high)})"
            unit = "" if self.unit in ("of 100", "times", "power", "fraction", "colors") else f" {self.unit}"
            about.append(f"{self.parameter} {decimal(self.strength)}{spread}{unit}")
        return f"{self.title} ({', '.join(about)})" if about else self.title

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "strength", "low", "high", "unit", "detail")}


def _same(low: float, high: float) -> bool:
    return decimal(low) == decimal(high)


@dataclass(frozen=True)
class Frame:
    """Geometry of an edited image.

    Attributes:
        box: crop (left, top, right, bottom) in the original; None if it was not cropped.
        resized: factors by which width and height were resized; None if the size did not change.
        filter: name of the resize filter.
        crop: crop (left, top, right, bottom) after resizing; None if there is none.
        turns: quarter turns counterclockwise.
        mirrored: whether left and right are exchanged.
    """

    box: tuple[int, int, int, int] | None = None
    resized: tuple[float, float] | None = None
    filter: str = ""
    crop: tuple[int, int, int, int] | None = None
    turns: int = 0
    mirrored: bool = False

    @property
    def phrases(self) -> tuple[str, ...]:
        """Describe each change of the frame."""
        phrases = []
        if self.box is not None:
            phrases.append(f"cropped to {_box(self.box)}")
        if self.turns:
            phrases.append(
                {1: "turned by 90° counterclockwise", 2: "turned by 180°", 3: "turned by 90° clockwise"}[self.turns]
            )
        if self.mirrored:
            phrases.append("mirrored")
        if self.resized is not None:
            wide, high = self.resized
            factor = decimal(wide) if abs(wide / high - 1) < 0.02 else f"{decimal(wide)} × {decimal(high)}"
            phrases.append(f"resized by {factor} ({self.filter})")
        if self.crop is not None:
            phrases.append(f"cropped to {_box(self.crop)} after resizing")
        return tuple(phrases)


def _box(box: tuple[int, int, int, int]) -> str:
    left, top, right, bottom = box
    return f"{right - left} × {bottom - top} at ({left}, {top})"


@dataclass(frozen=True)
class Pair:
    """Result for one pair.

    Attributes:
        before, after: facts about the files; None for files that cannot be read.
        frame: change of geometry.
        edits: edits that explain the difference, or the nearest candidates if they do not.
        unexplained: fraction of the squared difference that remains after these edits; 0 if nothing changed.
        named: whether the edits explain the difference.
        deviates: whether something else was done to this pair than to most others.
        shifts: embedding shift by model.
        notes: remarks on how the files were decoded.
        error: reason why the pair cannot be compared.
        thumbnails: WebP images before, after and their difference; empty unless a report is written.
    """

    name: str
    kind: Kind
    before: FileFacts | None = None
    after: FileFacts | None = None
    frame: Frame = Frame()
    edits: tuple[Edit, ...] = ()
    unexplained: float = 0.0
    named: bool = True
    deviates: bool = False
    shifts: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""
    thumbnails: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def sentence(self) -> str:
        """Describe what was done to the image."""
        if self.kind is Kind.UNREADABLE:
            return self.error
        if self.kind is not Kind.CHANGED:
            return str(self.kind)
        return describe(self.frame.phrases, self.edits, self.named, self.unexplained)

    def to_row(self) -> dict[str, Any]:
        """Return a flat row for tables."""
        row: dict[str, Any] = {"name": self.name, "kind": str(self.kind), "description": self.sentence}
        row |= {"edits": "; ".join(map(str, self.edits)), "named": self.named, "unexplained": self.unexplained}
        row |= {"deviates": self.deviates, "geometry": "; ".join(self.frame.phrases)}
        for side, facts in (("before", self.before), ("after", self.after)):
            row |= {f"{side}_{name}": None if facts is None else getattr(facts, name) for name in FACTS}
        row |= {f"shift {model}": shift for model, shift in self.shifts.items()}
        return row | {"notes": "; ".join(self.notes), "error": self.error}

    def to_json(self) -> dict[str, Any]:
        return self.to_row() | {"edits": [edit.to_json() for edit in self.edits]}


FACTS = ("format", "width", "height", "mode", "quality", "subsampling", "progressive", "exif", "profile", "frames")


def describe(frame: Sequence[str], edits: Sequence[Edit], named: bool, unexplained: float) -> str:
    """Describe what was done to changed images in one phrase."""
    steps = [*frame, *(map(str, edits) if named else ())]
    if named:
        return ", then ".join(steps) if steps else "changed by rounding"
    nearest = f" (nearest: {' and '.join(map(str, edits))}, {in_percent(unexplained)} unexplained)" if edits else ""
    return ", then ".join([*steps, f"{NOT_EXPLAINED}{nearest}"])


@dataclass(frozen=True)
class Summary:
    """What was done to most pairs.

    Attributes:
        named: whether the edits explain the difference.
        edits: edits found in the changed pairs, or the nearest candidates if ``named`` is false.
        geometry: changes of the frame, each with the number of pairs.
        nearest: other candidates, with the fraction of the squared difference that each leaves unexplained.
        equal_files, equal_pixels, changed, unreadable: numbers of pairs. The counts do not overlap.
        unmatched: files without a partner.
        files: what the files state, each with the number of pairs.
    """

    named: bool
    edits: tuple[Edit, ...]
    unexplained: float
    geometry: tuple[tuple[str, int], ...]
    nearest: tuple[tuple[str, float], ...]
    equal_files: int
    equal_pixels: int
    changed: int
    unreadable: int
    unmatched: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Describe what was done in one sentence."""
        if not self.changed:
            return "Nothing was changed." if self.equal_files + self.equal_pixels else "No pair could be compared."
        common = [phrase for phrase, count in self.geometry if count == self.changed]
        some = [
            f"{phrase} in {count} of {self.changed} pairs" for phrase, count in self.geometry if count < self.changed
        ]
        text = describe([*common, *some], self.edits, self.named, self.unexplained)
        return f"{text[:1].upper()}{text[1:]}."


@dataclass(frozen=True, eq=False)
class Difference:
    """Result of `diff`, with a readable `repr`.

    Attributes:
        pairs: results for each pair.
        summary: what was done to most pairs.
        models: effect on the embeddings of each model.
    """

    pairs: tuple[Pair, ...]
    summary: Summary
    models: tuple[ModelEffect, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row per pair."""
        return pd.DataFrame([pair.to_row() for pair in self.pairs])

    @property
    def effects(self) -> pd.DataFrame:
        """One row per model: embedding shift, retrieval of the original, and recall as a duplicate."""
        return pd.DataFrame([effect_row(effect) for effect in self.models])

    def to_json(self) -> dict[str, Any]:
        summary = {name: getattr(self.summary, name) for name in COUNTS}
        summary |= {
            "named": self.summary.named,
            "edits": [edit.to_json() for edit in self.summary.edits],
            "unexplained": self.summary.unexplained,
            "geometry": [{"what": what, "pairs": count} for what, count in self.summary.geometry],
            "nearest": [{"name": name, "unexplained": share} for name, share in self.summary.nearest],
            "unmatched": list(self.summary.unmatched),
            "deviating": [pair.name for pair in self.pairs if pair.deviates],
            "files": list(self.summary.files),
            "description": self.summary.sentence,
            "models": [effect_row(effect) for effect in self.models],
        }
        return _finite({"pairs": [pair.to_json() for pair in self.pairs], "summary": summary})

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in self.lines if "  " not in line) + self.effects.to_html(
            index=False, border=0
        )

    @property
    def lines(self) -> list[str]:
        """The result as lines of text."""
        lines = [f"{self.counts_sentence} {self.summary.sentence}"]
        if self.summary.changed and self.summary.named and self.summary.edits:
            lines.append(f"This leaves {in_percent(self.summary.unexplained, 1)} of the difference unexplained.")
        lines += self.summary.files
        lines += self._exceptions
        if self.models:
            lines.append(text_table([_formatted(effect) for effect in self.models]))
        return lines

    @property
    def counts_sentence(self) -> str:
        summary = self.summary
        counts = {
            "equal files": summary.equal_files,
            "equal pixels in different files": summary.equal_pixels,
            "changed": summary.changed,
            "unreadable": summary.unreadable,
        }
        total = len(self.pairs)
        text = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        return f"{total:,} {'pair' if total == 1 else 'pairs'}: {text}."

    @property
    def _exceptions(self) -> list[str]:
        lines = []
        deviating = [pair for pair in self.pairs if pair.deviates]
        if deviating:
            lines.append(f"Deviating pairs ({len(deviating)}):")
            lines += [f"  {pair.name}: {pair.sentence}" for pair in deviating[:LISTED]]
        if unreadable := [pair for pair in self.pairs if pair.kind is Kind.UNREADABLE]:
            lines.append(f"Unreadable pairs ({len(unreadable)}):")
            lines += [f"  {pair.name}: {pair.error}" for pair in unreadable[:LISTED]]
        if self.summary.unmatched:
            lines.append(f"Files without a partner ({len(self.summary.unmatched)}):")
            lines += [f"  {name}" for name in self.summary.unmatched[:LISTED]]
        noted = Counter(note for pair in self.pairs for note in pair.notes)
        lines += [
            f"{note} ({count} {'image' if count == 1 else 'images'})" for note, count in noted.most_common(LISTED)
        ]
        return lines

    def fails(self, condition: str) -> bool:
        """Return whether a condition for failure holds.

        Args:
            condition: ``changed`` (pixels of any pair differ), ``unexplained`` (any difference is not explained), or
                a bound for a model measure, such as ``recall<0.99``, ``found<1`` or ``shift>0.1``. It holds if it holds
                for any model.

        Raises:
            BadConfig: the condition is invalid, or no model was measured.
        """
        if condition == "changed":
            return self.summary.changed + self.summary.unreadable > 0
        if condition == "unexplained":
            return any(not pair.named for pair in self.pairs) or self.summary.unreadable > 0
        measure, sign, bound = parse_bound(condition)
        if not self.models:
            raise BadConfig(f"'{condition}' requires at least one pair that can be compared.")
        values = [getattr(effect, measure).value for effect in self.models]
        return any(value < bound for value in values) if sign == "<" else any(value > bound for value in values)


def _finite(value: Any) -> Any:
    """Replace numbers that JSON does not support, such as the bounds of missing intervals, with None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


LISTED = 20
"""Maximum number of names that are printed."""

COUNTS = ("equal_files", "equal_pixels", "changed", "unreadable")

BOUND = re.compile(r"(recall|found|shift)\s*([<>])\s*(\d*\.?\d+)")


def parse_bound(condition: str) -> tuple[str, str, float]:
    """Parse a condition such as ``recall<0.99`` into measure, sign and bound.

    Raises:
        BadConfig: the condition is invalid.
    """
    match = BOUND.fullmatch(condition.strip())
    if match is None:
        raise BadConfig(
            f"'{condition}' is not a condition. Expected changed, unexplained, or a bound such as recall<0.99, "
            "found<0.99 or shift>0.1."
        )
    return match[1], match[2], float(match[3])


def effect_row(effect: ModelEffect) -> dict[str, Any]:
    """Return a flat row for tables."""
    row: dict[str, Any] = {"model": effect.model, "title": effect.title}
    for name in ("shift", "found", "recall"):
        value: Interval = getattr(effect, name)
        row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return row | {"threshold": effect.threshold, "false_positive_rate": UNRELATED, "gallery": effect.gallery}


def _formatted(effect: ModelEffect) -> dict[str, Any]:
    shift = effect.shift
    bounds = f" ({decimal(shift.low, 2)} to {decimal(shift.high, 2)})" if np.isfinite(shift.low) else ""
    return {
        "model": effect.title,
        "shift / distance between photographs": f"{decimal(shift.value, 2)}{bounds}",
        f"original found among {effect.gallery}": _in_percent(effect.found),
        "recall at 1 false match in 1,000": _in_percent(effect.recall),
    }


def _in_percent(value: Interval) -> str:
    bounds = f" ({interval_in_percent(value.low, value.high, 0)})" if np.isfinite(value.low) else ""
    return f"{in_percent(value.value)}{bounds}"

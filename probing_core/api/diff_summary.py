"""Summary of the pairs that `probing_core.diff` compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from probing_core.api.diff_results import Edit, Pair, Summary
from probing_core.diffs.candidates import TITLES
from probing_core.diffs.comparison import Kind
from probing_core.diffs.naming import Named
from probing_core.diffs.search import Explanation
from probing_core.images.file_facts import FileFacts
from probing_core.measures.notation import decimal, transform_title

SHOWN_KINDS = 3
"""Maximum number of different values of a fact that the summary lists."""


def edits_of(explanations: Sequence[Explanation]) -> tuple[Edit, ...]:
    """Describe the edits of pairs with the same edits, with the median and the range of their strengths."""
    first = explanations[0]
    edits = []
    for place, step in enumerate(first.chains[0]):
        entry = step.candidate
        strengths = [chain[place].strength for explanation in explanations for chain in explanation.chains]
        edits.append(_edit(entry.name, entry.title, entry.detail, entry.parameter, entry.unit, strengths))
    if first.random and first.random[0] is not None:
        fits = [fit for explanation in explanations for fit in explanation.random if fit is not None]
        name = fits[0].name
        title = TITLES.get(name) or transform_title(name)
        edits.append(_edit(name, title, "", PARAMETERS[name], fits[0].unit, [fit.strength for fit in fits]))
    return tuple(edits)


def rotation(degrees: float) -> Edit:
    """Describe a rotation, which is found by registration."""
    direction = "counterclockwise" if degrees > 0 else "clockwise"
    return _edit("rotate", transform_title("rotate"), direction, "angle", "degrees", [abs(degrees)])


PARAMETERS = {
    "gaussian-noise": "sigma",
    "shot-noise": "variance",
    "speckle": "sigma",
    "salt-and-pepper": "amount",
    "border": "width",
    "overlay": "area",
}
"""Parameter of each random edit."""


def _edit(name: str, title: str, detail: str, parameter: str, unit: str, strengths: Sequence[float]) -> Edit:
    low, high = float(np.min(strengths)), float(np.max(strengths))
    return Edit(name, title, detail, parameter, unit, float(np.median(strengths)), low, high)


def summarize(pairs: Sequence[Pair], named: Named | None, unmatched: Sequence[str]) -> Summary:
    """Summarize what was done to most pairs."""
    changed = [pair for pair in pairs if pair.kind is Kind.CHANGED]
    like_most = [pair for pair in changed if pair.edits and not pair.deviates]
    counts = Counter(pair.kind for pair in pairs)
    unexplained, is_named = 0.0, True
    if named is not None:
        shares = [max(pair.unexplained, 1e-9) for pair in like_most]
        unexplained = float(np.exp(np.mean(np.log(shares)))) if shares else named.explanation.share
        is_named = named.is_explained and 2 * sum(not pair.deviates for pair in changed) > len(changed)
    return Summary(
        named=is_named,
        edits=_joined(like_most, named),
        unexplained=unexplained,
        geometry=tuple(_geometry(changed)),
        nearest=named.nearest if named is not None else (),
        equal_files=counts[Kind.EQUAL_FILES],
        equal_pixels=counts[Kind.EQUAL_PIXELS],
        changed=counts[Kind.CHANGED],
        unreadable=counts[Kind.UNREADABLE],
        unmatched=tuple(unmatched),
        files=tuple(_files(pairs)),
    )


def _joined(pairs: Sequence[Pair], named: Named | None) -> tuple[Edit, ...]:
    """Join the edits of pairs to which the same was done."""
    names = Counter(tuple(edit.name for edit in pair.edits) for pair in pairs).most_common(1)
    if not names:
        return () if named is None else edits_of([named.explanation])
    same = [pair.edits for pair in pairs if tuple(edit.name for edit in pair.edits) == names[0][0]]
    joined = []
    for found in zip(*same, strict=True):
        detail = Counter(edit.detail for edit in found).most_common(1)[0][0]
        strengths = [edit.strength for edit in found]
        first = found[0]
        joined.append(_edit(first.name, first.title, detail, first.parameter, first.unit, strengths))
    return tuple(joined)


SHOWN_FILTERS = 2
"""Maximum number of resize filters that the summary names if the pairs have different ones."""

SAME_FACTOR = 0.01
"""Maximum difference between resize factors that are described as the same factor."""


def _geometry(pairs: Sequence[Pair]) -> list[tuple[str, int]]:
    """Describe the geometry of several pairs, each change with the number of pairs."""
    if len(pairs) == 1:
        return [(phrase, 1) for phrase in pairs[0].frame.phrases]
    frames = [pair.frame for pair in pairs]
    counts = Counter[str]()
    turns = {1: "turned by 90° counterclockwise", 2: "turned by 180°", 3: "turned by 90° clockwise"}
    for frame in frames:
        counts.update(["cropped"] * (frame.box is not None))
        counts.update([turns[frame.turns]] if frame.turns else [])
        counts.update(["mirrored"] * frame.mirrored)
    resized = [(pair.frame.resized, pair) for pair in pairs if pair.frame.resized is not None]
    if resized:
        counts[_resizing([factors for factors, _ in resized], [pair for _, pair in resized])] = len(resized)
    counts.update("cropped after resizing" for frame in frames if frame.crop is not None)
    return list(counts.items())


def _resizing(factors: Sequence[tuple[float, float]], pairs: Sequence[Pair]) -> str:
    """Describe the resizing of several pairs: by a factor if it is the same everywhere, otherwise to a size."""
    middle = float(np.median(factors))
    sizes = {(pair.after.width, pair.after.height) for pair in pairs if pair.after is not None}
    if all(max(abs(wide - middle), abs(high - middle)) <= SAME_FACTOR for wide, high in factors):
        how = f"by {decimal(middle, 2)}"
    elif len(sizes) == 1 and not any(pair.frame.crop for pair in pairs):
        how = "to {} × {}".format(*next(iter(sizes)))
    else:
        low, high = np.min(factors), np.max(factors)
        how = f"by {decimal(low, 2)} to {decimal(high, 2)}"
    filters = [filter for filter, _ in Counter(pair.frame.filter for pair in pairs).most_common()]
    return f"resized {how} ({' or '.join(filters) if len(filters) <= SHOWN_FILTERS else 'different filters'})"


def _files(pairs: Sequence[Pair]) -> Iterable[str]:
    """Yield what the files state before and after, as sentences."""
    read = [pair for pair in pairs if pair.before is not None and pair.after is not None]
    if not read or all(
        pair.before.format == pair.after.format == "array" for pair in read if pair.before and pair.after
    ):
        return
    for when, facts in (("before", [pair.before for pair in read]), ("after", [pair.after for pair in read])):
        parts = [_common([fact for fact in facts if fact is not None], describe) for describe in DESCRIBED]
        yield f"Files {when}: {'; '.join(part for part in parts if part)}."


def _coding(facts: FileFacts) -> str:
    if facts.format != "JPEG":
        return facts.format
    about = [f"quality {facts.quality}", *([facts.subsampling] if facts.subsampling else [])]
    return f"JPEG ({', '.join([*about, *(['progressive'] if facts.progressive else [])])})"


DESCRIBED: tuple[Callable[[FileFacts], str], ...] = (
    _coding,
    lambda facts: f"{facts.width} × {facts.height}",
    lambda facts: f"mode {facts.mode}",
    lambda facts: "EXIF" if facts.exif else "no EXIF",
    lambda facts: f"profile {facts.profile}" if facts.profile else "no profile",
)


def _common(facts: Sequence[FileFacts], describe: Callable[[FileFacts], str]) -> str:
    counts = Counter(map(describe, facts)).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = [f"{what}: {count}" for what, count in counts[:SHOWN_KINDS]]
    more = sum(count for _, count in counts[SHOWN_KINDS:])
    return ", ".join([*shown, *([f"other: {more}"] if more else [])])

"""Error rates of a run's detector on held-out photographs: ``python -m lab.evidence.detector RUN``.

Prints Markdown tables of false-positive rates on clean photographs that were not used for training, selection or
calibration, by source (the first part of the id) and at the view size and the original size. The detector is calibrated
on all sources together, or on each source separately. Another table contains detection rates by group. Sources with
fewer than 90 photographs are pooled.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import publish_about, share
from probing_core import Predictor
from probing_core.answers.reference_sets import AS_IT_IS, GRAY, LARGE, VIEW, ReferenceSets, is_enough, p_values
from probing_core.compute.task_names import DETECTOR
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import Interval
from probing_core.run.layout import scored_views_path

LEVELS = (0.05, 0.01)
MIN_PHOTOGRAPHS = 90
"""Minimum number of photographs of a source that has its own row."""

MIN_FOR_INTERVAL = 6

POOLED = "other sources"


Line = list[str]


def errors(rows: pd.DataFrame, sets: ReferenceSets, size: str) -> list[Line]:
    """Return the rows of the table of false-positive rates."""
    clean = _as_they_are(rows[rows["role"] == "report"], size)
    if clean.empty:
        return []
    whole_score = clean["whole_score"] if "whole_score" in clean else clean["score"]
    judged = sets.judge(clean.assign(large=size == "large", is_flat=False, whole=whole_score, joined=clean["score"]))
    clean = clean.assign(p=judged["p"].fillna(1.0))
    color = clean[~clean["no_color"]]
    parts = [*color.groupby(_sources(color), sort=True), ("all sources, with color", color)]
    parts.append(("all sources, without color", clean[clean["no_color"]]))
    lines = []
    for name, part in parts:
        if part["base_id"].nunique() < MIN_FOR_INTERVAL:
            continue
        lines.append(
            [
                name,
                "view size" if size == "view" else "original size",
                f"{part['base_id'].nunique():,}",
                *_realized(part),
            ]
        )
    return lines


def errors_by_own(rows: pd.DataFrame) -> list[Line]:
    """Return the rows of the table of false-positive rates at a nominal rate of 5%, after calibration on photographs
    from the same source, as with ``--clean``."""
    color = _as_they_are(rows[~rows["no_color"]], "view")
    lines = []
    for name, source_rows in color.groupby(color["image_id"].str.partition("/")[0], sort=True):
        calibrating, reported = (
            source_rows[source_rows["role"] == "calibrate"],
            source_rows[source_rows["role"] == "report"],
        )
        if len(reported) >= MIN_PHOTOGRAPHS and is_enough(len(calibrating), LEVELS[0]):
            p = p_values(reported["score"].to_numpy(), calibrating["score"].to_numpy())
            lines.append([str(name), f"{len(calibrating):,}", f"{len(reported):,}", _realized(reported.assign(p=p))[0]])
    return lines


def _as_they_are(rows: pd.DataFrame, size: str) -> pd.DataFrame:
    return rows[(rows["transform"] == "identity") & (rows["maker"] == AS_IT_IS) & (rows["size"] == size)]


def _sources(rows: pd.DataFrame) -> pd.Series:
    """Return the source of each photograph (N,), with small sources pooled."""
    source = rows["image_id"].str.partition("/")[0]
    return source.where(source.map(source.value_counts()) >= MIN_PHOTOGRAPHS, POOLED)


def _realized(rows: pd.DataFrame) -> list[str]:
    photographs = rows["base_id"].to_numpy()
    return [_percent(share(rows["p"].to_numpy() <= level, photographs)) for level in LEVELS]


def detection_rates(sets: ReferenceSets) -> str:
    """Return a Markdown table of detection rates by group."""
    by_size = {kind: sets.sets[kind].detection_rate for kind in (VIEW, LARGE) if kind in sets.sets}
    rates = {kind: rate for kind, rate in by_size.items() if rate is not None}
    groups = list(dict.fromkeys(group for rate in rates.values() for group in rate.by_group))
    lines = [[group, *(_percent(rate.by_group[group]) for rate in rates.values())] for group in groups]
    lines.append(["**all groups**", *(_percent(rate.overall) for rate in rates.values())])
    titles = {"view": "view size", "large": "original size"}
    return markdown_table(["group", *(titles[size] for size in rates)], lines)


def _percent(share: Interval) -> str:
    return f"{in_percent(share.value, 1)} ({in_percent(max(share.low, 0), 1)} to {in_percent(min(share.high, 1), 1)})"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    predictor = Predictor(options.run)
    rows = predictor.store.read_table(scored_views_path(DETECTOR))
    publish_about(predictor, "detector", tables(rows), options.write)


def tables(rows: pd.DataFrame) -> str:
    sets = ReferenceSets.from_rows(rows)
    counts = {kind: len(reference_set.clean) for kind, reference_set in sets.sets.items()}
    large = "the full images of large photographs"
    if LARGE in counts:
        large = f"{counts[LARGE]:,} large photographs (full image and tiles)"
    calibrated = (
        f"Calibrated on {counts[VIEW]:,} photographs at the view size, {counts[GRAY]:,} photographs converted to "
        f"grayscale, and {large}."
    )
    meant = [f"rate at nominal {in_percent(level)}" for level in LEVELS]
    by_size = [line for size in ("view", "large") for line in errors(rows, sets, size)]
    realized = markdown_table(["source", "image size", "photographs", *meant], by_size)
    same_source = markdown_table(
        ["source", "calibration photographs", "test photographs", meant[0]], errors_by_own(rows)
    )
    parts = {
        "False-positive rate on clean photographs:": realized,
        "False-positive rate after calibration on photographs from the same source:": same_source,
        "Detection rate on images with color (true-positive rate at a false-positive rate of 5%):": detection_rates(
            sets
        ),
    }
    return "\n\n".join([calibrated, *(f"{title}\n\n{table}" for title, table in parts.items())])


if __name__ == "__main__":
    sys.exit(main())

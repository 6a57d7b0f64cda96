"""Evidence on a run's detector from its own photographs: ``python -m lab.evidence.detector RUN``, as Markdown.

Realized against meant error on untouched photographs that nothing was learned from, chosen on or calibrated on, by
source (the first part of their ids), at the view's size and at their own, calibrated on all sources together and on
each source alone; and the power by group. Sources of fewer than 90 photographs are pooled.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import publish_about, share
from probing_core import Predictor
from probing_core.compute.names import DETECTOR
from probing_core.detector.scoring import AS_IT_IS
from probing_core.detector.verdicts import (
    Calibration,
    alarms,
    calibration_of,
    is_enough,
    p_values,
    power_of,
    with_p_values,
)
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import Interval
from probing_core.run.layout import scored_views_path

LEVELS = (0.05, 0.01)
MIN_PHOTOGRAPHS = 90
"""Fewest photographs of a source that gets its own row."""

MIN_FOR_INTERVAL = 6

POOLED = "other sources"


Line = list[str]


def errors(rows: pd.DataFrame, calibration: Calibration, size: str) -> list[Line]:
    """Return the lines of the table of realized errors."""
    untouched = _as_they_are(rows[rows["role"] == "report"], size)
    if untouched.empty:
        return []
    untouched = with_p_values(untouched, calibration)
    color = untouched[~untouched["no_color"]]
    sets = [*color.groupby(_sources(color), sort=True), ("all, with color", color)]
    sets.append(("all, without color", untouched[untouched["no_color"]]))
    lines = []
    for name, mine in sets:
        if mine["base_id"].nunique() < MIN_FOR_INTERVAL:
            continue
        lines.append(
            [name, "view" if size == "view" else "own size", f"{mine['base_id'].nunique():,}", *_realized(mine)]
        )
    return lines


def errors_by_own(rows: pd.DataFrame) -> list[Line]:
    """Return the lines of the table of realized errors at 5 % where a source's own photographs calibrate, as with
    ``--clean``."""
    color = _as_they_are(rows[~rows["no_color"]], "view")
    lines = []
    for name, mine in color.groupby(color["image_id"].str.partition("/")[0], sort=True):
        calibrating, reported = mine[mine["role"] == "calibrate"], mine[mine["role"] == "report"]
        if len(reported) >= MIN_PHOTOGRAPHS and is_enough(len(calibrating), LEVELS[0]):
            p = p_values(reported["score"].to_numpy(), calibrating["score"].to_numpy())
            lines.append([str(name), f"{len(calibrating):,}", f"{len(reported):,}", _realized(reported.assign(p=p))[0]])
    return lines


def _as_they_are(rows: pd.DataFrame, size: str) -> pd.DataFrame:
    return rows[(rows["transform"] == "identity") & (rows["maker"] == AS_IT_IS) & (rows["size"] == size)]


def _sources(rows: pd.DataFrame) -> pd.Series:
    """Return (N,) the source of each photograph; small ones are pooled."""
    source = rows["image_id"].str.partition("/")[0]
    return source.where(source.map(source.value_counts()) >= MIN_PHOTOGRAPHS, POOLED)


def _realized(rows: pd.DataFrame) -> list[str]:
    photographs = rows["base_id"].to_numpy()
    return [_percent(share(alarms(rows["p"].to_numpy(), level), photographs)) for level in LEVELS]


def powers(rows: pd.DataFrame, calibration: Calibration) -> str:
    """Return the table of power by group."""
    by_size = {size: power_of(rows, calibration, LEVELS[0], size) for size in ("view", "large")}
    shown = {size: power for size, power in by_size.items() if power is not None}
    groups = list(dict.fromkeys(group for power in shown.values() for group in power.by_group))
    lines = [[group, *(_percent(power.by_group[group]) for power in shown.values())] for group in groups]
    lines.append(["**all groups**", *(_percent(power.overall) for power in shown.values())])
    titles = {"view": "at the view's size", "large": "at their own size"}
    return markdown_table(["group", *(titles[size] for size in shown)], lines)


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
    calibration = calibration_of(rows)
    counts = {kind: len(calibration.scores(kind)) for kind in ("view", "gray", "large")}
    by_tiles = f"{counts['large']:,} large ones, by whole and tiles"
    large = by_tiles if counts["large"] else "large ones are judged by their whole alone"
    calibrated = f"Calibrated on {counts['view']:,} photographs; on {counts['gray']:,} turned gray; {large}."
    meant = [f"{in_percent(level)} meant" for level in LEVELS]
    by_size = [line for size in ("view", "large") for line in errors(rows, calibration, size)]
    realized = markdown_table(["photographs", "size", "number", *meant], by_size)
    own = markdown_table(["source", "calibrated on", "reported on", meant[0]], errors_by_own(rows))
    words = "The same, where each source's own photographs calibrate:"
    return "\n\n".join([calibrated, realized, words, own, powers(rows, calibration)])


if __name__ == "__main__":
    sys.exit(main())

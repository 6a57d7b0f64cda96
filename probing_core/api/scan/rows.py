"""From what is found in files to rows with verdicts; and from clean files to a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from probing_core.api.scan.reading import File, Finding
from probing_core.detector.verdicts import MIN_BEYOND, Calibration, Judge, is_enough, score_of
from probing_core.errors import BadConfig
from probing_core.measures.notation import in_percent

UNREADABLE = "unreadable"
"""Instead of a verdict on files that are no picture, or damaged."""


def rows_of_findings(files: Sequence[File], findings: Sequence[Finding], judge: Judge) -> pd.DataFrame:
    """Return one row a file: the columns of `writing.COLUMNS` but ``q``, and ``thumbnail``."""
    return pd.DataFrame([_row(file, finding, judge) for file, finding in zip(files, findings, strict=True)])


def _row(file: File, finding: Finding, judge: Judge) -> dict:
    row = {
        "path": file.name,
        "verdict": UNREADABLE,
        "group": "",
        "class": "",
        **dict.fromkeys(("p", "group_probability", "class_probability"), float("nan")),
        "n": 0,
        "no_color": finding.no_color,
        "width": finding.width,
        "height": finding.height,
        "flags": "",
        "error": finding.error,
        "thumbnail": finding.thumbnail,
    }
    if finding.prediction is None:
        return row
    verdict = judge.verdict(finding.prediction, finding.no_color)
    flags = [*(["no color"] if finding.no_color else []), *(["large"] if finding.prediction.kind == "combined" else [])]
    return row | {
        "verdict": verdict.answer(),
        "group": verdict.group or "",
        "class": verdict.transform or "",
        "p": _number(verdict.p),
        "group_probability": _number(verdict.group_probability),
        "class_probability": _number(verdict.transform_probability),
        "n": verdict.n,
        "flags": "; ".join([*flags, *finding.notes]),
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def rows_that_calibrate(files: Sequence[File], findings: Sequence[Finding]) -> pd.DataFrame:
    """Return scores of pictures that calibrate; those that cannot be read calibrate nothing."""
    rows = [
        (
            file.name,
            finding.prediction.kind == "combined",
            finding.no_color,
            score_of(finding.prediction, finding.no_color, fused=False),
            score_of(finding.prediction, finding.no_color, fused=True),
            finding.gray_score,
        )
        for file, finding in zip(files, findings, strict=True)
        if finding.prediction is not None
    ]
    return pd.DataFrame(rows, columns=["path", "large", "no_color", "whole", "fused", "gray"])


def calibration_of_rows(chunks: Iterable[pd.DataFrame], level: float) -> Calibration:
    """Calibrate by the rows of `rows_that_calibrate`.

    Raises:
        BadConfig: they are too few for ``level``.
    """
    rows = pd.concat(list(chunks), ignore_index=True)
    color = rows[~rows["no_color"].astype(bool)]
    large = color.loc[color["large"].astype(bool), "fused"].to_numpy()
    if not is_enough(len(color), level):
        raise BadConfig(
            f"{len(color)} untouched pictures with color cannot calibrate a level of {in_percent(level)}; give "
            f"{MIN_BEYOND / level:.0f} or more, or a larger --level."
        )
    return Calibration(
        color["whole"].to_numpy(), rows["gray"].to_numpy(), large if is_enough(len(large), level) else large[:0]
    )

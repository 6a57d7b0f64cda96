"""Measure which edits `probing_core.diff` names, for pipelines made with other libraries and programs.

``python -m lab.evidence.diff_pipelines [--set SET] [--corpus CORPUS] [--keep FOLDER] [--write]``. The programs
ImageMagick, cwebp and ffmpeg must be installed. By default, the photographs are those of the reference run, with which
nothing in `diff` was trained. The pipelines and right answers of the sets are in ``diff_foreign.py``
and ``diff_foreign_more.py`` (development) and ``diff_evaluation.py`` (evaluation). The sets of development are applied
to other photographs.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from lab.evidence import diff_evaluation, diff_foreign, diff_foreign_more
from lab.evidence.diff_foreign import Answer
from probing_core import diff
from probing_core.api.diff_results import Difference
from probing_core.corpora import open_corpus
from probing_core.images import Image
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import Interval, interval, mean
from probing_core.run.files import write_atomically

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "before-after.md"
MARK = "<!-- generated: python -m lab.evidence.diff_pipelines -->"

SIZES = (1, 5, 20)
"""Numbers of pairs from which an edit is named."""

GROUPS = (4, 1, 1)
"""Maximum number of groups of each size."""

PHOTOGRAPHS = 20

SETS = {"development": diff_foreign, "more development": diff_foreign_more, "evaluation": diff_evaluation}
PIPELINES = diff_foreign.PIPELINES | diff_foreign_more.PIPELINES | diff_evaluation.PIPELINES
ANSWERS = diff_foreign.ANSWERS | diff_foreign_more.ANSWERS | diff_evaluation.ANSWERS

RIGHT, WRONG, OPEN = "right", "wrong", "not explained"
OUTCOMES = (RIGHT, WRONG, OPEN)


def outcome(answer: Answer, result: Difference, is_changed: bool) -> str:
    """Compare the summary of a result with the right answer.

    Some pipelines leave some images unchanged: contrast cannot be stretched further if it is at its maximum.
    """
    summary = result.summary
    if not is_changed:
        return WRONG if summary.changed else RIGHT
    if not summary.named:
        return OPEN if answer.known else RIGHT
    phrases = [what for what, _ in summary.geometry]
    geometry_is_right = len(phrases) == len(answer.geometry) and all(
        any(phrase.startswith(expected) for phrase in phrases) for expected in answer.geometry
    )
    return RIGHT if answer.known and geometry_is_right and _match(answer, [e.name for e in summary.edits]) else WRONG


def _match(answer: Answer, names: Sequence[str]) -> bool:
    """Return whether the names are those of the answer, in any order."""
    remaining = list(names)
    for accepted in answer.edits:
        found = next((name for name in remaining if name in accepted), None)
        if found is None:
            return False
        remaining.remove(found)
    return not remaining or (len(remaining) == 1 and remaining[0] in answer.optional)


def photographs(corpus: str, split: str, count: int = PHOTOGRAPHS, others: bool = False) -> list[Image]:
    """Return evenly spaced photographs of a split of a corpus, or other photographs, which are between these."""
    opened = open_corpus(corpus)
    ids = opened.rows.loc[opened.rows["split"] == split].drop_duplicates("base_id")["image_id"].tolist()
    places = np.linspace(0, len(ids) - 1, 2 * count)[int(others) :: 2]
    return [opened.load(ids[i]) for i in places.astype(int)]


def measure(name: str, images: Sequence[Image], sizes: Sequence[int], groups: Sequence[int]) -> pd.DataFrame:
    """Apply a pipeline to all images, and name its edits from groups of each size, with a maximum number of groups."""
    edited = [PIPELINES[name](image) for image in images]
    rows = []
    for size, most in zip(sizes, groups, strict=True):
        for start in range(0, len(images) - size + 1, size)[:most]:
            group = slice(start, start + size)
            result = diff(images[group], edited[group])
            summary = result.summary
            is_changed = any(not np.array_equal(b, a) for b, a in zip(images[group], edited[group], strict=True))
            rows.append(
                {
                    "pipeline": name,
                    "pairs": size,
                    "group": start // size,
                    "outcome": outcome(ANSWERS[name], result, is_changed),
                    "edits": json.dumps([[edit.name, edit.detail, edit.strength] for edit in summary.edits]),
                    "geometry": "; ".join(what for what, _ in summary.geometry),
                    "unexplained": summary.unexplained,
                    "named": summary.named,
                }
            )
    return pd.DataFrame(rows)


def rate(rows: pd.DataFrame, kind: str) -> Interval:
    """Return the mean fraction of an outcome over pipelines, with its interval over pipelines."""
    return interval(mean((rows["outcome"] == kind).to_numpy(), rows["pipeline"].to_numpy()), low=0, high=1)


def table(rows: pd.DataFrame) -> str:
    """Return the fractions of right, wrong and unexplained answers as a Markdown table."""
    known = rows["pipeline"].map(lambda name: ANSWERS[name].known)
    lines = []
    for title, pipelines in SETS.items():
        of_set = rows["pipeline"].isin(list(pipelines.PIPELINES))
        for about, part in (("known edits", of_set & known), ("other edits", of_set & ~known), ("all", of_set)):
            for size in sorted(rows.loc[part, "pairs"].unique()):
                lines.append(_line(f"{title}, {about}", size, rows[part & (rows["pairs"] == size)]))
    return markdown_table(["pipelines", "pairs", "groups", *OUTCOMES, "pipelines with a wrong answer"], lines)


def _line(title: str, size: int, rows: pd.DataFrame) -> list[str]:
    cells = [_cell(rate(rows, kind)) for kind in OUTCOMES]
    wrong = rows.loc[rows["outcome"] == WRONG, "pipeline"].nunique()
    return [f"{title} ({rows['pipeline'].nunique()})", str(size), str(len(rows)), *cells, str(wrong)]


def _cell(value: Interval) -> str:
    return f"{in_percent(value.value, 1)} ({in_percent(value.low)} to {in_percent(value.high)})"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/how-to/before-after.md")
    parser.add_argument("--corpus", default="reference", help="corpus of the photographs (default: reference)")
    parser.add_argument("--split", default="test", help="split of the corpus (default: test)")
    parser.add_argument("--set", choices=SETS, nargs="*", default=list(SETS), help="sets of pipelines (default: all)")
    parser.add_argument("--pipelines", nargs="*", help="pipelines (default: all of the sets)")
    parser.add_argument("--photographs", type=int, default=PHOTOGRAPHS, metavar="N")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, metavar="N", help="numbers of pairs (default: 1 5 20)"
    )
    parser.add_argument(
        "--groups", type=int, nargs="*", default=GROUPS, metavar="N", help="maximum numbers of groups (default: 4 1 1)"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder in which results are stored")
    options = parser.parse_args()
    parts = []
    for title in options.set:
        images = photographs(options.corpus, options.split, options.photographs, others=title == "evaluation")
        for name in SETS[title].PIPELINES:
            if options.pipelines and name not in options.pipelines:
                continue
            parts.append(_kept(name, images, options))
            counts = parts[-1].groupby("pairs")["outcome"].value_counts().to_dict()
            print(name, counts, file=sys.stderr, flush=True)
    publish(PAGE, MARK, table(pd.concat(parts, ignore_index=True)), options.write)


def _kept(name: str, images: Sequence[Image], options: argparse.Namespace) -> pd.DataFrame:
    """Return the stored results of a pipeline, or measure and store them."""
    path = (
        options.keep / f"{''.join(letter if letter.isalnum() else '-' for letter in name)}.parquet"
        if options.keep
        else None
    )
    if path is not None and path.exists():
        return pd.read_parquet(path)
    rows = measure(name, images, options.sizes, options.groups)
    if path is not None:
        buffer = io.BytesIO()
        rows.to_parquet(buffer, index=False)
        write_atomically(path, buffer.getvalue())
    return rows


if __name__ == "__main__":
    sys.exit(main())

"""Measure which edits `probing_core.diff` names, for pipelines made with other libraries and programs.

``python -m lab.evidence.diff_pipelines [--corpus CORPUS] [--keep FOLDER] [--write]``. The programs ImageMagick, cwebp
and ffmpeg must be installed. The corpus must contain photographs with which nothing was chosen; by default, these are
photographs of the reference run. The right answers are in ``diff_foreign.py``.

``--jpeg`` measures whether the quality of JPEG files is exact, and ``--copies`` how many lossless copies are called
changed.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image as Pillow

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from lab.evidence.diff_foreign import ANSWERS, PIPELINES, Answer
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

PHOTOGRAPHS = 20

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
    return not remaining


def photographs(corpus: str, split: str, count: int) -> list[Image]:
    """Return evenly spaced photographs of a split of a corpus."""
    opened = open_corpus(corpus)
    ids = opened.rows.loc[opened.rows["split"] == split].drop_duplicates("base_id")["image_id"].tolist()
    return [opened.load(ids[i]) for i in np.linspace(0, len(ids) - 1, count).astype(int)]


def measure(name: str, images: Sequence[Image], sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """Apply a pipeline to all images, and name its edits from groups of each size."""
    edited = [PIPELINES[name](image) for image in images]
    rows = []
    for size in sizes:
        for start in range(0, len(images) - size + 1, size):
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
    for title, part in (("with known edits", rows[known]), ("with other edits", rows[~known]), ("all", rows)):
        for size in sorted(part["pairs"].unique()):
            of_size = part[part["pairs"] == size]
            cells = [_cell(rate(of_size, kind)) for kind in OUTCOMES]
            pipelines = of_size["pipeline"].nunique()
            wrong = of_size.loc[of_size["outcome"] == WRONG, "pipeline"].nunique()
            lines.append([f"{title} ({pipelines})", str(size), *cells, str(wrong)])
    return markdown_table(["pipelines", "pairs", *OUTCOMES, "pipelines with a wrong answer"], lines)


def _cell(value: Interval) -> str:
    return f"{in_percent(value.value, 1)} ({in_percent(value.low)} to {in_percent(value.high)})"


def jpeg_rows(images: Sequence[Image], seed: int = 0) -> Iterator[dict[str, object]]:
    """Yield the true and the found quality of JPEG files that are passed as pixels."""
    rng = np.random.default_rng(seed)
    for i, image in enumerate(images):
        quality, chroma, half = int(rng.integers(5, 99)), int(rng.choice([0, 2])), i % 2 == 1
        picture = Pillow.fromarray(image)
        if half:
            picture = picture.resize((image.shape[1] // 2, image.shape[0] // 2), Pillow.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=chroma)
        edits = diff(image, np.asarray(Pillow.open(buffer))).summary.edits
        found = [edit.strength for edit in edits if edit.name == "jpeg"]
        yield {"quality": quality, "chroma": chroma, "half": half, "found": found[0] if found else None}


def copies_called_changed(images: Sequence[Image]) -> tuple[int, int]:
    """Save images in lossless formats, and return how many are called changed, and how many were saved."""
    changed, total = 0, 0
    for format, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}), ("BMP", {})):
        copies = []
        for image in images:
            buffer = io.BytesIO()
            Pillow.fromarray(image).save(buffer, format, **options)
            copies.append(np.asarray(Pillow.open(buffer).convert("RGB")))
        summary = diff(images, copies).summary
        changed, total = changed + summary.changed + summary.unreadable, total + len(images)
    return changed, total


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/how-to/before-after.md")
    parser.add_argument("--corpus", default="reference", help="corpus of the photographs (default: reference)")
    parser.add_argument("--split", default="test", help="split of the corpus (default: test)")
    parser.add_argument("--pipelines", nargs="*", help="pipelines (default: all)")
    parser.add_argument("--photographs", type=int, default=PHOTOGRAPHS, metavar="N")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, metavar="N", help="numbers of pairs (default: 1 5 20)"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder in which results are stored")
    parser.add_argument("--jpeg", action="store_true", help="measure the quality of JPEG files instead")
    parser.add_argument("--copies", action="store_true", help="count lossless copies called changed instead")
    options = parser.parse_args()
    images = photographs(options.corpus, options.split, options.photographs)
    if options.copies:
        print("{} of {} lossless copies are called changed.".format(*copies_called_changed(images)))
        return
    if options.jpeg:
        found = pd.DataFrame(jpeg_rows(images))
        exact = (found["found"] == found["quality"]).groupby(found["half"]).mean()
        print(found.to_string())
        print(
            f"Exact quality: {in_percent(exact[False], 1)} at the original size, {in_percent(exact[True], 1)} at half."
        )
        return
    parts = []
    for name in options.pipelines or PIPELINES:
        kept = options.keep / f"{name.replace(' ', '-').replace(':', '')}.parquet" if options.keep else None
        if kept is not None and kept.exists():
            parts.append(pd.read_parquet(kept))
        else:
            parts.append(measure(name, images, options.sizes))
            if kept is not None:
                buffer = io.BytesIO()
                parts[-1].to_parquet(buffer, index=False)
                write_atomically(kept, buffer.getvalue())
        counts = parts[-1].groupby("pairs")["outcome"].value_counts().to_dict()
        print(name, counts, file=sys.stderr, flush=True)
    publish(PAGE, MARK, table(pd.concat(parts, ignore_index=True)), options.write)


if __name__ == "__main__":
    sys.exit(main())

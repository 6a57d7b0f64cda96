"""Answers of the detector for images edited with other libraries: ``python -m lab.evidence.detector_foreign RUN --view
CORPUS --large CORPUS [--library L] [--photographs N] [--keep FOLDER]``.

The photographs in the ``test`` split (all, or the first N) are edited with another library in a separate environment.
Photographs of ``--view`` are reduced to the view size, photographs of ``--large`` keep their original size. The command
prints, as Markdown, how many clean images are not classified as edited. For each operation, it prints how many edited
images are classified as edited, and for how many of these the group is correct. Clean images without color are
excluded. ``--keep`` stores the answers of every batch, so that an interrupted command can be resumed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import publish_about, share
from lab.evidence.foreign import altered
from probing_core import Predictor
from probing_core.answers.answer import FOUND
from probing_core.answers.answer_sentences import edit_of
from probing_core.answers.crops import cut
from probing_core.compute.runtime.parallel import in_chunks, one_core_threads
from probing_core.compute.task_names import DETECTOR
from probing_core.cores import cores
from probing_core.corpora import open_corpus
from probing_core.images.quality import has_no_color
from probing_core.measures.notation import in_percent
from probing_core.run.layout import DETECTOR_FILE, scored_views_path
from probing_core.run.run_files import digest
from probing_core.transforms.transformation import Image

LIBRARIES = ("albumentations", "imagecorruptions")
GRAY = "gray"
"""Operation that removes all color. The image is flagged as `has no color`, but is not classified as edited for this
reason."""

BATCH = 20
"""Number of photographs that one call of the other library edits."""

PICTURES = 8
"""Number of images per task of a thread."""


def verdicts_on(predictor: Predictor, images: dict[str, Image], size: str) -> pd.DataFrame:
    """Return the answers for images, one row per image.

    Returns:
        ``photograph``, ``operation``, ``group``, ``size``, ``alarms`` (whether the image is classified as edited),
        ``found`` (predicted group), ``no_color``.
    """
    names = list(images)

    def look(batch: list[str]) -> list[tuple]:
        crops = [cut(images[name], predictor.recipe.view) for name in batch]
        return [
            (
                *name.split("|"),
                size,
                answer.word() in FOUND,
                edit_of(answer.classes()).group,
                has_no_color(crop.whole),
            )
            for name, answer, crop in zip(batch, predictor.ask(DETECTOR, crops), crops, strict=True)
        ]

    chunks = [[names[i : i + PICTURES] for i in range(0, len(names), PICTURES)]]
    with one_core_threads(cores()) as pool:
        rows = [row for _, results in in_chunks(pool, look, chunks) for result in results for row in result]
    columns = ["photograph", "operation", "group", "size", "alarms", "found", "no_color"]
    return pd.DataFrame(rows, columns=columns)


def judged(predictor: Predictor, library: str, batch: dict[str, Image], size: str, keep: Path | None) -> pd.DataFrame:
    """Edit ``batch`` with ``library``, and return the result of `verdicts_on`, which is stored in ``keep`` if given."""
    if keep is None:
        return verdicts_on(predictor, altered(library, batch), size)
    made_by = [predictor.store.checksum(name) for name in (DETECTOR_FILE, scored_views_path(DETECTOR))]
    path = keep / f"{digest([made_by, library, size, *batch])[:16]}.parquet"
    if not path.exists():
        keep.mkdir(parents=True, exist_ok=True)
        verdicts_on(predictor, altered(library, batch), size).to_parquet(path, index=False)
    return pd.read_parquet(path)


def photographs(name: str, view: int | None, count: int | None) -> Iterator[dict[str, Image]]:
    """Yield batches of images in the ``test`` split by id, reduced to ``view`` pixels if given."""
    corpus = open_corpus(name)
    ids = list(corpus.rows.loc[corpus.rows["split"] == "test", "image_id"][:count])
    for start in range(0, len(ids), BATCH):
        loaded = {i: corpus.load(i) for i in ids[start : start + BATCH]}
        yield {i: cut(image, view).whole if view else image for i, image in loaded.items()}


def table(rows: pd.DataFrame) -> str:
    """Return the results for clean images, and a Markdown table by operation. Operations have equal weight in the mean
    of the percentages classified as edited."""
    lines = []
    untouched = rows[(rows["group"] == "identity") & ~rows["no_color"]]
    right = (~untouched["alarms"]).to_numpy()
    clean = share(right, untouched["photograph"].to_numpy())
    changed = rows[rows["group"] != "identity"]
    shares = {}
    for (group, operation), operation_rows in changed.groupby(["group", "operation"], sort=True):
        flagged = operation_rows["alarms"]
        named = operation_rows[flagged]
        shares[operation] = float(flagged.mean())
        right_group = in_percent((named["found"] == group).mean()) if len(named) else ""
        lines.append([operation, group, in_percent(flagged.mean()), right_group])
    named = changed[changed["alarms"]]
    right_of_named = in_percent((named["found"] == named["group"]).mean())
    lines.append(["**mean**", "", f"**{in_percent(np.mean(list(shares.values())))}**", f"**{right_of_named}**"])
    if GRAY in shares:
        without = np.mean([value for operation, value in shares.items() if operation != GRAY])
        lines.append([f"**mean, excluding {GRAY}**", "", f"**{in_percent(without)}**", ""])
    interval = f"{in_percent(clean.value)} (95% CI {in_percent(clean.low)} to {in_percent(clean.high)})"
    head = f"Clean images not classified as edited: {right.sum()} of {len(right)}, {interval}."
    columns = ["operation", "group", "classified as edited", "correct group, if classified as edited"]
    return f"{head}\n\n{markdown_table(columns, lines)}"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path)
    parser.add_argument("--view", metavar="CORPUS", help="photographs that are edited at the view size")
    parser.add_argument("--large", metavar="CORPUS", help="photographs that are edited at their original size")
    parser.add_argument("--library", choices=LIBRARIES, action="append", help="library (default: all)")
    parser.add_argument("--photographs", type=int, metavar="N", help="photographs of each corpus (default: all)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder in which answers are stored")
    options = parser.parse_args()
    parts = []
    predictor = Predictor(options.run)
    for library in options.library or LIBRARIES:
        for size, name in (("view", options.view), ("large", options.large)):
            if not name:
                continue
            view = predictor.recipe.view if size == "view" else None
            batches = photographs(name, view, options.photographs)
            rows = pd.concat([judged(predictor, library, batch, size, options.keep) for batch in batches])
            at = f"at {view} px" if view else "at their original size"
            parts.append(f"#### {library}, photographs {at}\n\n{table(rows)}")
            print(parts[-1], file=sys.stderr, flush=True)
    publish_about(predictor, "detector_foreign", "\n\n".join(parts), options.write)


if __name__ == "__main__":
    sys.exit(main())

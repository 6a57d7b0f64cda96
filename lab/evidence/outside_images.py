"""Answers of the detector for photographs from other collections: ``python -m lab.evidence.outside_images RUN --view
CORPUS --large CORPUS --gray CORPUS [--write]``.

The images are originals, and versions edited with imgaug in a separate environment. imgaug was not used during
development of the detector. --view and --large provide the photographs with color in their ``test`` split, --gray
provides photographs that were stored without color. For each source (the first part of an id), p-values and posteriors
are calibrated without this source. The command prints, as Markdown, the percentages of originals and edited images that
have a p-value of at most 0.05, and that are classified as edited, for each type of image.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import publish_about
from lab.evidence.foreign import altered
from probing_core import Predictor
from probing_core.answers.answer import FOUND, answer_word, probability_edited, score_of
from probing_core.answers.calibration import fit_posterior
from probing_core.answers.crops import COMBINED, cut
from probing_core.answers.reference_sets import LEVEL, p_values
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.detector.detector import detect
from probing_core.images.quality import has_no_color, is_flat
from probing_core.measures.notation import in_percent
from probing_core.run.layout import scored_views_path
from probing_core.transforms.transformation import Image

KINDS = {"view": "view size", "large": "large", "gray": "grayscale"}
ORIGINALS, EDITED, BATCH = 200, 60, 20
"""Number of originals of each type, number of originals that are also edited, and images per call of the library."""

COLORLESS = 1.0
"""Mean difference between color channels below which a photograph counts as stored without color."""

REPEATED = "voc2007"
"""Prefix of ids that are excluded: the source contains many photographs of one green board."""


def originals(corpus: Corpus, kind: str) -> Iterator[tuple[str, Image]]:
    """Yield the id and image of each original of a type, in random order."""
    rows = corpus.rows[~corpus.rows["image_id"].str.startswith(REPEATED)]
    rows = rows[rows["why_not"] == "near gray"] if kind == "gray" else rows[(rows["split"] == "test") & rows["color"]]
    count = 0
    for image_id in np.random.default_rng(0).permutation(rows["image_id"]):
        image = corpus.load(image_id)
        spread = float((image.max(2).astype(int) - image.min(2)).mean())
        if is_flat(image) or (kind == "gray" and spread >= COLORLESS):
            continue
        yield image_id, image
        count += 1
        if count == ORIGINALS:
            return


def scored(predictor: Predictor, named: dict[str, Image]) -> pd.DataFrame:
    """Return the edit scores of images called ``photograph|operation|group``."""
    rows, names = [], list(named)
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        crops = [cut(named[name], predictor.recipe.view) for name in batch]
        for name, crop, prediction in zip(batch, crops, detect(predictor.detector, crops), strict=True):
            no_color = has_no_color(crop.whole)
            full_image, joined = score_of(prediction, no_color, whole_only=True), score_of(prediction, no_color)
            rows.append((*name.split("|"), crop.kind == COMBINED, no_color, full_image, joined))
    columns = ["photograph", "operation", "group", "large", "no_color", "whole", "joined"]
    return pd.DataFrame(rows, columns=columns)


def measured(predictor: Predictor, corpus: Corpus, kind: str) -> pd.DataFrame:
    """Return the scores of originals and edited images of a type."""
    images = dict(originals(corpus, kind))
    if kind != "large":
        images = {name: cut(image, predictor.recipe.view).whole for name, image in images.items()}
    parts = [scored(predictor, {f"{name}|original|identity": image for name, image in images.items()})]
    some = list(images)[:EDITED]
    for start in range(0, len(some), BATCH):
        images_of_batch = altered("imgaug", {name: images[name] for name in some[start : start + BATCH]})
        parts.append(
            scored(predictor, {name: image for name, image in images_of_batch.items() if "|untouched|" not in name})
        )
        print(f"{kind}: {start + BATCH} of {len(some)} edited", file=sys.stderr, flush=True)
    rows = pd.concat(parts, ignore_index=True)
    # A color edit is invisible in an image without color, and an edit that removes color changes the type of the image.
    return rows[(rows["no_color"] == (kind == "gray")) & ~((kind == "gray") & (rows["group"] == "color"))]


def judged(rows: pd.DataFrame, views: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return ``rows`` with ``p`` and ``answer``, calibrated for each source on the scored ``views`` of other sources.

    All large photographs of other sources are used, although they may be fewer than the detector requires.
    """
    views = views[(views["size"] == ("large" if kind == "large" else "view")) & (views["no_color"] == (kind == "gray"))]
    views = views[~((kind == "gray") & (views["group"] == "color"))]
    sources, view_sources = (frame.str.partition("/")[0] for frame in (rows["photograph"], views["image_id"]))
    parts = []
    for source, source_rows in rows.groupby(sources):
        other_views = views[view_sources != source]
        clean = other_views[(other_views["group"] == "identity") & (other_views["role"] == "calibrate")]
        groups = np.where(other_views["group"] == "identity", "identity", "edit")
        makers = np.full(len(other_views), "")
        posterior = fit_posterior(other_views["score"].to_numpy(), groups, makers, other_views["base_id"].to_numpy())
        scores = source_rows["joined" if kind == "large" else "whole"].to_numpy()
        p = p_values(scores, clean["score"].to_numpy())
        parts.append(source_rows.assign(p=p, answer=[*map(answer_word, probability_edited(scores, posterior))]))
    return pd.concat(parts)


def line(kind: str, rows: pd.DataFrame) -> list[str]:
    original = rows["group"] == "identity"
    cells = [KINDS[kind], f"{original.sum():,}"]
    flags = {"p": rows["p"] <= LEVEL, "answer": rows["answer"].isin(FOUND)}
    cells += [in_percent(1 - flag[original].mean(), 1) for flag in flags.values()]
    by_operation = [flag[~original].groupby(rows.loc[~original, "operation"]).mean().mean() for flag in flags.values()]
    return [*cells, f"{(~original).sum():,}", *(in_percent(share, 1) for share in by_operation)]


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder in which scores are stored")
    for option in ("--view", "--large", "--gray"):
        parser.add_argument(option, metavar="CORPUS", required=True)
    options = parser.parse_args()
    predictor = Predictor(options.run)
    views = predictor.store.read_table(scored_views_path(DETECTOR))
    lines = []
    for kind in KINDS:
        path = options.keep / f"outside-{kind}.parquet" if options.keep else None
        if path is not None and path.exists():
            rows = pd.read_parquet(path)
        else:
            rows = measured(predictor, open_corpus(getattr(options, kind)), kind)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(path, index=False)
        lines.append(line(kind, judged(rows, views, kind)))
    head = [
        "image type",
        "originals",
        f"originals with p > {LEVEL}",
        "originals not classified as edited",
        "edited images",
        f"edited images with p \N{LESS-THAN OR EQUAL TO} {LEVEL}",
        "edited images classified as edited",
    ]
    publish_about(predictor, "outside_images", markdown_table(head, lines), options.write)


if __name__ == "__main__":
    sys.exit(main())

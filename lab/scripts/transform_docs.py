"""Generate the table of all transformations in docs/transforms.md from the catalog.

    python -m lab.scripts.transform_docs

Distances are computed on the packaged photographs, which takes half a minute, mostly for neural style transfer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from lab.devtools.commands import markdown_table, put
from probing_core.corpora import open_corpus
from probing_core.measures.notation import in_percent
from probing_core.transforms import Image, Transform, bank, cut_pair, far_style, generator, prepare_source
from probing_core.transforms.distance import describe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "transforms.md"
EVERY = 5
"""Step between the images in `photos` that are used: four images of each of ten photographs."""

BEGIN = "<!-- generated: python -m lab.scripts.transform_docs -->"
HEAD = (
    *("group", "name", "definition", "parameter", "weakest", "strongest", "unit", "distribution", "library", "source"),
    *("held out in fold", "median distance", "visible"),
)


def main() -> None:
    tables = f"{_table(bank())}\n\n### Unseen styles\n\n{_table(far_style())}"
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), BEGIN, tables), encoding="utf-8")


def _table(transforms: tuple[Transform, ...]) -> str:
    rows = []
    for transform in transforms:
        distance, visible = measured(transform)
        rows.append([*cells(transform), f"{distance:.2f}", in_percent(visible)])
    return markdown_table(HEAD, rows)


def cells(transform: Transform) -> list[str]:
    """Return the cells of a row that are generated from the catalog."""
    return [
        transform.group,
        transform.name,
        transform.definition,
        transform.parameter,
        f"{transform.weakest:g}",
        f"{transform.strongest:g}",
        transform.unit,
        transform.distribution,
        transform.library,
        transform.source,
        "–" if transform.unseen_in is None else str(transform.unseen_in),
    ]


def measured(transform: Transform) -> tuple[float, float]:
    """Return the median perceptual distance and the fraction of visible samples, for images in `photos` at
    random strengths."""
    # The arbitrary-style network takes 0.1 s per image, so only one image per photograph is used.
    step = 4 if transform.name.startswith("style-arbitrary") else 1
    described = []
    for name, source in _sources()[::step]:
        rng = generator(0, name, transform.name)
        described.append(describe(*cut_pair(source, 128, transform, transform.draw_strength(rng), rng)))
    return float(np.median([d.distance for d in described])), float(np.mean([d.visible for d in described]))


@cache
def _sources() -> list[tuple[str, Image]]:
    corpus = open_corpus("photos")
    return [(name, prepare_source(corpus.load(name), 128)) for name in corpus.rows["image_id"].iloc[::EVERY]]


if __name__ == "__main__":
    main()

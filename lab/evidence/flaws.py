"""Print the percentages of images with quality flags: ``python -m lab.evidence.flaws CORPUS [--limit N]``.

The row ``identity`` is for original photographs, so its flags are false positives unless the originals are degraded.
The other rows are for photographs transformed with the bank at random strengths. ``flat areas`` indicates that an image
may not be a photograph.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lab.devtools.commands import parser_of
from probing_core.corpora import limit_rows, open_corpus
from probing_core.images.quality import flaws, is_flat
from probing_core.transforms import bank


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("corpus", help="corpus of the photographs")
    parser.add_argument("--limit", type=int, default=100, help="number of photographs (default 100)")
    parser.add_argument("--transforms", nargs="*", help="transformations (default: the bank)")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    rows = corpus.rows
    if "style" in rows:  # a flag of a drawing would not be a false positive
        rows = rows[rows["style"] == "photo"]
    images = [corpus.load(image_id) for image_id in limit_rows(rows, options.limit)["image_id"]]
    shares = {}
    for transform in bank():
        if options.transforms and transform.name not in options.transforms:
            continue
        rng = np.random.default_rng(0)
        changed = [transform.apply(image, transform.draw_strength(rng), rng) for image in images]
        phrases = [[*flaws(image), *(["flat areas"] if is_flat(image) else [])] for image in changed]
        kinds = pd.Series([" ".join(flaw.split()[:4]) for image_flaws in phrases for flaw in image_flaws], dtype=str)
        shares[transform.name] = kinds.value_counts() / len(images) * 100
        print(transform.name, shares[transform.name].round(1).to_dict(), flush=True)
    table = pd.DataFrame(shares).T.fillna(0)
    print(f"{len(images)} photographs of {options.corpus}; percent that are told so")
    print(table.round(1).to_string())


if __name__ == "__main__":
    main()

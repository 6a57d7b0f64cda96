"""False discovery rate of folder scans: ``python -m lab.evidence.false_discoveries RUN CORPUS... [--cache FOLDER]``.

The command simulates scans of folders with 2,000 clean and 100 edited photographs, and 500 other clean photographs as
for `probing scan --clean`. Images with a q-value of at most 0.1 count as discoveries. Photographs are from the ``test``
and ``calibrate`` splits of each CORPUS, which were not used to train or select the run's detector. Half of the edits
are from the bank and half from alternative implementations, with equal numbers for all groups. In each of 200
simulations, the photographs are divided at random into calibration photographs and photographs from which the folder is
drawn, with replacement if there are fewer than 2,000. Prints a Markdown table of the mean false discovery rate and the
mean detection rate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import measured, publish_about
from probing_core import Predictor
from probing_core.answers.answer import edit_score
from probing_core.answers.crops import Crops, cut
from probing_core.answers.reference_sets import p_values
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.detector.detector import Detector
from probing_core.detector.learning import make_views
from probing_core.detector.scoring import plan_alterations
from probing_core.images.quality import has_no_color
from probing_core.measures.notation import in_percent
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.transforms.transformation import Image, Transform

CLEAN, UNTOUCHED, ALTERED, REDRAWS, RATE = 500, 2000, 100, 200, 0.1

MAX_ALTERED = 150
"""Maximum number of photographs that are also edited, twice with every group."""


def scores_of(detector: Detector, recipe: Recipe, corpus: Corpus, cache: Path | None) -> pd.DataFrame:
    """Return one row per view: ``base_id``, ``group``, ``score``.

    Clean views without color are excluded. Edited views without color have a score of -inf, because a scan compares
    such images with photographs converted to grayscale.
    """
    transforms = [t for t in load_transforms(recipe) if not t.far]
    rows = corpus.rows
    rows = rows[rows["split"].isin(("test", "calibrate")) & rows["color"] & rows["geometry"]]
    rows = rows.sample(frac=1, random_state=0).assign(altered=lambda r: np.arange(len(r)) < MAX_ALTERED)

    def views_of(picture: Image, row: dict) -> list[tuple[Crops, dict]]:
        return _views(picture, row, transforms, recipe)

    X, table = measured(corpus, rows, views_of, cache, ["false discoveries", recipe.view, recipe.seed])
    score = edit_score(detector.log_probabilities(X), detector.groups)
    table = table.assign(score=np.where(table["no_color"], -np.inf, score))
    return table[~table["no_color"] | (table["group"] != "identity")]


def _views(picture: Image, row: dict, transforms: list[Transform], recipe: Recipe) -> list[tuple[Crops, dict]]:
    crop = cut(picture, recipe.view).whole
    samples = [("identity", crop)]
    if row["altered"] and min(picture.shape[:2]) >= recipe.view:
        planned = plan_alterations(transforms, row["image_id"], recipe.seed)
        # Fonts, words and icons that were not used for training.
        by_name = {t.name: t.for_split("test") for t in transforms}
        views = make_views(picture, recipe.view, planned, by_name, row["image_id"], recipe.seed)
        samples += [(by_name[plan.transform].group, view) for plan, view in zip(planned, views, strict=True)]
    return [
        (
            Crops(view),
            {"base_id": row["base_id"], "group": group, "no_color": has_no_color(view)},
        )
        for group, view in samples
    ]


def simulate(table: pd.DataFrame, redraws: int = REDRAWS) -> pd.DataFrame:
    """Simulate ``redraws`` scans, and return one row per scan: ``rate`` (fraction of discoveries that are false) and
    ``power`` (fraction of edited images that are discovered)."""
    rng = np.random.default_rng(0)
    untouched = (table["group"] == "identity").to_numpy()
    score, base = table["score"].to_numpy(), table["base_id"].to_numpy()
    photographs = np.unique(base[untouched])
    rates = []
    for _ in range(redraws):
        calibration = set(rng.choice(photographs, CLEAN, replace=False))
        in_folder = np.array([photograph not in calibration for photograph in base])
        calibrating = score[untouched & ~in_folder]
        clean, altered = np.flatnonzero(untouched & in_folder), np.flatnonzero(~untouched & in_folder)
        folder = rng.choice(clean, UNTOUCHED, replace=len(clean) < UNTOUCHED)
        changed = rng.choice(altered, ALTERED, replace=len(altered) < ALTERED)
        q = false_discovery_control(p_values(score[np.concatenate([folder, changed])], calibrating))
        finds = q <= RATE
        rates.append((finds[:UNTOUCHED].sum() / max(finds.sum(), 1), finds[UNTOUCHED:].mean()))
    return pd.DataFrame(rates, columns=["rate", "power"])


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path)
    parser.add_argument("corpora", nargs="+", metavar="CORPUS")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="folder of cached features")
    options = parser.parse_args()
    lines = []
    predictor = Predictor(options.run)
    for name in options.corpora:
        table = scores_of(predictor.detector, predictor.recipe, open_corpus(name), options.cache)
        photographs = table.loc[table["group"] == "identity", "base_id"].nunique()
        drawn = simulate(table)
        low, high = drawn["power"].quantile([0.05, 0.95])
        cells = [f"`{Path(name).name}`", f"{photographs:,}", in_percent(drawn["rate"].mean(), 1)]
        lines.append([*cells, in_percent(drawn["power"].mean(), 1), f"{in_percent(low)} to {in_percent(high)}"])
    head = [
        "corpus",
        "clean photographs",
        "mean false discovery rate",
        "mean detection rate",
        "detection rate, 5th to 95th percentile",
    ]
    publish_about(predictor, "false_discoveries", markdown_table(head, lines), options.write)


if __name__ == "__main__":
    sys.exit(main())

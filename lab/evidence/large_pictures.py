"""Comparison of edit scores for large images: ``python -m lab.evidence.large_pictures RUN CORPUS [--cache FOLDER]
[--report SCORE]``.

The detector of RUN predicts the full image and the tiles of every photograph in CORPUS, which has the splits ``val``,
``calibrate`` and ``test``. The photographs are clean, or edited at their original size, half with the bank and half
with alternative implementations. Methods that combine the predictions into one score are compared on ``val`` by the
area under the ROC curve, with equal weight for all groups. With ``--report``, a score is calibrated on ``calibrate``,
and its false-positive and detection rates on ``test`` are printed. Do this only once. Features are cached.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import Measured, measured, publish_about
from probing_core import Predictor
from probing_core.answers.crops import Crops, join
from probing_core.answers.reference_sets import LEVEL, Edits, ReferenceSets, error_holds, p_values
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.detector.detector import Detector
from probing_core.detector.learning import PURPOSES
from probing_core.detector.scoring import views_of
from probing_core.measures.notation import in_percent
from probing_core.run.layout import scored_views_path
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.transforms.transformation import Image

SPLITS = ("val", "calibrate", "test")


def crops_of(recipe: Recipe, corpus: Corpus, cache: Path | None) -> Measured:
    """Return the features of all crops of large photographs, clean and, except for calibration, edited."""
    rows = corpus.rows[corpus.rows["split"].isin(SPLITS)]
    rows = rows.assign(corpus=0, first=False, role=rows["split"].map(PURPOSES), altered=rows["split"] != "calibrate")
    transforms = [t for t in load_transforms(recipe) if not t.far]

    def made(picture: Image, row: dict) -> list[tuple[Crops, dict]]:
        views = views_of(picture, row, transforms, recipe.design)
        return [(view.crops, view.facts | {"split": row["split"]}) for view in views]

    return measured(corpus, rows, made, cache, ["large pictures", recipe.view, recipe.seed, recipe.transforms])


def ways(detector: Detector, X: np.ndarray, table: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each scoring method and the scores (N,) of the images in ``table``."""
    logs = detector.log_probabilities(X).astype(np.float64)
    groups = np.asarray(detector.groups)
    identity = np.flatnonzero(groups == "identity")[0]
    odds = logs - logs[:, [identity]]
    gray = table["no_color"].to_numpy()
    allowed = (groups != "identity") & ~(gray[:, None] & (groups == "color"))

    def each(function: Callable[[int, int], np.ndarray]) -> np.ndarray:
        return np.stack([function(a, b) for a, b in zip(table["start"], table["stop"], strict=True)])

    def largest(per_class: np.ndarray) -> np.ndarray:
        return np.where(allowed, per_class, -np.inf).max(1)

    full_image, tiles = odds[table["start"].to_numpy()], each(lambda a, b: odds[a + 1 : b].mean(0))
    joined = each(lambda a, b: np.log(join(np.exp(logs[a:b]), detector.groups)))
    yield "fused by group", largest(joined - joined[:, [identity]])
    yield "full image only", largest(full_image)
    yield "tiles only", largest(tiles)
    yield "median tile", largest(each(lambda a, b: np.median(odds[a + 1 : b], axis=0)))
    yield "maximum of full image and tiles", largest(np.maximum(full_image, tiles))
    yield "sum of full image and tiles", largest(full_image + tiles)


def separation(table: pd.DataFrame, score: np.ndarray) -> dict[str, float]:
    """Return the area under the ROC curve of each group, for edited and clean images in ``val``."""
    selected = ((table["split"] == "val") & ~table["no_color"]).to_numpy()
    group = table["group"].to_numpy()
    untouched = score[selected & (group == "identity")]
    altered = [name for name in dict.fromkeys(group[selected]) if name != "identity"]
    areas = {}
    for name in altered:
        of_group = score[selected & (group == name)]
        is_altered = np.repeat([0, 1], [len(untouched), len(of_group)])
        areas[name] = float(roc_auc_score(is_altered, np.concatenate([untouched, of_group])))
    return areas


def report(table: pd.DataFrame, scores: dict[str, np.ndarray], at_view: pd.DataFrame, way: str) -> str:
    """Return a Markdown table of false-positive and detection rates on ``test``.

    The score ``way`` is calibrated on ``calibrate``. It is compared with the score of the full image, calibrated on the
    run's photographs at the view size.
    """
    by_view = ReferenceSets.from_rows(at_view).sets["view"].clean
    calibrating = ((table["split"] == "calibrate") & ~table["no_color"]).to_numpy()
    untouched = ((table["split"] == "test") & (table["group"] == "identity") & ~table["no_color"]).to_numpy()
    lines = []
    for name, score, calibrated in (
        ("full image only, calibrated at the view size", scores["full image only"], by_view),
        (f"{way}, calibrated on large images", scores[way], scores[way][calibrating]),
    ):
        p = p_values(score[untouched], calibrated)
        holds = "yes" if error_holds(p, LEVEL, len(calibrated)) else "no"
        edited = (table["role"] == "report") & (table["transform"] != "identity") & ~table["no_color"]
        rate = Edits(table.assign(score=score)[edited]).detection_rate(calibrated)
        assert rate is not None
        groups = ", ".join(f"{group} {in_percent(share.value)}" for group, share in rate.by_group.items())
        value, low, high = (in_percent(x, 1) for x in (rate.overall.value, rate.overall.low, rate.overall.high))
        overall = f"{value} ({low} to {high})"
        lines.append([name, f"{(p <= LEVEL).sum()} of {len(p)}", str(len(calibrated)), holds, overall, groups])
    head = [
        "score",
        "flagged clean images",
        "calibration photographs",
        "consistent with the nominal rate",
        "detection rate",
        "detection rate by group",
    ]
    return markdown_table(head, lines)


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus", metavar="CORPUS", help="corpus of large photographs, as parquet:FILE")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="folder of cached features")
    parser.add_argument("--report", metavar="SCORE", help="score to evaluate on the test photographs (only once)")
    options = parser.parse_args()
    predictor = Predictor(options.run)
    X, table = crops_of(predictor.recipe, open_corpus(options.corpus), options.cache)
    scores = dict(ways(predictor.detector, X, table))
    at_view = predictor.store.read_table(scored_views_path(DETECTOR))
    val = pd.DataFrame({way: separation(table, score) for way, score in scores.items()}).T
    val.insert(0, "mean", val.mean(axis=1))
    val = val.sort_values("mean", ascending=False)
    lines = [[str(way), *(f"{area:.3f}" for area in areas)] for way, areas in val.iterrows()]
    areas = markdown_table(["score", *val], lines)
    text = f"Area under the ROC curve on {(table['split'] == 'val').sum()} images in `val`:\n\n{areas}"
    if options.report:
        rate = f"nominal false-positive rate of {in_percent(LEVEL)}"
        text += f"\n\nResults on `test` at a {rate}:\n\n{report(table, scores, at_view, options.report)}"
    publish_about(predictor, "large_pictures", text, options.write)


if __name__ == "__main__":
    sys.exit(main())

"""Draw two figures of docs/ideas.md: ``python -m lab.scripts.idea_pictures``.

One shows a packaged photograph under several transformations, the other shows results of the reference run. The other
figures on the page are not generated.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

mpl.use("agg")  # no display

import matplotlib.pyplot as plt
import pandas as pd

from lab.devtools.commands import svg_of
from probing_core.corpora import open_corpus
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.transforms import CATALOG, cut_pair, generator, prepare_source

OUT = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SHOWN = ("gaussian-blur", "gaussian-noise", "jpeg", "hue-shift", "border", "rotate", "fog", "style-16")
SIDE, GAP, LABEL = 168, 12, 24
LABELS = (
    ("timm:tf_efficientnet_lite0", (6, 4), "left"),
    ("baseline/handcrafted", (-6, 6), "right"),
    ("baseline/pixels", (6, 4), "left"),
    ("baseline/random-vit", (-6, -8), "right"),
    ("zoo/mae", (7, -3), "left"),
    ("zoo/supervised", (-6, 6), "right"),
)
"""Labeled models: name, offset of the label in points, and horizontal alignment."""

BLUE, GRAY = "#0072b2", "#6b7280"


def main() -> None:
    transformations().save(OUT / "transformations.webp", quality=82)
    (OUT / "substance.svg").write_text(substance(Run.open(reference_run())), encoding="utf-8")


def transformations() -> Image.Image:
    """Draw a clean photograph, and the photograph under the transformations `SHOWN` at the strongest strength."""
    corpus = open_corpus("photos")
    source = prepare_source(corpus.load("chelsea/00"), SIDE)
    tiles = []
    for name in ("identity", *SHOWN):
        transform = CATALOG.get(name)
        _, changed = cut_pair(source, SIDE, transform, transform.strongest, generator(0, "chelsea", name))
        tiles.append((name, Image.fromarray(changed)))
    columns, font = 5, ImageFont.load_default(size=14)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) - GAP, rows * (SIDE + LABEL + GAP) - GAP), "white")
    for i, (name, tile) in enumerate(tiles):
        x, y = i % columns * (SIDE + GAP), i // columns * (SIDE + LABEL + GAP)
        sheet.paste(tile, (x, y))
        ImageDraw.Draw(sheet).text((x, y + SIDE + 4), name, fill="#1f2933", font=font)
    return sheet


def substance(run: Run) -> str:
    """Draw a scatter plot of content accuracy against transformation accuracy, one point per model, as an SVG."""

    def score(task: str, subset: str) -> pd.Series:
        rows = run.scores.query("task == @task and subset == @subset and measure == 'balanced-accuracy'")
        return 100 * rows.set_index("model")["value"]

    scores = pd.DataFrame({"fine": score("fine", "all"), "content": score("content", "seen")}).dropna()
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    of_zoo = scores.index.str.startswith("zoo/")
    for chosen, color, name in (
        (of_zoo, BLUE, "zoo encoders"),
        (~of_zoo, GRAY, "baselines and EfficientNet-Lite0"),
    ):
        axes.scatter(scores["fine"][chosen], scores["content"][chosen], color=color, label=name)
    for model, offset, side in LABELS:
        if model in scores.index:
            at = scores.loc[model, "fine"], scores.loc[model, "content"]
            axes.annotate(model.split(":")[-1], at, offset, textcoords="offset points", ha=side, fontsize=9)
    axes.set(xlabel="transformation accuracy (%)", ylabel="content accuracy (%)", xlim=(0, 100), ylim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    return svg_of(figure, "ideas")


if __name__ == "__main__":
    main()

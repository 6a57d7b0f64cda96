"""The pictures of docs/ideas.md: ``python -m lab.scripts.idea_pictures``.

A packaged photograph under some transformations, two sketches of the protocol, and what the reference run measured.
"""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

mpl.use("agg")  # no display

import matplotlib.pyplot as plt
import pandas as pd

from probing_core.corpora import open_corpus
from probing_core.paths import reference_run
from probing_core.results import Run
from probing_core.transforms import CATALOG, GROUPS, bank, cut_pair, generator, prepare_source

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
"""Models that the chart names, and where: offset in points, and which end of the text is there."""

BLUE, GRAY = "#0072b2", "#6b7280"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    transformations().save(OUT / "transformations.webp", quality=82)
    (OUT / "protocol.svg").write_text(protocol(), encoding="utf-8")
    (OUT / "rotations.svg").write_text(rotations(), encoding="utf-8")
    (OUT / "substance.svg").write_text(substance(Run.open(reference_run())), encoding="utf-8")


def transformations() -> Image.Image:
    """Draw a photograph untouched and under `SHOWN`, each at its strongest, with names."""
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


def protocol() -> str:
    """Draw boxes from the photograph to the answer."""
    steps = (
        ("photograph", "one of thousands"),
        ("transformation", "one of 31"),
        ("model", "frozen"),
        ("embedding", "a vector"),
        ("probe", "a linear classifier"),
        ("answer", "“blur”"),
    )
    width, height, gap = 132, 64, 26
    parts = []
    for i, (title, note) in enumerate(steps):
        x = i * (width + gap)
        parts.append(_box(x, 10, width, height, title, note, filled=title == "probe"))
        if i:
            parts.append(
                f'<path d="M{x - gap + 3} 42h{gap - 10}m-6 -5l6 5l-6 5" fill="none" stroke="{GRAY}" stroke-width="2"/>'
            )
    return _svg(len(steps) * (width + gap) - gap, height + 20, parts)


def rotations() -> str:
    """Draw groups by rotations: which member is tested unseen."""
    groups = [group for group in GROUPS if group != "identity"][:4]
    parts, width, height = [], 132, 30
    for rotation in range(3):
        top = rotation * 64
        parts.append(_text(0, top + 33, f"rotation {rotation}", "start", weight="bold"))
        for g, group in enumerate(groups):
            members = [t for t in bank() if t.group == group]
            for m, member in enumerate(members):
                unseen = member.unseen_in == rotation
                x = 96 + g * (width * 3 + 24) // 2 + m * 66
                parts.append(
                    f'<rect x="{x}" y="{top + 12}" width="62" height="{height}" rx="4" '
                    f'fill="{"white" if unseen else BLUE}" stroke="{BLUE}" '
                    f"{'stroke-dasharray=' + chr(34) + '4 3' + chr(34) if unseen else ''}/>"
                )
                parts.append(_text(x + 31, top + 32, "test" if unseen else "learn", color=BLUE if unseen else "white"))
            if rotation == 0:
                parts.append(_text(96 + g * (width * 3 + 24) // 2 + 97, 6, group))
    return _svg(96 + 4 * (width * 3 + 24) // 2, 3 * 64, parts, top=-14)


def _box(x: int, y: int, width: int, height: int, title: str, note: str, filled: bool) -> str:
    ink = "white" if filled else "#1f2933"
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{BLUE if filled else "#f1f4f8"}" '
        f'stroke="{BLUE}"/>'
        + _text(x + width // 2, y + 28, title, color=ink, weight="bold")
        + _text(x + width // 2, y + 47, note, color=ink, size=10)
    )


def _text(
    x: int, y: int, text: str, anchor: str = "middle", color: str = "#1f2933", weight: str = "normal", size: int = 12
) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}" font-weight="{weight}" font-size="{size}">'
        f"{escape(text)}</text>"
    )


def _svg(width: int, height: int, parts: list[str], top: int = 0) -> str:
    box = f"{-8} {top - 4} {width + 16} {height - top + 8}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif">'
    back = f'<rect x="-8" y="{top - 4}" width="{width + 16}" height="{height - top + 8}" fill="white"/>'
    return "\n".join([head, back, *parts, "</svg>\n"])


def substance(run: Run) -> str:
    """Draw content accuracy against transformation accuracy of every model, as an SVG."""

    def score(task: str, subset: str) -> pd.Series:
        rows = run.scores.query("task == @task and subset == @subset and measure == 'balanced-accuracy'")
        return 100 * rows.set_index("model")["value"]

    both = pd.DataFrame({"fine": score("fine", "all"), "content": score("content", "seen")}).dropna()
    mpl.rcParams["svg.hashsalt"] = "ideas"  # the same bytes every time
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    own = both.index.str.startswith("zoo/")
    for chosen, color, name in ((own, BLUE, "encoders of the zoo"), (~own, GRAY, "baselines and EfficientNet-Lite0")):
        axes.scatter(both["fine"][chosen], both["content"][chosen], color=color, label=name)
    for model, offset, side in LABELS:
        if model in both.index:
            at = both.loc[model, "fine"], both.loc[model, "content"]
            axes.annotate(model.split(":")[-1], at, offset, textcoords="offset points", ha=side, fontsize=9)
    axes.set(xlabel="transformation named right, %", ylabel="content named right, %", xlim=(0, 100), ylim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


if __name__ == "__main__":
    main()

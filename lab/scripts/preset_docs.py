"""Writes the tables and the pictures of docs/protocols.md, from the presets: ``python -m lab.scripts.preset_docs``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from lab.devtools.commands import put
from probing_core.corpora import open_corpus
from probing_core.transforms import PRESETS, Image, Preset, Transform, cut_pair, generator, prepare_source

ROOT = Path(__file__).resolve().parents[2]
PAGE, PICTURES = ROOT / "docs" / "protocols.md", ROOT / "docs" / "pictures"
BEGIN = "<!-- generated: python -m lab.scripts.preset_docs {} -->"

SHOWN = "coffee/00"
"""The packaged photograph of the pictures."""

SIDE, GAP, LABEL = 112, 4, 18
BLOCKS = 2
"""Operations that stand side by side in a picture."""

AMPLIFIED = 8
"""By how much the differences are multiplied of operations that hardly show."""


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for preset in wholes():
        page = put(page, BEGIN.format(preset.name), table(preset))
        sheet(preset).save(picture_of(preset), quality=70, method=6)
    PAGE.write_text(page, encoding="utf-8")


def wholes() -> list[Preset]:
    """The presets without their parts."""
    return [preset for preset in PRESETS if "/" not in preset.name]


def picture_of(preset: Preset) -> Path:
    return PICTURES / f"{preset.name}.webp"


def table(preset: Preset) -> str:
    """Return what the page says of ``preset`` and its operations, as Markdown."""
    parts = [one for one in PRESETS if one.name.startswith(f"{preset.name}/")]
    names = {t.name: [one.name.partition("/")[2] for one in parts if t in one.transforms] for t in preset.transforms}
    rows = [
        f"| {t.name.partition('/')[2]} | {', '.join(names[t.name])} | {t.group} | {t.definition} | {t.library} |"
        for t in preset.transforms
    ]
    facts = f"Source: {preset.source}. {preset.license}"
    head = ["| operation | part | group | definition and parameters | library |", "|" + " --- |" * 5]
    return "\n".join([facts, "", *head, *rows])


def sheet(preset: Preset) -> PilImage.Image:
    """Return a picture of all operations: at every severity, or where there is one alone beside its difference."""
    source = prepare_source(open_corpus("photos").load(SHOWN), SIDE)
    strips = [_strip(source, transform) for transform in preset.transforms]
    width, height = strips[0][1].shape[1] + GAP * 3, SIDE + LABEL + GAP
    rows = -(-len(strips) // BLOCKS)
    made = PilImage.new("RGB", (BLOCKS * width, rows * height), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(size=12)
    for index, (name, strip) in enumerate(strips):
        left, top = index // rows * width, index % rows * height
        draw.text((left, top + 2), name, fill="#1f2933", font=font)
        made.paste(PilImage.fromarray(strip), (left, top + LABEL))
    return made


def _strip(source: Image, transform: Transform) -> tuple[str, Image]:
    name = transform.name.partition("/")[2]
    tiles = []
    for severity in range(1, int(transform.strongest) + 1):
        before, after = cut_pair(source, SIDE, transform, severity, generator(0, SHOWN, transform.name))
        tiles.append(after)
    if len(tiles) == 1:
        name = f"{name}, difference x {AMPLIFIED}"
        tiles.append(cv2.convertScaleAbs(cv2.absdiff(before, after), alpha=AMPLIFIED))
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    return name, np.hstack([part for tile in tiles for part in (tile, gap)])


if __name__ == "__main__":
    main()

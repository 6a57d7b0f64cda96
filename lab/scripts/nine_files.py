"""Nine files that a visitor may bring: ``python -m lab.scripts.nine_files FOLDER``.

A packaged photograph untouched, blurred by 3 px, as a JPEG of quality 10, turned by 15°, with a caption, with an alpha
channel and in 12 megapixels; a drawn screenshot; and a text called .jpg. For each, what the command, the scan and the
pages say must be the same, and no word may contradict its number.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lab.devtools.commands import parser_of
from probing_core.corpora import open_corpus

PHOTOGRAPH = "chelsea/15"
NO_PICTURE = "text.jpg"


def make(folder: Path) -> list[Path]:
    """Write the nine files into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    photograph = Image.fromarray(open_corpus("photos").load(PHOTOGRAPH))
    captioned = photograph.copy()
    width, height = captioned.size
    ImageDraw.Draw(captioned).text(
        (width // 10, height * 3 // 4), "SUMMER", "white", ImageFont.load_default(height // 6)
    )
    transparent = photograph.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(photograph.size))
    pictures = {
        "untouched.png": photograph,
        "blurred.png": photograph.filter(ImageFilter.GaussianBlur(3)),
        "turned.png": photograph.rotate(15, Image.Resampling.BICUBIC),
        "caption.png": captioned,
        "screenshot.png": screenshot(),
        "alpha.png": transparent,
    }
    for name, picture in pictures.items():
        picture.save(folder / name)
    photograph.save(folder / "jpeg.jpg", quality=10)
    photograph.resize((4000, 3000), Image.Resampling.LANCZOS).save(folder / "large.jpg", quality=95)
    (folder / NO_PICTURE).write_text("This is no picture.")
    return sorted(folder.iterdir())


def screenshot() -> Image.Image:
    """Return a drawn window with lines of text."""
    picture = Image.fromarray(np.full((600, 800, 3), 250, np.uint8))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    draw.rectangle((0, 0, 800, 40), fill="#2b5c8a")
    for line in range(16):
        draw.text((40, 70 + 32 * line), "Every second evening, and not on the leaves.", fill="#334", font=font)
    return picture


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    for path in make(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    sys.exit(main())

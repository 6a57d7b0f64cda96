"""Answers of the detector for well-known unedited photographs: ``python -m lab.evidence.known_photographs RUN
[--write]``.

The photographs are the color photographs included in scikit-image: the originals, after JPEG compression, at half size,
and divided into quarters that are treated as separate images. Compression and resizing preserve the content of a
photograph, and a quarter preserves its compression.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import skimage
from PIL import Image as Pillow

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from lab.evidence._detector import publish_about
from probing_core import Predictor
from probing_core.answers.answer import Answer
from probing_core.answers.answer_sentences import edit_of
from probing_core.answers.reference_sets import LEVEL
from probing_core.compute.task_names import DETECTOR
from probing_core.images import read_image
from probing_core.transforms.transformation import Image

FOLDER = Path(skimage.__file__).parent / "data"
FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")
QUALITY = 95


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path, help="run with a detector")
    options = parser.parse_args()
    predictor = Predictor(options.run)
    publish_about(predictor, "known_photographs", table(predictor), options.write)


def table(predictor: Predictor) -> str:
    """Return a Markdown table of p-values, with the predicted edit if an image is flagged."""
    head = [
        "photograph",
        "p-value, original",
        "tiles classified as identity",
        f"p-value, JPEG quality {QUALITY}",
        "p-value, half size",
    ]
    lines = []
    for name in FILES:
        image = read_image(FOLDER / name)
        quarters = _answers(predictor, quarters_of(image))
        flagged = sum(_is_flagged(quarter) for quarter in quarters)
        cells = [_in_words(answer) for answer in _answers(predictor, [image, stored(image), halved(image)])]
        cells.insert(1, _tiles_untouched(predictor, image))
        lines.append([f"`{name}`", *cells, f"{flagged} of {len(quarters)}"])
    return markdown_table([*head, "flagged quarters"], lines)


def _answers(predictor: Predictor, images: list[Image]) -> list[Answer]:
    return predictor.ask(DETECTOR, predictor.cut(images))


def _is_flagged(answer: Answer) -> bool:
    return answer.evidence is not None and answer.evidence.p is not None and answer.evidence.p <= LEVEL


def _tiles_untouched(predictor: Predictor, image: Image) -> str:
    prediction = predictor.ask(DETECTOR, predictor.cut([image]))[0].prediction
    named = prediction.crop_probabilities[1:].argmax(axis=1)
    return f"{sum(prediction.groups[i] == 'identity' for i in named)} of {len(named)}"


def _in_words(answer: Answer) -> str:
    edit = edit_of(answer.classes())
    named = f", {edit.group} ({edit.transform})" if _is_flagged(answer) else ""
    return "" if answer.evidence is None else f"{answer.evidence.p:.3f}{named}"


def stored(image: Image) -> Image:
    """Return ``image`` after JPEG compression."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=QUALITY)
    return np.asarray(Pillow.open(file))


def halved(image: Image) -> Image:
    """Return ``image`` at half its width and height."""
    height, width = image.shape[:2]
    return np.asarray(Pillow.fromarray(image).resize((width // 2, height // 2), Pillow.Resampling.LANCZOS))


def quarters_of(image: Image) -> list[Image]:
    """Return the upper left, upper right, lower left and lower right quarters of ``image``."""
    y, x = image.shape[0] // 2, image.shape[1] // 2
    return [np.ascontiguousarray(part) for half in (image[:y], image[y:]) for part in (half[:, :x], half[:, x:])]


if __name__ == "__main__":
    sys.exit(main())

"""Comparison of the detector with CleanVision 0.3.7: ``python -m lab.evidence.beside_cleanvision RUN CORPUS``.

Photographs in the ``test`` split are saved as PNG: the originals, and versions that OpenCV blurs, darkens, lightens or
desaturates at three strengths each. CleanVision, in a separate environment, checks the files for the four corresponding
issues at its default thresholds, and `probing scan` computes an answer for every file. Prints a Markdown table.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, uv_run
from lab.evidence._detector import publish_about
from probing_core import Predictor
from probing_core.answers.answer import FOUND
from probing_core.api.scan import scan
from probing_core.corpora import open_corpus
from probing_core.images import encode_png
from probing_core.measures.notation import in_percent
from probing_core.transforms.transformation import Image

ISSUES = Path(__file__).with_name("cleanvision_issues.py")
PHOTOGRAPHS = 60


def blurred(image: Image, strength: float) -> Image:
    return cv2.GaussianBlur(image, (0, 0), strength * min(image.shape[:2]) / 128)


def scaled(image: Image, strength: float) -> Image:
    return np.clip(np.rint(image * strength), 0, 255).astype(np.uint8)


def grayed(image: Image, strength: float) -> Image:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.rint((1 - strength) * image + strength * gray).astype(np.uint8)


WAYS: dict[str, tuple[Callable[[Image, float], Image], tuple[float, ...], str, str, str]] = {
    "blur": (blurred, (0.7, 1.5, 3.0), "sigma {} px at a size of 128 px", "blurry", "blur"),
    "dark": (scaled, (0.6, 0.35, 0.15), "factor {}", "dark", "tone"),
    "light": (scaled, (1.4, 1.8, 2.4), "factor {}", "light", "tone"),
    "gray": (grayed, (0.4, 0.7, 1.0), "{:.0%} desaturated", "grayscale", "color"),
}
"""Edit -> function, strengths, format of a strength, CleanVision's issue, and group of the bank."""


def make_folder(corpus_name: str, folder: Path) -> None:
    """Write the originals and edited images as files called ``EDIT-STRENGTH-PHOTOGRAPH.png``."""
    corpus = open_corpus(corpus_name)
    ids = corpus.rows.loc[(corpus.rows["split"] == "test") & corpus.rows["color"], "image_id"][:PHOTOGRAPHS]
    for i, image_id in enumerate(ids):
        image = corpus.load(image_id)
        images = {"untouched-0": image}
        images |= {f"{way}-{s}": make(image, s) for way, (make, strengths, *_) in WAYS.items() for s in strengths}
        for name, picture in images.items():
            (folder / f"{name}-{i:03d}.png").write_bytes(encode_png(picture))


def issues_of(folder: Path) -> dict[str, list[str]]:
    """Return the issues that CleanVision reports for each file."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "issues.json"
        uv_run(ISSUES, folder, out)
        return json.loads(out.read_text(encoding="utf-8"))


def table(verdicts: pd.DataFrame, issues: dict[str, list[str]]) -> str:
    """Return a Markdown table of the percentages of files with each edit and strength that the tools report."""
    parts = verdicts["path"].str.split("-", expand=True)
    rows = verdicts.assign(way=parts[0], strength=parts[1], issues=verdicts["path"].map(issues))
    untouched = rows[rows["way"] == "untouched"]
    flagged, altered = untouched["issues"].map(len) > 0, untouched["answer"].isin(FOUND)
    lines = [["none", "", f"{in_percent(flagged.mean())} (any of the four issues)", in_percent(altered.mean()), ""]]
    for way, (_, strengths, unit, issue, group) in WAYS.items():
        for strength in strengths:
            files = rows[(rows["way"] == way) & (rows["strength"] == str(strength))]
            has_issue = files["issues"].map(lambda names, issue=issue: issue in names)
            named = files[files["answer"].isin(FOUND)]
            right = in_percent((named["group"] == group).mean()) if len(named) else ""
            share = files["answer"].isin(FOUND).mean()
            lines.append([way, unit.format(strength), in_percent(has_issue.mean()), in_percent(share), right])
    head = [
        "edit",
        "strength",
        "reported by CleanVision",
        "classified as edited by the detector",
        "correct group, if classified as edited",
    ]
    return markdown_table(head, lines)


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/detector.md")
    parser.add_argument("run", type=Path, help="run with a detector")
    parser.add_argument("corpus", metavar="CORPUS", help="corpus with a test split")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "pictures", Path(place) / "scan"
        folder.mkdir()
        make_folder(options.corpus, folder)
        scan(folder, out, options.run)
        text = table(pd.read_parquet(out / "verdicts.parquet"), issues_of(folder))
        publish_about(Predictor(options.run), "beside_cleanvision", text, options.write)


if __name__ == "__main__":
    sys.exit(main())

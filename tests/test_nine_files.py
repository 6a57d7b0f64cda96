"""Nine files that a visitor may bring: command, scan and pages say the same, and no word contradicts its number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dashboard.widgets import answer_cards
from probing_core import Predictor
from probing_core.answers.answer import answer_word
from probing_core.api.scan import scan
from probing_core.cli import main
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.images import read_image
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.paths import reference_run

pytestmark = pytest.mark.slow

MODELS = (DETECTOR, "baseline/handcrafted", "zoo/mae")
NO_PICTURE = "text.jpg"


def make(folder: Path) -> list[Path]:
    """A photograph untouched, blurred, as a JPEG of quality 10, turned by 15 degrees, with a caption, with an alpha
    channel and in 12 megapixels; a drawn screenshot; and a text that is called .jpg."""
    folder.mkdir(parents=True)
    photograph = Image.fromarray(open_corpus("photos").load("chelsea/15"))
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
    picture = Image.fromarray(np.full((600, 800, 3), 250, np.uint8))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    draw.rectangle((0, 0, 800, 40), fill="#2b5c8a")
    for line in range(16):
        draw.text((40, 70 + 32 * line), "Every second evening, and not on the leaves.", fill="#334", font=font)
    return picture


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make(tmp_path_factory.mktemp("nine") / "files")


@pytest.fixture(scope="module")
def rows(files):
    pictures = {path.name: read_image(path) for path in files if path.name != NO_PICTURE}
    return Predictor().predict(list(pictures.values()), models=MODELS, names=list(pictures))


def test_no_answer_contradicts_itself(rows):
    assert len(rows) == 8 * len(MODELS)
    for row in rows:
        is_flat = row["image"] == "screenshot.png"
        assert row["answer"] == answer_word(row["edited"], is_flat)
        assert row["edited"] is None or not is_flat
        assert sum(one["probability"] for one in row["classes"]) == pytest.approx(0 if is_flat else 1)
        assert "identity" not in {one["class"] for one in row["classes"]}
        if row["model"] != DETECTOR:
            continue
        assert 0 < row["verdict"]["p"] <= 1
        assert answer_cards.line_of(row, "").answer.startswith(row["answer"])


def test_the_card_says_what_python_says(rows, files):
    predictor = Predictor()
    for row in rows:
        if row["model"] == DETECTOR:
            image = read_image(files[0].parent / row["image"])
            (answer,) = predictor.ask(DETECTOR, predictor.cut([image]))
            words = answer_cards.headline(answer).lower()
            assert words.startswith("**this may not" if row["image"] == "screenshot.png" else f"**{row['answer']}")


def test_the_scan_says_what_the_card_says(rows, files, tmp_path):
    found = scan(files[0].parent, tmp_path / "scan", reference_run())
    table = pd.read_csv(tmp_path / "scan" / "verdicts.csv").set_index("path")
    assert table["answer"].drop(NO_PICTURE).to_dict() == {
        row["image"]: row["answer"] for row in rows if row["model"] == DETECTOR
    }
    assert table.at["screenshot.png", "answer"] == PERHAPS_NO_PHOTOGRAPH
    assert table.at[NO_PICTURE, "answer"] == "unreadable"
    assert {name for name, flags in table["flags"].dropna().items() if PERHAPS_NO_PHOTOGRAPH in flags} == {
        "screenshot.png"
    }
    assert "looks blurred" in table.at["blurred.png", "flags"]
    assert len(found.errors) == 1
    page = (tmp_path / "scan" / "index.html").read_text()
    assert all(f">{answer}" in page for answer in set(table["answer"]))


def test_the_command_says_what_python_says_and_goes_on_past_a_text(rows, files, capsys):
    models = ",".join(MODELS[1:])
    assert main(["predict", *map(str, files), "--models", models, "--json"]) == 2
    out, err = capsys.readouterr()
    assert err.count("error:") == 1
    assert NO_PICTURE in err
    told = {(row["image"].rpartition("/")[2], row["model"]): row for row in json.loads(out)}
    for row in rows:
        if row["model"] != DETECTOR:
            mine = told[row["image"], row["model"]]
            assert mine["answer"] == row["answer"]
            assert mine["edited"] == pytest.approx(row["edited"], abs=1e-3)

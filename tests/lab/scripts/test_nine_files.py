"""What is said of nine files is the same everywhere, and contradicts itself nowhere."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dashboard.widgets import answers
from lab.scripts.nine_files import NO_PICTURE, make
from probing_core import Predictor
from probing_core.api.scan import scan
from probing_core.cli import main
from probing_core.compute.live import ALTERED, RATHER_ALTERED, word
from probing_core.compute.names import DETECTOR
from probing_core.images import read_image
from probing_core.images.quality import PERHAPS_NO_PHOTOGRAPH
from probing_core.paths import reference_run

pytestmark = pytest.mark.slow

MODELS = (DETECTOR, "baseline/handcrafted", "zoo/mae")
FOUND = (ALTERED, RATHER_ALTERED)


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
        assert sum(one["probability"] for one in row["classes"]) == pytest.approx(1)
        assert "identity" not in {one["class"] for one in row["classes"]}
        assert row["answer"] == word(row["altered"])
        if row["model"] != DETECTOR:
            continue
        verdict = row["verdict"]
        assert verdict["alarms"] == (row["answer"] in FOUND) == (verdict["p"] <= verdict["level"])
        assert (verdict["group"] is not None) == verdict["alarms"]
        line = answers.answer(row, (), 0.0)
        assert line.lower().startswith(f"**{row['answer']}")
        assert answers.line_of(row, "", 0.0).verdict == row["answer"]


def test_the_scan_says_what_the_card_says(rows, files, tmp_path):
    found = scan(files[0].parent, tmp_path / "scan", reference_run())
    table = pd.read_csv(tmp_path / "scan" / "verdicts.csv").set_index("path")
    assert table["verdict"].drop(NO_PICTURE).to_dict() == {
        row["image"]: row["answer"] for row in rows if row["model"] == DETECTOR
    } | {"screenshot.png": PERHAPS_NO_PHOTOGRAPH}
    assert table.at[NO_PICTURE, "verdict"] == "unreadable"
    assert {name for name, flags in table["flags"].dropna().items() if PERHAPS_NO_PHOTOGRAPH in flags} == {
        "screenshot.png"
    }
    assert "looks blurred" in table.at["blurred.png", "flags"]
    assert len(found.errors) == 1
    page = (tmp_path / "scan" / "index.html").read_text()
    assert all(f">{answer}<" in page for answer in set(table["verdict"]))


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
            assert mine["altered"] == pytest.approx(row["altered"], abs=1e-3)

"""A run that version 0.1.0 made, before the code moved: it opens, verifies, predicts and goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from probing_core import Predictor, Run
from probing_core.cli import main
from probing_core.images import read_image
from probing_core.runs.store import Store

pytestmark = pytest.mark.slow

MADE = Path(__file__).resolve().parents[1] / "data" / "run-of-0.1.0"
COMMAND = (
    "run --out run --corpus folder:pictures --view 32 --models baseline/handcrafted "
    "--transforms brighten,gaussian-blur,jpeg,gaussian-noise,posterize,rotate --seed 0"
)


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A copy; the recipe names its corpus relative to the folder that holds both."""
    shutil.copytree(MADE, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy" / "run"


def content(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files if "log" not in path.parts}


def test_the_same_command_computes_nothing(run, capsys):
    before = content(run)
    assert main(COMMAND.split()) == 0
    assert content(run) == before
    assert Store(run).damage() == []


def test_opening_and_predicting_write_nothing_and_give_what_they_gave(run):
    before = content(run)
    opened = Run.open(run)
    assert list(opened.models["name"]) == ["baseline/handcrafted"]
    assert len(opened.scores) > 0
    name = "pictures/even/00.jpg"
    rows = Predictor(opened, device="cpu").predict([read_image(Path(name))], task="fine")
    expected = json.loads((MADE / "predict.json").read_text())
    got = {row["class"]: row["probability"] for row in rows}
    assert got == pytest.approx({row["class"]: row["probability"] for row in expected}, abs=1e-3)
    assert content(run) == before


@pytest.mark.usefixtures("few_pixels")
def test_a_further_model_joins(run):
    before = content(run)
    assert main([*COMMAND.replace("baseline/handcrafted", "baseline/pixels").split()]) == 0
    after = content(run)
    assert list(Run.open(run).models["name"]) == ["baseline/handcrafted", "baseline/pixels"]
    mine = {name for name in before if name.startswith("models/baseline-handcrafted/") or name == "samples.parquet"}
    assert {name: after[name] for name in mine} == {name: before[name] for name in mine}
    assert Store(run).damage() == []

"""Thresholds for duplicates in a folder, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.spatial.distance import pdist

import probing_core
from probing_core.api import duplicates as module
from probing_core.api.duplicates import Duplicates
from probing_core.cli import main
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.errors import BadConfig
from probing_core.models import load_embedder
from probing_core.transforms import bank
from tests.conftest import scene

COUNT = 30
RATE = 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with different photographs, a mirrored copy, a JPEG copy, and a broken file."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(COUNT):
        Pillow.fromarray(scene(i, 48)).save(folder / f"{i:02d}.png")
    Pillow.fromarray(np.ascontiguousarray(scene(3, 48)[:, ::-1])).save(folder / "mirrored.png")
    Pillow.fromarray(scene(5, 48)).save(folder / "saved.jpg", quality=60)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def result(folder) -> Duplicates:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EDITED_PHOTOGRAPHS", 8)
        return probing_core.duplicates(folder, models=["baseline/pixels"], rate=RATE)


def test_near_duplicates_are_listed_and_do_not_count(result, folder):
    assert result.near_duplicates == (("03.png", "mirrored.png"), ("05.png", "saved.jpg"))
    assert (result.found, result.images, result.photographs) == (COUNT + 3, COUNT + 2, COUNT)
    assert [error.partition(":")[0] for error in result.errors] == ["broken.png"]
    pairs = (COUNT + 2) * (COUNT + 1) // 2 - 2
    assert set(result.table["pairs"]) == {pairs}


def test_hash_threshold_is_the_distance_at_which_few_pairs_match(result, folder):
    paths = [path for path in sorted(folder.iterdir()) if path.name not in ("broken.png", "mirrored.png", "saved.jpg")]
    hashes = load_embedder("baseline/phash").embed([np.asarray(Pillow.open(path)) for path in paths])
    distances = pdist(hashes, "cityblock")
    (entry,) = [entry for entry in result.thresholds if entry.model == "baseline/phash"]
    # The copies that the folder holds are in further pairs, which may shift the threshold by one step.
    assert (distances <= entry.max_bits).mean() <= RATE * 1.2
    assert (distances <= entry.max_bits + 4).mean() >= RATE * 0.8
    assert entry.threshold.low <= entry.threshold.value <= entry.threshold.high


def test_recall_has_every_edit(result):
    edits = {transform.name for transform in bank()} - {"identity"} | {"all", *FRAMING_EDITS}
    recall = result.recall
    assert set(recall["edit"]) == edits
    assert recall["recall"].between(0, 1).all()
    of_hash = recall[recall["model"] == "baseline/phash"].set_index("edit")["recall"]
    assert of_hash["jpeg"] == of_hash["half-size"] == 1
    assert of_hash["quarter-turn"] < 0.5
    of_bank = of_hash.drop(["all", *FRAMING_EDITS])
    assert of_hash["all"] == pytest.approx(of_bank.mean())


def test_the_low_rate_requires_enough_pairs(folder, monkeypatch):
    monkeypatch.setattr(module, "EDITED_PHOTOGRAPHS", 2)
    monkeypatch.setattr(module, "LOW_RATE", 0.025)
    images = [cv2.resize(scene(i, 48), (32, 32)) for i in range(COUNT)]
    rates = probing_core.duplicates(images, rate=RATE).table["rate"]
    assert rates.tolist() == [RATE, RATE, 0.025, 0.025]
    monkeypatch.setattr(module, "EXPECTED_MATCHES", 11)
    assert set(probing_core.duplicates(images, rate=RATE).table["rate"]) == {RATE}


@pytest.mark.parametrize(("count", "rate", "message"), [(12, RATE, "at least 20"), (COUNT, 1.0, "between 0 and 1")])
def test_too_few_photographs_and_impossible_rates_are_refused(count, rate, message):
    with pytest.raises(BadConfig, match=message):
        probing_core.duplicates([scene(i, 32) for i in range(count)], rate=rate)


@pytest.mark.parametrize("images", [scene(0, 32), None, "~nobody-has-this-name", "a\0b", "a" * 5000, ["~nobody/x"]])
def test_what_is_no_collection_is_refused(images):
    with pytest.raises(BadConfig):
        probing_core.duplicates(images)


def test_duplicates_prints_one_json_object_and_unreadable_files(folder, capsys, monkeypatch):
    monkeypatch.setattr(module, "EDITED_PHOTOGRAPHS", 2)
    assert main(["duplicates", str(folder), "--rate", str(RATE), "--json"]) == 2
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert {row["model"] for row in content["thresholds"]} == {"baseline/phash", "baseline/dhash"}
    assert len(content["near_duplicates"]) == 2
    assert "broken.png" in printed.err
    assert main(["duplicates", str(folder / "nowhere")]) == 2


def test_the_text_names_thresholds_and_copies(result):
    text = str(result)
    assert "mirrored.png" in text
    assert "bits differ" in text
    assert "Half size" in text

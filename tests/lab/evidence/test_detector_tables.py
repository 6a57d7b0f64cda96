"""What makes the tables of docs/detector.md, on made ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lab.evidence import beside_cleanvision, detector, detector_foreign, false_discoveries, scan_kills, scan_shards
from lab.evidence._detector import share
from probing_core.answers.reference_sets import Edits, ReferenceSet, ReferenceSets


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines() if line.startswith("|")]


def scored(photographs: int, power: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    base = [f"p{i}" for i in range(photographs)]
    untouched = pd.DataFrame({"base_id": base, "group": "identity", "score": rng.normal(size=photographs)})
    altered = pd.DataFrame({"base_id": base, "group": "blur", "score": rng.normal(power, 1, photographs)})
    return pd.concat([untouched, altered], ignore_index=True)


@pytest.mark.parametrize("photographs", [3000, 1200])  # the second: folders are drawn with repetition
def test_finds_in_folders_are_false_as_often_as_meant(photographs):
    drawn = false_discoveries.simulate(scored(photographs, 5.0), redraws=60)
    assert drawn["rate"].mean() <= 0.1 + 2 * drawn["rate"].std() / np.sqrt(60)
    assert drawn["power"].mean() > 0.6
    assert false_discoveries.simulate(scored(photographs, 0.0), redraws=20)["power"].mean() < 0.05


def test_errors_are_shown_by_source_and_small_sources_pooled():
    def rows(source: str, count: int, alarms: int) -> pd.DataFrame:
        names = [f"{source}/{i}" for i in range(count)]
        score = np.where(np.arange(count) < alarms, 2.0, 0.0)
        return pd.DataFrame({"image_id": names, "base_id": names, "score": score})

    table = pd.concat([rows("large", 100, 20), rows("a", 40, 4), rows("b", 40, 0)]).assign(
        role="report", transform="identity", group="identity", maker="as it is", size="view", no_color=False
    )
    reference = ReferenceSet(np.linspace(-1, 1, 199), None, Edits(table[:0]), None)
    lines = detector.errors(table, ReferenceSets({"view": reference}), "view")
    found = {line[0]: (line[2], line[3].split(" (")[0]) for line in lines}
    assert found["large"] == ("100", "20.0%")
    assert found["other sources"] == ("80", "5.0%")
    assert found["all sources, with color"] == ("180", "13.3%")


def test_errors_are_shown_where_a_source_calibrates_itself():
    def rows(source: str, role: str, count: int, shift: float) -> pd.DataFrame:
        names = [f"{source}/{role}{i}" for i in range(count)]
        score = np.arange(count) / count + shift
        return pd.DataFrame({"image_id": names, "base_id": names, "score": score, "role": role})

    parts = [rows("harmless", role, 200, 0.0) for role in ("calibrate", "report")]
    parts += [rows("alarming", role, 200, 5.0) for role in ("calibrate", "report")]
    parts += [rows("too few calibrate", "calibrate", 99, 0.0), rows("too few calibrate", "report", 200, 0.0)]
    parts += [rows("too few reported", "calibrate", 200, 0.0), rows("too few reported", "report", 89, 0.0)]
    table = pd.concat(parts).assign(transform="identity", maker="as it is", size="view", no_color=False)
    lines = {line[0]: line[1:] for line in detector.errors_by_own(table)}
    assert {name: line[:2] for name, line in lines.items()} == {
        "harmless": ["200", "200"],
        "alarming": ["200", "200"],
    }
    assert all(line[2].startswith("4.5% (") for line in lines.values())  # itself among those as high


def test_operations_of_a_foreign_library_have_their_shares():
    rows = [("p", "blur", "blur", "view", alarms, "blur", False) for alarms in (True, False)]
    rows += [("p", "fog", "weather", "view", True, "tone", False) for _ in range(2)]
    rows += [(f"p{i}", "untouched", "identity", "view", False, None, i == 0) for i in range(8)]
    columns = ["photograph", "operation", "group", "size", "alarms", "found", "no_color"]
    text = detector_foreign.table(pd.DataFrame(rows, columns=columns))
    assert text.startswith("Clean images not classified as edited: 7 of 7, 100%")
    lines = {line[0]: line for line in cells(text)}
    assert lines["blur"][2:] == ["50%", "100%"]
    assert lines["fog"][2:] == ["100%", "0%"]
    assert lines["**mean**"][2:] == ["**75%**", "**33%**"], "one of three that alarm has the right group"


def test_cleanvision_and_the_detector_stand_side_by_side():
    paths = ["untouched-0-000.png", "blur-0.7-000.png", "blur-3.0-000.png", "dark-0.15-000.png"]
    verdicts = pd.DataFrame(
        {"path": paths, "answer": ["no edit detected", "inconclusive", "edited", "probably edited"]}
    )
    verdicts["group"] = ["", "", "blur", "noise"]
    unreadable = pd.DataFrame({"path": ["untouched-0-001.png"], "answer": ["unreadable"], "group": [""]})
    verdicts = pd.concat([verdicts, unreadable], ignore_index=True)
    issues = {
        paths[0]: ["dark"],
        "untouched-0-001.png": ["dark"],
        paths[1]: [],
        paths[2]: ["blurry"],
        paths[3]: ["light"],
    }
    some = {"blur": (0.7, 3.0), "dark": (0.15,)}
    ways = {name: (way[0], some[name], *way[2:]) for name, way in beside_cleanvision.WAYS.items() if name in some}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside_cleanvision, "WAYS", ways)
        lines = cells(beside_cleanvision.table(verdicts, issues))
    assert lines[2][2:4] == ["100% (any of the four issues)", "0%"]
    assert lines[3][2:4] == ["0%", "0%"]
    assert lines[4][2:] == ["100%", "100%", "100%"]
    assert lines[5][2:] == ["0%", "100%", "0%"]


def test_a_share_has_an_interval_over_photographs():
    hits = np.array([True] * 30 + [False] * 10)
    found = share(hits, np.arange(40))
    assert found.value == pytest.approx(0.75)
    assert 0.5 < found.low < 0.75 < found.high < 0.95


def test_scans_are_compared_by_all_but_addresses_and_logs(tmp_path):
    for name, address, text in (("a", "x", "same"), ("b", "y", "same"), ("c", "z", "other")):
        (tmp_path / name / "log").mkdir(parents=True)
        (tmp_path / name / "log" / "progress.json").write_text(name)
        (tmp_path / name / "index.html").write_text(f'<a href="{address}">{text}</a>')
    first, second, third = (scan_kills.contents(tmp_path / name) for name in "abc")
    assert first == second != third
    assert list(first) == ["index.html"]
    assert len(list(scan_kills.make_folder(tmp_path / "made", 3).rglob("*.jpg"))) == 3
    shards = sorted(scan_shards.write_shards(tmp_path / "shards", 5, 2).glob("*.parquet"))
    assert [pq.read_metadata(path).num_rows for path in shards] == [3, 2]

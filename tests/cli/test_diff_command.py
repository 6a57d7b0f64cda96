from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image as Pillow

from probing_core.cli import main
from tests.diffs.photographs import photographs


@pytest.fixture
def folders(tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    for i, image in enumerate(photographs()[:3]):
        Pillow.fromarray(image).save(tmp_path / f"before/{i}.png")
        Pillow.fromarray(image).save(tmp_path / f"after/{i}.jpg", quality=45)
    return tmp_path


def test_diff_prints_one_json_object(folders, capsys):
    assert main(["diff", str(folders / "before"), str(folders / "after"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"pairs", "summary"}
    summary = result["summary"]
    required = {"named", "edits", "unexplained", "equal_files", "equal_pixels", "changed", "unmatched", "models"}
    assert required <= set(summary)
    assert summary["changed"] == len(result["pairs"]) == 3
    (edit,) = summary["edits"]
    assert {"name", "strength", "low", "high", "unit"} <= set(edit)
    assert (edit["name"], edit["strength"]) == ("jpeg", 45)


def test_diff_writes_a_report_and_keeps_other_files(folders, capsys):
    names = [str(folders / "before"), str(folders / "after"), "--out"]
    (folders / "before/<b>&.png").write_bytes((folders / "before/0.png").read_bytes())
    (folders / "after/<b>&.png").write_bytes((folders / "before/0.png").read_bytes())
    assert main(["diff", *names, str(folders / "report")]) == 0
    page = (folders / "report/index.html").read_text("utf-8")
    assert "&lt;b&gt;&amp;.png" in page
    assert "<b>" not in page
    assert page.count("data:image/webp") == 12
    table = pd.read_parquet(folders / "report/pairs.parquet")
    assert sorted(table["name"]) == ["0.png", "1.png", "2.png", "<b>&.png"]
    assert len(pd.read_csv(folders / "report/pairs.csv")) == 4
    assert main(["diff", *names, str(folders / "report")]) == 0
    assert main(["diff", *names, str(folders / "before")]) == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("condition", "code"),
    [("changed", 1), ("unexplained", 0), ("recall<0.5", 0), ("found<1.1", 1), ("recall", 2)],
)
def test_fail_if_sets_the_exit_code(condition, code, folders):
    assert main(["diff", str(folders / "before"), str(folders / "after"), "--fail-if", condition]) == code


def test_unreadable_files_are_errors(folders, capsys):
    (folders / "after/1.jpg").write_bytes(b"")
    assert main(["diff", str(folders / "before"), str(folders / "after")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1
    assert "JPEG" in captured.out

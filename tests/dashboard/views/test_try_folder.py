"""The tab A folder of Try your images: what it asks for, and what it shows of a scan."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.data.pictures import address_of
from dashboard.jobs import scans
from dashboard.views import try_folder
from probing_core.api.scan import MARK
from probing_core.api.scan_results import PLACES_KEY, PROMISE_KEY, TABLE_FILE, VERDICT_COLUMNS
from probing_core.errors import BadRun
from probing_core.run.layout import DETECTOR_FILE, RECIPE
from tests.dashboard.app_reading import label, lines_of_pictures, texts, unescaped


def write(out: Path, rows: pd.DataFrame, places: bytes = b"[[], []]") -> None:
    table = pa.Table.from_pandas(rows, preserve_index=False)
    pq.write_table(
        table.replace_schema_metadata({PROMISE_KEY: b"no rate is promised", PLACES_KEY: places}), out / TABLE_FILE
    )


@pytest.fixture
def holiday(data_folder: Path) -> Path:
    """A scan of three pictures, as the command leaves it."""
    out = data_folder / "scans" / "holiday"
    (out / "log").mkdir(parents=True)
    about = {"stage": "scan", "done": 3, "total": 3, "left_s": 0.0, "message": "done", "state": "done"}
    (out / "log" / "progress.json").write_text(json.dumps(about))
    rows = pd.DataFrame([dict.fromkeys(VERDICT_COLUMNS)] * 3).assign(
        path=["a.png", "b.png", "c.png"], p=[0.5, 0.01, 0.7], n=99
    )
    found = {"class": ["", "gaussian-blur", ""], "group": ["", "blur", ""], "edited": [0.05, 0.95, 0.02]}
    found |= {name: [None, 0.9, None] for name in ("group_probability", "class_probability")}
    answers = ["no edit detected", "edited", "no edit detected"]
    write(out, rows.assign(answer=answers, no_color=False, q=float("nan"), **found))
    (out / "index.html").write_text("the page")
    return out


def test_without_a_detector_it_says_what_makes_one(open_app, data_folder):
    app = open_app("Try your images", part="folder")
    assert not app.exception
    assert "Detectors are trained in runs with calibration photographs" in unescaped(app)
    assert not app.text_input


def test_a_complete_scan_shows_its_counts_and_the_least_likely_first(open_app, holiday):
    app = open_app("Try your images", part="folder", show_scan_holiday="True")
    assert not app.exception
    assert "**holiday** — complete" in unescaped(app)
    assert "1 edited, 2 no edit detected" in unescaped(app)
    assert "no rate is promised" in unescaped(app)
    assert [line[1:] for line in lines_of_pictures(app)] == [
        ["b.png", "", "edited (95%)", "Blur, Gaussian blur", "0.010 (0 of 99)"],
        ["a.png", "", "no edit detected (probability of an edit: 5%)", "", "0.500 (49 of 99)"],
        ["c.png", "", "no edit detected (probability of an edit: 2%)", "", "0.700 (69 of 99)"],
    ]


def test_of_what_is_perhaps_no_photograph_nothing_else_is_said(open_app, holiday):
    flags = ["", "may not be a photograph; looks blurred", ""]
    answers = ["no edit detected", "may not be a photograph", "no edit detected"]
    write(holiday, pd.read_parquet(holiday / TABLE_FILE).assign(flags=flags, q=0.03, answer=answers))
    app = open_app("Try your images", part="folder", show_scan_holiday="True")
    assert "2 no edit detected, 1 may not be a photograph" in unescaped(app)
    first, *_, last = lines_of_pictures(app)
    assert first[3:] == ["no edit detected (probability of an edit: 5%)", "", "0.500 (49 of 99)", "3.0%"]
    assert last[2:] == ["looks blurred", "may not be a photograph", "", "", ""]


def test_of_a_large_scan_the_least_likely_are_shown_and_the_files_have_all(open_app, holiday):
    rows = pd.read_parquet(holiday / TABLE_FILE)
    many = pd.concat([rows] * (try_folder.SHOWN // 3 + 1))
    write(holiday, many)
    app = open_app("Try your images", part="folder", show_scan_holiday="True")
    assert len(lines_of_pictures(app)) == try_folder.SHOWN
    assert f"Showing the first {try_folder.SHOWN} of {len(many):,}" in texts(app)


def test_why_a_file_cannot_be_read_stands_where_flags_do_as_on_the_page_of_the_scan(open_app, holiday):
    rows = pd.read_parquet(holiday / TABLE_FILE)
    rows = rows.assign(p=[0.5, None, 0.7], error=["", "b.png is text", ""], flags=["looks blurred", "", ""])
    write(holiday, rows.assign(answer=["no edit detected", "unreadable", "no edit detected"]))
    shown = lines_of_pictures(open_app("Try your images", part="folder", show_scan_holiday="True"))
    assert [remark for _, _, remark, *_ in shown] == ["looks blurred", "", "b.png is text"]
    assert shown[2][-1] == ""


def test_the_results_of_a_scan_that_ends_while_it_is_watched_are_open(open_app, holiday):
    progress = holiday / "log" / "progress.json"
    done, me = progress.read_text(), psutil.Process()
    progress.write_text(json.dumps(json.loads(done) | {"state": "running", "pid": me.pid, "born": me.create_time()}))
    app = open_app("Try your images", part="folder")
    assert lines_of_pictures(app) == []
    progress.write_text(done)
    assert [name for _, name, *_ in lines_of_pictures(app.run())] == ["b.png", "a.png", "c.png"]
    assert lines_of_pictures(open_app("Try your images", part="folder")) == [], "nobody has watched it"


def test_rows_have_their_thumbnails_whatever_their_order(open_app, holiday):
    shown = lines_of_pictures(open_app("Try your images", part="folder", show_scan_holiday="True"))
    assert [address for address, *_ in shown] == [""] * 3, "it has no chunks"
    chunks = holiday / "chunks"
    chunks.mkdir()
    pq.write_table(pa.table({"thumbnail": [b"a", b"b"]}), chunks / "one.parquet")
    pq.write_table(pa.table({"thumbnail": pa.array([None], pa.binary())}), chunks / "two.parquet")
    write(holiday, pd.read_parquet(holiday / TABLE_FILE), b'[["one.parquet", "two.parquet"], [2, 1]]')
    os.utime(holiday / TABLE_FILE, ns=(1, 1))
    shown = lines_of_pictures(open_app("Try your images", part="folder", show_scan_holiday="True"))
    assert [name for _, name, *_ in shown] == ["b.png", "a.png", "c.png"]
    assert [address for address, *_ in shown] == [address_of(b"b", "webp"), address_of(b"a", "webp"), ""]


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/pictures", "x" * 5000])
def test_a_folder_that_cannot_be_one_is_refused_in_a_sentence(open_app, data_folder, folder):
    run = data_folder / "runs" / "able"
    for file in (RECIPE, DETECTOR_FILE):
        (run / file).parent.mkdir(parents=True, exist_ok=True)
        (run / file).write_text("")
    app = open_app("Try your images", part="folder")
    app.text_input(key="scan-folder").set_value(folder).run()
    assert not app.exception
    app.button(key="scan-start").click().run()
    assert not app.exception
    assert "cannot be used as a path" in unescaped(app)
    assert not (data_folder / "scans").exists()


def test_a_scan_that_was_cancelled_is_resumed_with_what_it_was_asked_for(open_app, holiday, tmp_path, monkeypatch):
    asked = (tmp_path / "pictures", tmp_path / "run", tmp_path / "trusted")
    work = []
    monkeypatch.setattr("dashboard.jobs.processes.begin", lambda what, out, command: work.append((out, command)))
    scans.start(holiday, *asked)
    report = json.loads((holiday / "log" / "progress.json").read_text())
    for state, offered in (("done", []), ("failed", ["Resume"]), ("cancelled", ["Resume"])):
        (holiday / "log" / "progress.json").write_text(json.dumps(report | {"state": state}))
        app = open_app("Try your images", part="folder")
        assert [button.label for button in app.button if button.label == "Resume"] == offered
    label(app, "button", "Resume").click().run()
    assert not app.exception
    assert [out for out, _ in work] == [holiday, holiday]
    assert work[0] == work[1], "the same folder goes on with the same command"
    assert {str(path) for path in asked} <= set(work[1][1])


def test_a_scan_that_no_page_has_started_is_not_resumed_by_one(open_app, holiday):
    report = json.loads((holiday / "log" / "progress.json").read_text())
    (holiday / "log" / "progress.json").write_text(json.dumps(report | {"state": "cancelled"}))
    for note in (
        None,
        "{",
        "[]",
        '{"folder": 1, "run": "r"}',
        '{"folder": "f"}',
        '{"folder": "f", "run": "r", "x": 1}',
    ):
        if note is not None:
            (holiday / scans.REQUEST).write_text(note)
        assert scans.read_request(holiday) is None
    app = open_app("Try your images", part="folder")
    assert not app.exception
    assert "Resume" not in [button.label for button in app.button]
    with pytest.raises(BadRun, match="settings of the scan"):
        scans.resume(holiday)


@pytest.mark.parametrize("state", ["cancelled", "done"])
def test_a_scan_is_removed_after_a_question_and_its_pictures_stay(open_app, holiday, tmp_path, state):
    picture = tmp_path / "pictures" / "a.png"
    picture.parent.mkdir()
    picture.write_bytes(b"mine")
    (holiday / scans.REQUEST).write_text(json.dumps({"folder": str(picture.parent), "run": str(tmp_path / "run")}))
    (holiday / MARK).touch()
    report = json.loads((holiday / "log" / "progress.json").read_text())
    (holiday / "log" / "progress.json").write_text(json.dumps(report | {"state": state}))
    app = open_app("Try your images", part="folder")
    assert "Delete the results of **holiday**? The scanned images will not be deleted." in texts(app)
    app.button(key=next(b.key for b in app.button if str(b.key).startswith("remove-now-"))).click().run()
    assert not app.exception
    assert not holiday.exists()
    assert picture.read_bytes() == b"mine"
    assert "holiday" not in unescaped(app)


def test_a_scan_is_named_after_its_folder(open_app, data_folder, detecting_run, tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr("dashboard.jobs.scans.start", lambda out, *asked: begun.append(out.name))
    pictures = tmp_path / "my holiday, 2024"
    pictures.mkdir()
    app = open_app("Try your images", part="folder", run=detecting_run)
    app.text_input(key="scan-folder").set_value(str(pictures)).run()
    app.button(key="scan-start").click().run()
    assert not app.exception
    (data_folder / "scans" / "my-holiday-2024").mkdir(parents=True)
    app.button(key="scan-start").click().run()
    app.text_input(key="scan-folder").set_value("/").run()
    app.button(key="scan-start").click().run()
    assert begun == ["my-holiday-2024", "my-holiday-2024-2", "scan"]


def test_a_scan_that_cannot_be_is_refused_at_the_press_and_nothing_is_written(
    open_app, detecting_run, tmp_path, monkeypatch
):
    monkeypatch.setattr("dashboard.jobs.scans.start", lambda *asked: pytest.fail("it was started"))
    for folder, clean, why in (
        ("", "", "Enter the path of the folder"),
        ("/no/such/folder", "", "The folder '/no/such/folder' does not exist"),
        (str(tmp_path), "/no/such/folder", "The folder '/no/such/folder' does not exist"),
    ):
        app = open_app("Try your images", part="folder", run=detecting_run)
        for key, text in (("scan-folder", folder), ("scan-clean", clean)):
            app.text_input(key=key).set_value(text)
        assert why not in unescaped(app.run()), "not while one types"
        app.button(key="scan-start").click().run()
        assert not app.exception
        assert why in unescaped(app)


def test_a_scan_under_way_is_not_removed(holiday):
    report = json.loads((holiday / "log" / "progress.json").read_text())
    me = psutil.Process()
    now = {"state": "running", "pid": me.pid, "born": me.create_time()}
    (holiday / "log" / "progress.json").write_text(json.dumps(report | now))
    with pytest.raises(BadRun, match="is running"):
        scans.remove(holiday)
    assert holiday.is_dir()


def test_files_without_color_are_listed_apart(open_app, holiday):
    write(holiday, pd.read_parquet(holiday / TABLE_FILE).assign(no_color=[False, True, False]))
    app = open_app("Try your images", part="folder", show_scan_holiday="True")
    assert not app.exception
    assert [name for _, name, *_ in lines_of_pictures(app)] == ["a.png", "c.png", "b.png"]
    assert "not with original grayscale photographs" in unescaped(app)
    answers = [line[3] for line in lines_of_pictures(app)]
    assert ["apart from color" in answer for answer in answers] == [False, False, True]

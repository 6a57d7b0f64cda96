"""The "A folder" tab: scans of folders on the server machine, computed by background processes."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.data.pictures import scan_thumbnails
from dashboard.jobs import processes, scans
from dashboard.text import plain
from dashboard.widgets import access, answer_cards, computations, messages, pickers, tables
from probing_core.answers.answer_sentences import ABOUT_P
from probing_core.api.scan_results import (
    ABOUT_GRAY,
    ABOUT_LIST,
    FILE_ANSWERS,
    TABLE_FILE,
    cells_of,
    listed,
    promise_of,
    read_verdicts,
)
from probing_core.errors import BadConfig
from probing_core.paths import flaw_of_name, runs_dir, user_path
from probing_core.results import RunPlace
from probing_core.run.layout import DETECTOR_FILE, PROGRESS
from probing_core.run.progress import Report

MAX_LETTERS = 50
SHOWN = 100
"""Maximum number of images that the page shows for a scan. Downloads contain all images."""

WHOLE = 12
"""Maximum number of images in a table without scrolling."""

HEIGHT = 800
"""Height in pixels of a table with scrolling."""

READ = [
    *("path", "edited", "answer", "group", "group_probability", "class", "class_probability"),
    *("p", "q", "n", "no_color", "flags", "error"),
]
"""Columns in the table of a scan that the page shows or offers for download."""


def show() -> None:
    st.markdown(
        "Detect which images in a folder were edited, and how. The folder must be on the machine that runs the "
        "dashboard. Its files are not changed."
    )
    if not access.ask("Scanning a folder"):
        return
    able = [place for place in cache.places() if (place.path / DETECTOR_FILE).is_file()]
    # The scans are redrawn every two seconds, so their position must not depend on the number of elements in the form.
    form, results = st.container(), st.container()
    with form:
        if able:
            _form(able)
        else:
            messages.empty(
                "No run has a detector. Detectors are trained in runs with calibration photographs, such as the "
                "reference run."
            )
    with results:
        _scans()


def scans_dir() -> Path:
    return runs_dir().parent / "scans"


@messages.guarded
def _form(able: list[RunPlace]) -> None:
    left, right = st.columns(2)
    folder = left.text_input("Folder", key="scan-folder", placeholder="/home/me/pictures").strip()
    clean = right.text_input(
        "Clean images (optional)",
        key="scan-clean",
        placeholder="a folder of unedited images from the same source",
        help="Clean images are used to calibrate the answers. At least 100 are required for a false-positive rate of "
        "5%, and 500 for a false discovery rate; without clean images, these rates are unknown.",
    ).strip()
    runs = {place.name: place.path for place in able}
    run = runs[pickers.select("Run with the detector", "scan-run", list(runs), where=left)]
    if st.button("Start", key="scan-start", type="primary", icon=":material/play_arrow:"):
        pictures, trusted = _existing(folder), _existing(clean) if clean else None
        scans.start(_unused(pictures), pictures, run, trusted)


def _existing(folder: str) -> Path:
    """Return the path of the folder that the visitor entered.

    Raises:
        NotAllowed: the visitor has no permission.
        BadConfig: the field is empty, or the folder does not exist.
    """
    rights.require("Selecting a folder")
    if not folder:
        raise BadConfig("Enter the path of the folder to scan.")
    path = user_path(folder).absolute()
    if not path.is_dir():
        raise BadConfig(f"The folder '{folder}' does not exist on this computer. Check the path.")
    return path


def _unused(pictures: Path) -> Path:
    """Return an unused output folder for a scan, named after the scanned folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", pictures.name).strip("-._")[:MAX_LETTERS] or "scan"
    name = f"scan-{name}" if flaw_of_name(name) else name  # Windows reserves some names
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(out for out in map(scans_dir().joinpath, names) if not out.exists())


def _scans() -> None:
    """Show all scans. Only running scans are redrawn periodically, because redrawing a table interrupts downloads."""
    reports = _reports()
    ended = {out: report for out, report in reports.items() if not computations.is_running(report)}
    _under_way({out: _status(report) for out, report in ended.items()})
    for out, report in ended.items():
        _scan(out, report)


@st.fragment(run_every=2.0)
def _under_way(ended: dict[Path, str]) -> None:
    reports = _reports()
    if {out: _status(report) for out, report in reports.items() if not computations.is_running(report)} != ended:
        st.rerun()
    for out, report in reports.items():
        if computations.is_running(report):
            st.session_state[_watched(out)] = True
            _scan(out, report)


def _reports() -> dict[Path, Report | None]:
    folder = scans_dir()
    folders = sorted(path for path in folder.iterdir() if (path / PROGRESS).is_file()) if folder.is_dir() else []
    return {out: processes.report_of(out) for out in folders}


@messages.guarded
def _scan(out: Path, report: Report | None) -> None:
    with st.container(border=True, key=f"scan-of-{out.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(out.name)}** — {_status(report)}", width="stretch")
            ended = report is not None and report.state == "done"
            computations.controls(
                f"scan-{out.name}",
                out,
                report,
                None if ended or not scans.read_request(out) else lambda: scans.resume(out),
                lambda: scans.remove(out),
                loss=f"Delete the results of **{plain(out.name)}**? The scanned images will not be deleted.",
            )
        if ended:
            _results(out)


def _watched(out: Path) -> str:
    return f"_watched-scan-{out.name}"


def _results(out: Path) -> None:
    rights.require("Reading the results of a scan")
    if st.session_state.pop(_watched(out), False):
        state.choose(f"show-scan-{out.name}", True)
    if not (box := pickers.fold("Results", f"show-scan-{out.name}")):
        return
    with box:
        table, promise = read_verdicts(out, READ), promise_of(out)
        counts = table["answer"].value_counts().reindex(FILE_ANSWERS).dropna()
        st.markdown(", ".join(f"{count:,.0f} {answer}" for answer, count in counts.items()))
        st.caption(f"{plain(promise)} {ABOUT_LIST}", help=ABOUT_P)
        table = listed(table)
        gray = table["no_color"].astype(bool) & (table["p"].notna())
        for name, note, rows in (("", "", table[~gray]), ("Images without color", ABOUT_GRAY, table[gray])):
            if rows.empty:
                continue
            if name:
                st.subheader(name)
                st.caption(note)
            with st.container(height="content" if len(rows) <= WHOLE else HEIGHT, border=len(rows) > WHOLE):
                st.html(answer_cards.images_table(_lines(out, rows.head(SHOWN))))
            if len(rows) > SHOWN:
                st.caption(f"Showing the first {SHOWN} of {len(rows):,} images. The downloads contain all images.")
        tables.download(table, f"scan-table-{out.name}")
        page_file = out / "index.html"
        label, name = "Download HTML page with thumbnails", f"{out.name}.html"
        tables.download_file(page_file.read_bytes, f"scan-page-{out.name}", label, name, "text/html")


def _lines(out: Path, table: pd.DataFrame) -> list[answer_cards.Line]:
    texts = ["group", "class", "flags", "error"]
    rows = table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
    thumbnails = scan_thumbnails(out, (out / TABLE_FILE).stat().st_mtime_ns, tuple(table.index))
    return [
        answer_cards.Line(thumbnail, name=row["path"], **cells_of(row))
        for thumbnail, row in zip(thumbnails, rows, strict=True)
    ]


def _status(report: Report | None) -> str:
    return computations.status(report, "complete" if report else "not started")

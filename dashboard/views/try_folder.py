"""Scan: a verdict on every picture of a folder of this computer, computed in a background process."""

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
from dashboard.widgets import access, answers, computations, messages, pickers, tables
from probing_core.api.scan import (
    ABOUT_P,
    TABLE,
    VERDICTS,
    discoveries_in_words,
    promise_of,
    remark_of,
    said_of_row,
    verdicts_in_words,
)
from probing_core.errors import BadConfig, ProbingError, one_line
from probing_core.paths import runs_dir, user_path
from probing_core.results import RunPlace
from probing_core.run.layout import DETECTOR_FILE, PROGRESS
from probing_core.run.progress import Report

MAX_LETTERS = 50
SHOWN = 100
"""Most pictures that the table of a scan shows; the files that it offers have all."""

WHOLE = 12
"""Most pictures that are shown without scrolling."""

HEIGHT = 800
"""Height in pixels of a table that scrolls."""

READ = ["path", "verdict", "group", "group_probability", "class", "class_probability", "p", "n", "q", "flags", "error"]
"""Columns of a scan's table that are read and downloaded."""


def show() -> None:
    st.markdown(
        "Which pictures of a folder were altered, and how: every picture gets a verdict, the most conspicuous come "
        "first. The folder is one of the computer that runs the dashboard, and nothing in it is changed."
    )
    if not access.ask("Scanning a folder"):
        return
    able = [place for place in cache.places() if (place.path / DETECTOR_FILE).is_file()]
    # The scans are drawn again at their place every two seconds, however many elements the form has by then.
    form, found = st.container(), st.container()
    with form:
        if able:
            _form(able)
        else:
            messages.empty("No run here has a detector of alterations; runs made with `--calibrate-on` have one.")
    with found:
        _scans()


def scans_dir() -> Path:
    return runs_dir().parent / "scans"


@messages.guarded
def _form(able: list[RunPlace]) -> None:
    left, right = st.columns(2)
    folder = left.text_input("Folder", key="scan-folder", placeholder="/home/me/pictures").strip()
    clean = right.text_input(
        "Pictures that you trust (optional)",
        key="scan-clean",
        placeholder="a folder of untouched pictures of the same source",
        help="They calibrate the verdicts: 100 or more for a rate of false alarms of 5 %, 500 or more for a false "
        "discovery rate. Without them the rate of false alarms is not known.",
    ).strip()
    runs = {place.name: place.path for place in able}
    run = runs[pickers.select("Detector of the run", "scan-run", list(runs), where=left)]
    if st.button("Start", key="scan-start", type="primary", icon=":material/play_arrow:"):
        pictures, trusted = _existing(folder), _existing(clean) if clean else None
        scans.start(_unused(pictures), pictures, run, trusted)


def _existing(folder: str) -> Path:
    """Return the path of a folder that a visitor names.

    Raises:
        NotAllowed: the visitor has no rights.
        BadConfig: there is no such folder.
    """
    rights.require("Naming a folder")
    if not folder:
        raise BadConfig("Enter the folder whose pictures are to be scanned.")
    path = user_path(folder).absolute()
    if not path.is_dir():
        raise BadConfig(f"There is no folder '{folder}' on this computer; check the path.")
    return path


def _unused(pictures: Path) -> Path:
    """Return the folder of a new scan, named after that of its pictures; a second one has a number."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", pictures.name).strip("-._")[:MAX_LETTERS] or "scan"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(out for out in map(scans_dir().joinpath, names) if not out.exists())


def _scans() -> None:
    """Show all scans; only running ones are redrawn, since a table that is redrawn cannot be downloaded."""
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
    begun = sorted(path for path in folder.iterdir() if (path / PROGRESS).is_file()) if folder.is_dir() else []
    return {out: processes.report_of(out) for out in begun}


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
                loss=f"What the scan **{plain(out.name)}** found is removed. The pictures that it read stay where they "
                "are.",
            )
        if ended:
            _results(out)


def _watched(out: Path) -> str:
    return f"_watched-scan-{out.name}"


def _results(out: Path) -> None:
    rights.require("Reading what a scan has found")
    if st.session_state.pop(_watched(out), False):
        state.choose(f"show-scan-{out.name}", True)
    if not (box := pickers.fold("Results", f"show-scan-{out.name}")):
        return
    with box:
        try:
            table, promise = pd.read_parquet(out / TABLE, columns=READ), promise_of(out)
        except (OSError, ValueError) as error:  # damaged Parquet is a ValueError
            raise ProbingError(
                f"The results of the scan '{out.name}' cannot be read ({one_line(error)}); remove its folder, "
                f"'{out}', and scan again."
            ) from error
        table["verdict"] = verdicts_in_words(table)
        table["verdict"] = pd.Categorical(table["verdict"], VERDICTS)
        counts = table["verdict"].value_counts(sort=False)
        st.markdown(", ".join(f"{count:,} {verdict}" for verdict, count in counts.items() if count))
        st.caption(plain(promise), help=ABOUT_P)
        table = table.sort_values(["verdict", "p"], na_position="last")
        with st.container(height="content" if len(table) <= WHOLE else HEIGHT, border=len(table) > WHOLE):
            st.html(answers.pictures_table(_lines(out, table.head(SHOWN))))
        if len(table) > SHOWN:
            st.caption(f"The first {SHOWN}, from altered to untouched; the files below have all {len(table):,}.")
        tables.download(table, f"scan-table-{out.name}")
        page_file = out / "index.html"
        label, name = "The page with thumbnails", f"{out.name}.html"
        tables.download_file(page_file.read_bytes, f"scan-page-{out.name}", label, name, "text/html")


def _lines(out: Path, table: pd.DataFrame) -> list[answers.Line]:
    texts = ["group", "class", "flags", "error"]
    rows = table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
    found = scan_thumbnails(out, (out / TABLE).stat().st_mtime_ns, tuple(table.index))
    return [
        answers.Line(thumbnail, row["path"], remark_of(row), *said, discoveries_in_words(row["q"], said))
        for thumbnail, row, said in zip(found, rows, map(said_of_row, rows), strict=True)
    ]


def _status(report: Report | None) -> str:
    return computations.status(report, "complete" if report else "not begun")

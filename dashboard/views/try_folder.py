"""Scan: a verdict on every picture of a folder of this computer, computed in a background process."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path, PurePath

import pandas as pd
import streamlit as st

from dashboard import rights, state
from dashboard.data import cache, examples, predictions
from dashboard.data.pictures import scan_thumbnails
from dashboard.jobs import processes, scans
from dashboard.page import fragment
from dashboard.text import plain
from dashboard.widgets import access, answers, asking, messages, pickers, tables
from probing_core.api.scan import (
    ABOUT_P,
    TABLE,
    discoveries_in_words,
    promise_of,
    said_of_row,
    verdicts_in_words,
)
from probing_core.compute.names import DETECTOR
from probing_core.errors import BadConfig, ProbingError, one_line
from probing_core.images.quality import flatness
from probing_core.paths import runs_dir, user_path
from probing_core.results import RunPlace
from probing_core.run.layout import DETECTOR_FILE, PROGRESS
from probing_core.run.progress import Report

UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")
MAX_LETTERS = 50
SHOWN = 100
"""Most pictures that the table of a scan shows; the files that it offers have all."""

WHOLE = 12
"""Most pictures that are shown without scrolling."""

HEIGHT = 800
"""Height in pixels of a table that scrolls."""

LOADING = '<p class="awaited">The detector is being loaded, and answers here.</p>'

READ = ["path", "verdict", "group", "group_probability", "class", "class_probability", "p", "n", "q", "flags", "error"]
"""Columns of a scan's table that are read and downloaded."""


def show() -> None:
    st.markdown(
        "Which pictures of a folder were altered, and how: every picture gets a verdict. The folder is one of the "
        "computer that runs the dashboard, and nothing in it is changed."
    )
    able = [place for place in cache.places() if (place.path / DETECTOR_FILE).is_file()]
    allowed = access.ask("Scanning a folder")
    # The scans are drawn again at their place every two seconds, however many elements the form has by then.
    form, scans = st.container(), st.container()
    with form:
        if not able:
            messages.empty("No run here has a detector of alterations; runs made with `--calibrate-on` have one.")
        elif allowed:
            _form(able)
    if allowed:
        with scans:
            _scans()
    if able:
        _sample(able)


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
        "discovery rate. Without them no rate is promised.",
    ).strip()
    proposed = _name_from(folder)
    name = left.text_input(
        "Name of the scan",
        key="scan-name",
        placeholder=proposed or "that of the folder",
        max_chars=60,
        help="Without one it is that of the folder.",
    )
    name = name or proposed
    names = [place.name for place in able]
    run = able[names.index(pickers.select("Detector of the run", "scan-run", names, where=right))]
    if st.button("Start", key="scan-start", type="primary", icon=":material/play_arrow:"):
        pictures, trusted = _existing(folder), _existing(clean) if clean else None
        scans.start(_free(name), pictures, run.path, trusted)


def _free(name: str) -> Path:
    """Return the folder of a new scan.

    Raises:
        BadConfig: no scan can have this name, or one has it.
    """
    if not processes.NAME.fullmatch(name):
        raise BadConfig("Give the scan a name of letters, digits, dots, dashes and underscores.")
    if (scans_dir() / name).exists():
        raise BadConfig(f"There is a scan '{name}' already; choose another name, or remove that one below.")
    return scans_dir() / name


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


def _name_from(folder: str) -> str:
    words = UNUSABLE.sub("-", PurePath(folder).name).strip("-._")[:MAX_LETTERS] if folder else ""
    number = next(n for n in count(1) if not (scans_dir() / _numbered(words, n)).exists()) if words else 1
    return _numbered(words, number) if words else ""


def _numbered(words: str, number: int) -> str:
    return words if number == 1 else f"{words}-{number}"


@fragment
def _sample(able: list[RunPlace]) -> None:
    st.header("What comes out, for six examples", help=ABOUT_P)
    chosen = state.stored_choice("scan-run")
    run = cache.open_run(next((place.path for place in able if place.name == chosen), able[0].path))
    place = st.empty()
    thumbnails = {name: examples.thumbnail(name, answers.THUMBNAIL) for name in examples.NAMES}
    awaited = answers.pictures_table([answers.Line(thumbnail, name) for name, thumbnail in thumbnails.items()])
    place.html(awaited)
    for _ in predictions.loading(run, DETECTOR):
        place.html(awaited + LOADING)
    crops = {name: predictions.crops_of(run, examples.example(name)) for name in thumbnails}
    lines = [
        answers.line_of(row, thumbnails[row["image"]], flatness(examples.example(row["image"]).image))
        for row in asking.rows(run, [DETECTOR], crops)
    ]
    place.html(answers.pictures_table(lines))


def _scans() -> None:
    """Show all scans; only running ones are redrawn, since a table that is redrawn cannot be downloaded."""
    reports = _reports()
    ended = {out: report for out, report in reports.items() if not _is_running(report)}
    _under_way({out: _status(report) for out, report in ended.items()})
    for out, report in ended.items():
        _scan(out, report)


@st.fragment(run_every=2.0)
def _under_way(ended: dict[Path, str]) -> None:
    reports = _reports()
    if {out: _status(report) for out, report in reports.items() if not _is_running(report)} != ended:
        st.rerun()
    for out, report in reports.items():
        if _is_running(report):
            st.session_state[_watched(out)] = True
            _scan(out, report)


def _reports() -> dict[Path, Report | None]:
    folder = scans_dir()
    begun = sorted(path for path in folder.iterdir() if (path / PROGRESS).is_file()) if folder.is_dir() else []
    return {out: processes.report_of(out) for out in begun}


def _is_running(report: Report | None) -> bool:
    return report is not None and report.state == "running"


@messages.guarded
def _scan(out: Path, report: Report | None) -> None:
    with st.container(border=True, key=f"scan-of-{out.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(out.name)}** — {_status(report)}", width="stretch")
            _control(out, report)
        if report and report.state == "done":
            _results(out)


def _control(out: Path, report: Report | None) -> None:
    if _is_running(report):
        if st.button("Cancel", key=f"cancel-scan-{out.name}"):
            processes.cancel(out)
        return
    unfinished = (report is None or report.state != "done") and scans.read_request(out)
    if unfinished and st.button("Resume", key=f"resume-scan-{out.name}"):
        scans.resume(out)
    about = f"What the scan **{plain(out.name)}** found is removed. The pictures that it read stay where they are."
    access.offer_removal(f"scan-{out.name}", about, lambda: scans.remove(out))


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
        counts = table["verdict"].value_counts()
        st.markdown(", ".join(f"{count:,} {plain(str(verdict))}" for verdict, count in counts.items()))
        st.caption(plain(promise), help=ABOUT_P)
        table = table.sort_values("p", na_position="last")
        with st.container(height="content" if len(table) <= WHOLE else HEIGHT, border=len(table) > WHOLE):
            st.html(answers.pictures_table(_lines(out, table.head(SHOWN))))
        if len(table) > SHOWN:
            st.caption(
                f"The {SHOWN} that are least like untouched photographs; the files below have all {len(table):,}."
            )
        tables.download(table, f"scan-table-{out.name}")
        page_file = out / "index.html"
        label, name = "The page with thumbnails", f"{out.name}.html"
        tables.download_file(page_file.read_bytes, f"scan-page-{out.name}", label, name, "text/html")


def _lines(out: Path, table: pd.DataFrame) -> list[answers.Line]:
    texts = ["group", "class", "flags", "error"]
    rows = table.assign(**{name: table[name].fillna("") for name in texts}).to_dict("records")
    found = scan_thumbnails(out, (out / TABLE).stat().st_mtime_ns, tuple(table.index))
    return [
        answers.Line(thumbnail, row["path"], row["error"] or row["flags"], *said, discoveries_in_words(row["q"], said))
        for thumbnail, row, said in zip(found, rows, map(said_of_row, rows), strict=True)
    ]


def _status(report: Report | None) -> str:
    if report is None:
        return "not begun"
    if report.state == "running":
        return plain(report.so_far)
    if report.state == "failed":
        return f"stopped: {plain(report.error)}"
    return "complete" if report.state == "done" else report.state

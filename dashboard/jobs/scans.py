"""Scans that the page Scan starts, goes on with and removes.

What a scan was asked for stands in its folder, in `ASKED`. All but reading that raises `NotAllowed` where the visitor
has no rights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dashboard import rights
from dashboard.jobs import worker
from probing_core.errors import BadRun
from probing_core.runs.layout import LOG
from probing_core.runs.store import write_atomically

ASKED = f"{LOG}/scan.json"


@dataclass(frozen=True)
class Asked:
    """What a scan reads.

    Attributes:
        folder: of the pictures.
        run: whose detector is used.
        clean: a folder of untouched pictures, if there is one.
    """

    folder: str
    run: str
    clean: str | None = None


def start(out: Path, folder: Path, run: Path, clean: Path | None) -> None:
    """As `worker.scan`; `resume` goes on with it."""
    rights.require("Scanning a folder")
    asked = Asked(str(folder.absolute()), str(run.absolute()), str(clean.absolute()) if clean else None)
    write_atomically(out / ASKED, json.dumps(asdict(asked)).encode())
    _work(out, asked)


def asked_of(out: Path) -> Asked | None:
    """What the scan in ``out`` was asked for; None where no page has started it, or its note is damaged."""
    try:
        asked = Asked(**json.loads((out / ASKED).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    sound = isinstance(asked.folder, str) and isinstance(asked.run, str) and isinstance(asked.clean, str | None)
    return asked if sound else None


def resume(out: Path) -> None:
    """Goes on with the scan in ``out``: what it has found stays.

    Raises:
        BadRun: it is not known what was to be scanned.
    """
    rights.require("Scanning a folder")
    asked = asked_of(out)
    if asked is None:
        raise BadRun(f"What '{out}' was to scan is not known; `probing scan FOLDER --out {out}` goes on with it.")
    _work(out, asked)


def remove(out: Path) -> None:
    """Removes what the scan in ``out`` has written there, and nothing else.

    Raises:
        BadRun: it is under way.
        BadConfig: it cannot be removed.
    """
    rights.require("Removing a scan")
    report = worker.report_of(out)
    if report is not None and report.state == "running":
        raise BadRun(f"The scan '{out.name}' is under way; cancel it first.")
    from probing_core.prediction.scan import remove_results

    remove_results(out)


def _work(out: Path, asked: Asked) -> None:
    worker.scan(out, Path(asked.folder), Path(asked.run), Path(asked.clean) if asked.clean else None)

"""Start, resume and remove scans, for the "A folder" tab.

The request for a scan is stored in the output folder of the scan, as `REQUEST`. All functions except `read_request`
raise `NotAllowed` if the visitor has no permission.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dashboard import rights
from dashboard.jobs import processes
from probing_core.errors import BadRun
from probing_core.run.files import read_json, write_atomically
from probing_core.run.layout import LOG

REQUEST = f"{LOG}/scan.json"


@dataclass(frozen=True)
class ScanRequest:
    """Input folders of a scan.

    Attributes:
        folder: path of the folder to scan.
        run: path of the run whose detector is used.
        clean: path of the folder with clean images, or None.
    """

    folder: str
    run: str
    clean: str | None = None


def start(out: Path, folder: Path, run: Path, clean: Path | None) -> None:
    """Start a process that scans ``folder`` and writes its results to ``out``, and store the request for `resume`."""
    rights.require("Scanning a folder")
    request = ScanRequest(str(folder.absolute()), str(run.absolute()), str(clean.absolute()) if clean else None)
    write_atomically(out / REQUEST, json.dumps(asdict(request)).encode())
    _begin(out, request)


def read_request(out: Path) -> ScanRequest | None:
    """Return the request for the scan in ``out``, or None if it is missing or corrupted.

    Scans that were started on the command line have no request. A request from somebody else could contain the URL of
    a corpus or a command-line option, but this page only stores absolute paths.
    """
    try:
        request = ScanRequest(**read_json(out / REQUEST))
    except (BadRun, TypeError):
        return None
    paths = [request.folder, request.run, *([] if request.clean is None else [request.clean])]
    return request if all(isinstance(path, str) and Path(path).is_absolute() for path in paths) else None


def resume(out: Path) -> None:
    """Resume the scan in ``out`` with the settings of its stored request.

    Raises:
        BadRun: the request is missing or corrupted.
    """
    rights.require("Scanning a folder")
    request = read_request(out)
    if request is None:
        raise BadRun(
            f"Cannot read the settings of the scan '{out.name}'. Repeat the command that started the scan, or start a "
            "new scan."
        )
    _begin(out, request)


def remove(out: Path) -> None:
    """Remove the results of the scan in ``out``. Other files in the folder are kept.

    Raises:
        BadRun: the scan is running.
        BadConfig: the results cannot be removed.
    """
    rights.require("Removing a scan")
    report = processes.report_of(out)
    if report is not None and report.state == "running":
        raise BadRun(f"The scan '{out.name}' is running. Cancel it first.")
    from probing_core.api.scan import remove_results

    remove_results(out)


def _begin(out: Path, request: ScanRequest) -> None:
    trusted = ["--clean", request.clean] if request.clean else []
    command = ["scan", request.folder, "--out", str(out), "--run", request.run, *trusted]
    processes.begin("Scanning a folder", out, command)

"""Runs the notebooks of the documentation and saves their outputs: ``python -m scripts.notebook``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

HOW_TO = Path(__file__).resolve().parents[1] / "docs" / "how-to"
NOTEBOOK, SCAN_NOTEBOOK = HOW_TO / "folder.ipynb", HOW_TO / "scan-folder.ipynb"
NOTEBOOKS = (NOTEBOOK, SCAN_NOTEBOOK)
TIMEOUT_S = 300


def main() -> None:
    for path in NOTEBOOKS:
        content = json.dumps(executed(path), indent=1, ensure_ascii=False)
        path.write_text(content + "\n", encoding="utf-8")


def executed(path: Path) -> dict[str, Any]:
    """The notebook with the outputs of all its cells, run in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient

    content = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(content, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}}).execute()
    content.metadata = {"kernelspec": content.metadata["kernelspec"]}
    for cell in content.cells:
        cell.metadata = {}  # when and how long it ran
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return content


if __name__ == "__main__":
    main()

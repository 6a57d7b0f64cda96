"""The pages of the site that are made when it is built (a hook of MkDocs): commands, measures, cards, notebooks.

Commands come from their own help, measures from the catalog, so that neither can be out of date.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
from pathlib import Path
from typing import Any

from probing_core import cli
from probing_core.measures import MEASURES

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT / "data" / "zoo"
NOTEBOOKS = tuple(sorted((ROOT / "docs" / "how-to").glob("*.ipynb")))
WIDTH = "100"
"""Columns of the help."""


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that are made here to those that lie in ``docs/``."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for path in NOTEBOOKS:
        notebook = files.get_file_from_path(f"how-to/{path.name}")
        if notebook is not None:
            files.remove(notebook)  # its page stands for it
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files outside ``docs/`` lead to their pages."""
    return link_to_pages(markdown)


def link_to_pages(markdown: str) -> str:
    markdown = re.sub(r"\]\(\.\./data/zoo\)", "](zoo/index.md)", markdown)
    markdown = re.sub(r"\]\(\.\./data/zoo/", "](zoo/", markdown)
    return re.sub(r"\]\(([\w./-]+)\.ipynb\)", r"](\1.md)", markdown)


def pages() -> dict[str, str]:
    """Path within the site -> Markdown."""
    made = {
        "reference/commands.md": commands(),
        "reference/measures.md": measures(),
        "zoo/index.md": cards(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("](docs/", "]("),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path in NOTEBOOKS:
        made[f"how-to/{path.stem}.md"] = notebook(json.loads(path.read_text(encoding="utf-8")))
    for card in ZOO.glob("*.md"):
        made[f"zoo/{card.name}"] = card.read_text(encoding="utf-8")
    return made


def commands() -> str:
    """Every command with its own help."""
    before = os.environ.get("COLUMNS"), os.environ.get("NO_COLOR")
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    try:
        parser = cli.build_parser()
        action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        helps = {name: command.format_help() for name, command in action.choices.items()}
    finally:
        for name, value in zip(("COLUMNS", "NO_COLOR"), before, strict=True):
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    intro = (
        "# Commands\n\nExit 0 is success, 2 bad input or found damage with one `error:` line each, 1 any other "
        "failure. With `--json`, a command that prints a table puts one JSON array on stdout and everything else on "
        "stderr. `probing --version` prints the version; `probing --traceback COMMAND` shows where an unexpected error "
        "came from."
    )
    return "\n\n".join([intro, *(f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in helps.items())])


def measures() -> str:
    """Every measure of the catalog: unit, bounds, direction, definition, formula, source."""
    better = {True: "higher", False: "lower", None: "neither"}
    sections = [
        "# Measures",
        "Pure functions on arrays, in `probing_core.measures`. Tables of a run give the interval beside each value, or "
        "say why there is none.",
    ]
    for m in MEASURES:
        bounds = " to ".join("unbounded" if bound is None else f"{bound:g}" for bound in (m.low, m.high))
        sections += [
            f"## {m.title[0].upper()}{m.title[1:]} {{ #{m.name} }}",
            m.definition,
            f"```text\n{m.formula}\n```",
            f"In tables `{m.name}`. Unit: {m.unit}; bounds: {bounds}; better: {better[m.higher_is_better]}. "
            f"Source: {m.source}.",
        ]
    return "\n\n".join(sections)


def cards() -> str:
    """The list of the zoo's cards."""
    rows = []
    for card in sorted(ZOO.glob("*.md")):
        title, _, what, *_ = card.read_text(encoding="utf-8").split("\n")
        rows.append(f"| [`{title.removeprefix('# ')}`]({card.name}) | {what} |")
    intro = (
        "# The zoo\n\nSmall encoders that this project pretrains itself, one objective each and everything else equal. "
        "They are for comparing objectives, and their weights are for research use. What they hold stands in "
        "[Results](../results.md)."
    )
    return "\n".join([intro, "", "| encoder | objective |", "| --- | --- |", *rows])


def notebook(content: dict[str, Any]) -> str:
    """A notebook as Markdown, with the outputs that are saved in it."""
    blocks = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        blocks.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                blocks.append(f"![Output of the cell above](data:image/png;base64,{_base64(data['image/png'])})")
            elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
                blocks.append(f"```text\n{text}\n```")
    return "\n\n".join(blocks)


def _base64(text: str | list[str]) -> str:
    png = base64.b64decode("".join(text))
    return base64.b64encode(png).decode()

"""Pages that mkdocs-gen-files generates when the site is built: commands, measures, model cards, notebooks, files of
the board, and files outside of ``docs/``.

The pages of commands are generated from their help, and the pages of measures from the catalog.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from probing_core import cli
from probing_core.measures import MEASURES

ROOT = Path(__file__).resolve().parents[2]
DOCS, ZOO, BOARD = ROOT / "docs", ROOT / "data" / "zoo", ROOT / "board"
WIDTH = "100"
"""Width of the help text in characters."""

SHOWN = {
    "NbConvertBase": {"display_data_priority": ["image/png", "text/plain"]},
    "ExtractOutputPreprocessor": {"extract_output_types": {"image/png"}},
}
"""Settings for converting the outputs of notebooks."""


def pages() -> dict[str, str]:
    """Return the generated pages as path in the site -> Markdown."""
    texts = {
        "reference/commands.md": commands(),
        "reference/measures.md": measures(),
        "zoo/index.md": cards(),
    }
    texts |= {f"{name.lower()}.md": (ROOT / f"{name}.md").read_text("utf-8") for name in ("CONTRIBUTING", "CHANGELOG")}
    texts |= {f"zoo/{card.name}": card.read_text("utf-8") for card in ZOO.glob("*.md")}
    texts |= {page.relative_to(DOCS).as_posix(): page.read_text("utf-8") for page in DOCS.rglob("*.md")}
    return {path: link_to_pages(text) for path, text in texts.items()}


def link_to_pages(markdown: str) -> str:
    """Return ``markdown`` with links to files in the repository replaced by links to pages of the site."""
    markdown = markdown.replace("](docs/", "](").replace("](../data/zoo)", "](zoo/index.md)")
    markdown = markdown.replace('href="../board/', 'href="board/').replace("](../CONTRIBUTING.md", "](contributing.md")
    markdown = markdown.replace("](../../CONTRIBUTING.md", "](../contributing.md")
    return re.sub(r"\]\(([\w./-]+)\.ipynb\)", r"](\1.md)", markdown.replace("](../data/zoo/", "](zoo/"))


def commands() -> str:
    """Return a page with the help texts of all commands."""
    before = os.environ.get("COLUMNS"), os.environ.get("NO_COLOR")
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    try:
        helps = {name: cli.parser_of(name).format_help() for name in cli.COMMANDS}
    finally:
        for name, value in zip(("COLUMNS", "NO_COLOR"), before, strict=True):
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    intro = (
        "# Commands\n\nExit 0 is success, 2 bad input or found damage with one `error:` line each, 1 any other "
        "failure. With `--json`, a command that prints a table puts one JSON array on stdout and everything else on "
        "stderr. `probing --version` prints the version; `probing --traceback COMMAND` shows where an unexpected error "
        "came from, and `probing --plugin FILE.py COMMAND` runs a file first that registers what the command may name."
    )
    return "\n\n".join([intro, *(f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in helps.items())])


def measures() -> str:
    """Return a page with the unit, bounds, direction, definition, formula and source of every measure."""
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
    """Return a page that lists the model cards of the zoo."""
    rows = []
    for card in sorted(ZOO.glob("*.md")):
        title, _, objective, *_ = card.read_text(encoding="utf-8").split("\n")
        rows.append(f"| [`{title.removeprefix('# ')}`]({card.name}) | {objective} |")
    intro = (
        "# The zoo\n\nSmall encoders that this project pretrains itself, one objective each and everything else equal. "
        "They are for comparing objectives, and their weights are for research use. What they hold stands in "
        "[Results](../results.md)."
    )
    return "\n".join([intro, "", "| encoder | objective |", "| --- | --- |", *rows])


def notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """Convert a notebook with its saved outputs to Markdown, and return the Markdown and the images by name."""
    from nbconvert import MarkdownExporter
    from traitlets.config import Config

    text, resources = MarkdownExporter(config=Config(SHOWN)).from_filename(
        str(path), resources={"unique_key": path.stem}
    )
    return text, resources["outputs"]


def write() -> None:
    """Add all generated pages and notebooks to the site."""
    import mkdocs_gen_files

    for path, text in pages().items():
        with mkdocs_gen_files.open(path, "w", encoding="utf-8") as page:
            page.write(text)
    for file in BOARD.glob("*.json"):
        with mkdocs_gen_files.open(f"board/{file.name}", "wb") as copy:
            copy.write(file.read_bytes())
    for source in DOCS.rglob("*.ipynb"):
        at = source.relative_to(DOCS)
        text, pictures = notebook(source)
        for name, content in {at.with_suffix(".md").name: text.encode(), **pictures}.items():
            with mkdocs_gen_files.open(at.with_name(name).as_posix(), "wb") as file:
                file.write(content)


if __name__ == "<run_path>":  # run by mkdocs-gen-files when the site is built
    write()

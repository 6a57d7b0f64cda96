"""What docs/run-format.md says of the files of a run is what the table of runs and the pages say."""

from __future__ import annotations

from lab.devtools.commands import generated
from lab.scripts.format_docs import BEGIN, PAGE, SHOWN, file_table, page_table

REGENERATE = "run `python -m lab.scripts.format_docs`"


def test_the_page_names_what_each_file_is_made_from():
    assert generated(PAGE.read_text(encoding="utf-8"), BEGIN) == file_table(), REGENERATE


def test_the_page_names_the_pages_that_show_each_file():
    assert generated(PAGE.read_text(encoding="utf-8"), SHOWN) == page_table(), REGENERATE
    assert "| `tables/thresholds.parquet` | Explore |" in page_table()

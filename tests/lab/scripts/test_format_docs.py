"""What docs/run-format.md says of the files of a run is what the table of runs says."""

from __future__ import annotations

from lab.devtools.commands import generated
from lab.scripts.format_docs import BEGIN, PAGE, file_table

REGENERATE = "run `python -m lab.scripts.format_docs`"


def test_the_page_names_what_each_file_is_made_from():
    assert generated(PAGE.read_text(encoding="utf-8"), BEGIN) == file_table(), REGENERATE

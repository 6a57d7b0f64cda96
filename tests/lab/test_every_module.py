"""What is in `lab/` can be imported, says what it needs and has its places in the documentation; `tests/lab/benchmarks`
runs what measures, small.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "lab"
ELSEWHERE = "# /// script"
"""The beginning of a script that runs in an environment of its own."""

SOURCES = {
    ".".join(path.relative_to(LAB.parent).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(LAB.rglob("*.py"))
}


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.endswith("__init__")])
def test_a_module_is_imported_and_states_its_options(name, monkeypatch, capsys):
    source = SOURCES[name]
    if source.startswith(ELSEWHERE):
        compile(source, name, "exec")
        return
    module = importlib.import_module(name)
    if not (hasattr(module, "main") and ("ArgumentParser" in source or "parser_of" in source)):
        return
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out.startswith("usage:")


def test_what_is_generated_has_its_place_in_the_documentation():
    paths = [LAB.parent / "README.md", *(LAB.parent / "docs").rglob("*.md")]
    pages = "\n".join(path.read_text("utf-8") for path in paths)
    marks = [mark for source in SOURCES.values() for mark in re.findall(r"<!-- generated: [^>{]+ -->", source)]
    assert len(marks) > 5
    assert not [mark for mark in marks if mark not in pages]

"""Whatever lies in `lab/` can be imported and says what it needs; `tests/lab/benchmarks` runs what measures, small."""

from __future__ import annotations

import importlib
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

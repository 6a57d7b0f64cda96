"""No modules import each other in a cycle, not even inside functions or for type checking."""

from __future__ import annotations

import grimp
import pytest

PACKAGES = ("probing_core", "dashboard", "lab")


def cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others: strongly connected components
    (Tarjan 1972). A package counts apart from the modules in it."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            if imported not in numbers:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], numbers[imported])
        if lowest[module] == numbers[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph.modules):
        if module not in numbers:
            visit(module)
    return found


def test_modules_import_each_other_in_no_cycle():
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    assert cycles(graph) == []


IMPORTS = {
    "at the top": "from made_up import a",
    "in a function": "def f():\n    from made_up import a",
    "for type checking": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made_up import a",
}


@pytest.mark.parametrize("where", IMPORTS)
def test_cycles_finds_imports_anywhere(tmp_path, monkeypatch, where):
    package = tmp_path / "made_up"
    package.mkdir()
    for name, code in {
        "__init__": "",
        "a": "from made_up import b",
        "b": "from made_up import c",
        "c": IMPORTS[where],
    }.items():
        (package / f"{name}.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cycles(grimp.build_graph("made_up", cache_dir=None)) == [["made_up.a", "made_up.b", "made_up.c"]]

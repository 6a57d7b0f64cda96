"""The house: few entries at each root, small files, a layer for each module, one spelling of the paths of a run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("probing_core", "dashboard")
CODE = (*PACKAGES, "devtools", "scripts", "evidence", "benchmarks")

MAX_ENTRIES = 20
MAX_LINES = 600
MAX_FUNCTION_LINES = 60

OF_A_RUN = re.compile(
    r"\b(run|model)\.toml\b|\bmanifest\.json\b|\bjournal\.jsonl\b|\b(images|samples|crops|map|scores|fits)\.parquet\b|\bcrops\.safetensors\b"
    r"|\bprogress\.json\b|\bworker\.txt\b|^(models|tables|units|series|log|embeddings|probes|predictions|studies)/|\bunit-"
)
"""Names of files and folders of a run."""

NOT_OF_A_RUN = {
    "probing_core/runs/layout.py",  # the one place
    "probing_core/embedders/providers/exported.py",  # folders of another program's archive
    "scripts/package.py",  # tries an installed package from outside
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_root_has_few_entries(package):
    entries = [p.name for p in (ROOT / package).iterdir() if not p.name.startswith((".", "__pycache__"))]
    assert len(entries) <= MAX_ENTRIES, sorted(entries)


def test_files_are_small():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in sources(*CODE)}
    assert not {name: count for name, count in lines.items() if count > MAX_LINES}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_a_layer(package):
    """What `make check` enforces, too: the contract of a package is exhaustive."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    contract = next(c for c in contracts if c["type"] == "layers" and c["containers"] == [package])
    assert contract["exhaustive"]
    layers = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    modules = {p.stem for p in (ROOT / package).iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert modules - {"__init__"} == layers
    assert len(contract["layers"]) <= 12


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants, docstrings and other bare strings apart."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node


def test_paths_of_a_run_are_spelled_in_one_file():
    found = [
        f"{name_of(path)}:{node.lineno}: {node.value}"
        for path in sources(*CODE)
        if name_of(path) not in NOT_OF_A_RUN
        for node in strings(ast.parse(path.read_text()))
        if OF_A_RUN.search(node.value)
    ]
    assert not found, "`probing_core.runs.layout` has a name for each of these:\n" + "\n".join(found)


def test_a_spelled_path_would_be_found():
    tree = ast.parse('"""models/x"""\npath = f"models/{name}/probes.safetensors"\nother = "run.toml"\n')
    assert [bool(OF_A_RUN.search(node.value)) for node in strings(tree)].count(True) == 2


def test_paths_of_a_run_need_no_framework():
    modules = "numpy", "pandas", "torch", "streamlit"
    code = f"import sys, probing_core.runs.layout; print([m for m in {modules} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


LONG_FUNCTIONS = {
    "probing_core/pretraining/card.py:model_card",
    "probing_core/pretraining/loop.py:train",
}
"""Functions that read better in one piece."""


def test_functions_can_be_seen_whole():
    long = {
        f"{name_of(path)}:{node.name}"
        for path in sources(*CODE)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    }
    assert long <= LONG_FUNCTIONS


NO_DRAWING = ("cache_resource", "context")
"""Names of Streamlit that draw nothing, where the spinner of the cache is off."""


def drawn(tree: ast.Module) -> Iterator[str]:
    """What a module draws by Streamlit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "st" and node.attr not in NO_DRAWING:
            yield f"{node.lineno}: st.{node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.cache_resource":
            spinner = {each.arg: ast.unparse(each.value) for each in node.keywords}.get("show_spinner")
            if spinner != "False":
                yield f"{node.lineno}: show_spinner={spinner}"


def test_data_of_pages_draws_nothing():
    """It returns, or yields while something takes long; the view draws."""
    modules = sources("dashboard/data")
    found = [f"{name_of(path)}:{each}" for path in modules for each in drawn(ast.parse(path.read_text()))]
    assert modules
    assert not found
    spoilt = ast.parse("@st.cache_resource(max_entries=4)\ndef load():\n    st.progress(0.5)\n")
    assert len(list(drawn(spoilt))) == 2


PERCENT_OF_PYTHON = re.compile(r"\.\d+%\}")
"""How an f-string would write a share: without the space."""


def test_shares_are_written_by_one_function():
    """`probing_core.measures.notation.in_percent`, so that pages, commands and documents write 17 % alike."""
    found = [name_of(path) for path in sources(*CODE) if PERCENT_OF_PYTHON.search(path.read_text())]
    assert not found
    assert PERCENT_OF_PYTHON.search("{share:" + ".0%}")


def test_documents_write_a_space_before_the_percent_sign():
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "data").rglob("*.md")]
    assert len(pages) > 20
    assert not [name_of(page) for page in pages if re.search(r"\d%", page.read_text(encoding="utf-8"))]

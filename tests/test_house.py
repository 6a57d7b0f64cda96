"""The house: a layer for each module, one spelling of the paths of a run."""

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
CODE = (*PACKAGES, "lab")

OF_A_RUN = re.compile(
    r"\b(run|model)\.toml\b|\b(images|samples|crops|map|scores|fits)\.parquet\b|\bcrops\.safetensors\b"
    r"|\bprogress\.json\b|\bworker\.txt\b|^(models|tables|units|series|log|embeddings|probes|predictions|studies)/|\bunit-"
)
"""Names of files and folders of a run."""

NOT_OF_A_RUN = {
    "probing_core/run/layout.py",  # the one place
    "lab/scripts/package.py",  # tries an installed package from outside
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_a_layer(package):
    """What `make check` enforces, too: the contract of a package is exhaustive."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    contract = next(c for c in contracts if c["type"] == "layers" and c["containers"] == [package])
    assert contract["exhaustive"]
    layers = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    modules = {p.stem for p in (ROOT / package).iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert modules - {"__init__"} == layers
    assert len(contract["layers"]) <= 13


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants, docstrings and other bare strings apart."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node


def without_encoding(tree: ast.Module) -> Iterator[int]:
    """Lines of calls that read or write text in the encoding of the system, which is a code page on Windows."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        values = [node.value for node in (*call.args, *keywords.values()) if isinstance(node, ast.Constant)]
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        is_method = isinstance(call.func, ast.Attribute)
        modes = [value for value in values if isinstance(value, str) and re.fullmatch("[rwax][bt+]*", value)]
        mode = modes[-1] if modes else None
        is_text = {
            "read_text": not call.args,
            "write_text": len(call.args) < 2,
            "open": "b" not in mode if mode else not is_method or not (call.args or keywords),
            "TemporaryFile": mode is not None and "b" not in mode,
            "NamedTemporaryFile": mode is not None and "b" not in mode,
        }.get(name, any(getattr(keywords.get(of), "value", None) is True for of in ("text", "universal_newlines")))
        if is_text and "encoding" not in keywords and None not in keywords:
            yield call.lineno


def test_text_files_and_output_of_processes_have_an_encoding():
    found = [
        f"{name_of(path)}:{line}"
        for path in sources(*CODE)
        for line in without_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, 1) for code in ("p.read_text()", "p.write_text('a')", "open('a')", "open('a', 'w')", "p.open('a')")),
        *((code, 1) for code in ("run(c, text=True)", "TemporaryFile('w+')", "p.open()")),
        *((code, 0) for code in ("p.read_text('utf-8')", "open('a', 'rb')", "p.open('a', encoding='utf-8')")),
        *(
            (code, 0)
            for code in ("Image.open(buffer)", "TemporaryFile()", "run(c)", "p.write_text('a', encoding='utf-8')")
        ),
    ],
)
def test_without_encoding_finds_text(code, expected):
    assert len(list(without_encoding(ast.parse(code)))) == expected


def test_significance_is_decided_in_one_function():
    """Whether a p-value is significant is the result of `is_significant`; pages write the level as `SIGNIFICANT`."""
    found = []
    for path in sources(*PACKAGES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        compared = [node for one in ast.walk(tree) if isinstance(one, ast.Compare) for node in ast.walk(one)]
        names = {node.id for node in compared if isinstance(node, ast.Name)}
        written = [text.value for text in strings(tree) if re.search("p [<\u2264] 0[.]0?5", text.value)]
        if (names & {"SIGNIFICANCE"} or written) and name_of(path) != "probing_core/measures/statistics.py":
            found.append((name_of(path), written))
    assert not found


PRINTABLE = {"json.dumps", "without_controls", "first_steps"}
"""Functions whose results have no control characters."""


def test_names_are_printed_without_control_characters():
    """Names of files and models control no terminal: only constants and results of `PRINTABLE` are printed."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources(*PACKAGES)
        if "print(" in (code := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for text in node.args
        if not isinstance(text, ast.Constant)
        and not (isinstance(text, ast.Call) and ast.unparse(text.func) in PRINTABLE)
    ]
    assert not found, "`print_text` or `without_controls` is needed:\n" + "\n".join(found)


def test_paths_of_a_run_are_spelled_in_one_file():
    found = [
        f"{name_of(path)}:{node.lineno}: {node.value}"
        for path in sources(*CODE)
        if name_of(path) not in NOT_OF_A_RUN
        for node in strings(ast.parse(path.read_text()))
        if OF_A_RUN.search(node.value)
    ]
    assert not found, "`probing_core.run.layout` has a name for each of these:\n" + "\n".join(found)


def test_paths_of_a_run_need_no_framework():
    modules = "numpy", "pandas", "torch", "streamlit"
    code = f"import sys, probing_core.run.layout; print([m for m in {modules} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


NO_DRAWING = ("cache_resource", "context", "session_state")
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

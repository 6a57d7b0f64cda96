"""The documentation says what is: its code runs, and the commands, files and names in it exist.

A block of code is run in a folder that holds ``cat.jpg``, the folders ``photos``, ``other`` and
``photos-that-i-trust``, and the run ``runs/first``. Where that would take too long, or serve until it is stopped, a
comment before the block says ``<!-- not run: why -->``; commands in it must then have options that exist, and Python
must compile.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pydoc
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from PIL import Image

import probing_core
from lab.scripts import docs, site_pages
from probing_core import cli
from probing_core.corpora import open_corpus
from probing_core.measures import MEASURES
from probing_core.models import parse
from probing_core.paths import PHOTOGRAPHS_LICENSE
from tests.conftest import scene

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", *WRITTEN]
MANUAL = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ["README.md", *WRITTEN])
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```", re.S)
SHELL, OUTPUT = ("console", "sh", "bash"), ("text",)
FIRST_RUN = ["run", "--out", "runs/first"]


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    language: str
    code: str
    why_not: str | None

    @property
    def commands(self) -> list[list[str]]:
        """Its lines that call ``probing``, as arguments."""
        lines = [line.removeprefix("$ ") for line in self.code.splitlines()]
        return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("probing ")]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, n, found["language"], found["code"], found["why"]) for n, found in enumerate(BLOCK.finditer(text))
    ]


BLOCKS = [block for page in PAGES for block in blocks(page) if block.language not in OUTPUT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the pages take for granted, the run of docs/how-to/images.md included."""
    made = tmp_path_factory.mktemp("docs")
    Image.fromarray(open_corpus("photos").load("chelsea/00")).save(made / "cat.jpg", quality=95)
    for i in range(16):
        label = made / ("photos" if i < 8 else "other") / ("even" if i % 2 == 0 else "odd")
        label.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(i, 180)).save(label / f"{i}.png")
    (made / "photos-that-i-trust").mkdir()
    for i in range(100):
        Image.fromarray(scene(1000 + i, 130)).save(made / "photos-that-i-trust" / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        commands = [command for block in BLOCKS for command in block.commands]
        first = next(command for command in commands if command[:3] == FIRST_RUN)
        assert cli.main(first) == 0
    return made


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_the_code_of_a_page_runs(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("probing_core.api.score.user_cache_path", lambda *a, **k: folder / "cache")
    names: dict = {}
    for block in (block for block in BLOCKS if block.page == page):
        if block.language == "python":
            code = compile(block.code, f"{page}, block {block.number}", "exec")
            if not block.why_not:
                exec(code, names)
        elif block.language in SHELL:
            others = [line for line in block.code.splitlines() if not line.removeprefix("$ ").startswith("probing ")]
            assert block.why_not or not others, f"{page} does not say why {others} is not run"
            for command in block.commands:
                cli.parse(command)
                if not block.why_not:
                    assert cli.main(command) == 0, (command, capsys.readouterr().err)
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "yaml":  # a workflow: what it calls has these options
            for job in yaml.safe_load(block.code)["jobs"].values():
                for step in job["steps"]:
                    command = shlex.split(step.get("run", ""))
                    if command[:1] == ["probing"]:
                        cli.parse(command[1:])
        else:
            raise AssertionError(f"{page}: nobody runs blocks of '{block.language}'")


@pytest.mark.parametrize(
    ("path", "shown"),
    list(
        zip(
            docs.NOTEBOOKS,
            [("transformation, all", "image/png", "group:blur"), ("group:blur", "image/png")],
            strict=True,
        )
    ),
    ids=lambda value: getattr(value, "stem", ""),
)
def test_the_notebooks_run_and_show_what_they_give(path, shown):
    saved = json.loads(path.read_text(encoding="utf-8"))
    ran = docs.executed(path)
    assert [len(cell.get("outputs", [])) for cell in ran["cells"]] == [
        len(cell.get("outputs", [])) for cell in saved["cells"]
    ]
    text = "".join(str(output) for cell in ran["cells"] for output in cell.get("outputs", []))
    assert all(words in text for words in shown)


def test_a_notebook_is_a_page_with_its_outputs():
    text, pictures = site_pages.notebook(docs.NOTEBOOKS[0])
    assert text.startswith("# ")
    assert "```python\n" in text
    assert pictures
    for name, content in pictures.items():
        assert f"]({name})" in text
        assert content.startswith(b"\x89PNG")


OF_THE_PROJECT = re.compile(r"python -m (lab\.[a-z_.]+)([^`\n]*)|uv run ([\w./]+\.py)([^`\n]*)")
"""Commands for whoever works on the project: a module or a file, and its arguments."""


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_project_exist(page):
    for module, of_module, file, of_file in OF_THE_PROJECT.findall((ROOT / page).read_text(encoding="utf-8")):
        path = ROOT / (file or f"{module.replace('.', '/')}.py")
        path = path if path.is_file() else path.with_suffix("") / "__main__.py"
        source = path.read_text(encoding="utf-8")
        for option in re.findall(r"--[a-z-]+", of_module + of_file):
            by_parser_of = option == "--write" and "write=" in source
            assert by_parser_of or f'"{option}"' in source, f"{page}: {path.name} has no {option}"


def test_every_command_is_documented():
    commands = set(cli.COMMANDS)
    named = set(re.findall(r"probing ([a-z]+)", MANUAL))
    assert commands <= named
    assert named - {"image"} <= commands
    page = site_pages.commands()
    assert all(f"## {name}\n" in page and f"probing {name}" in page for name in commands)


def test_every_measure_has_its_formula_and_source_on_the_site():
    page = site_pages.measures()
    for measure in MEASURES:
        assert measure.formula
        assert all(text in page for text in (measure.formula, measure.definition, measure.source, f"#{measure.name} "))


def test_every_public_name_of_python_is_on_its_page():
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (\S+)$", page, re.M)
    for path in shown:
        module, _, name = path.rpartition(".")
        if path != "probing_core.errors":
            assert hasattr(importlib.import_module(module), name), path
    for name in set(probing_core.__all__) - {"transforms", "ProbingError"}:  # a module, and one of `errors`
        assert f"probing_core.{name}" in shown


def described(thing: object) -> list[str]:
    """Return what the section Args of a docstring describes, as it is written before the colons."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(thing) or "", re.M | re.S)
    return re.findall(r"^    (\S.*?): ", section[1], re.M) if section else []


def test_every_parameter_on_the_page_of_python_has_an_entry_of_its_own():
    """The site is built strictly, and its reader of docstrings warns of others."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    things = [pydoc.locate(path) for path in re.findall(r"^::: (\S+)$", page, re.M)]
    methods = [
        method
        for thing in things
        if inspect.isclass(thing)
        for name, method in inspect.getmembers(thing, inspect.isfunction)
        if not name.startswith("_") and method.__module__.startswith("probing_core")
    ]
    wrong = {
        f"{thing.__qualname__}: {name}"
        for thing in (*things, *methods)
        if callable(thing)
        for name in described(thing)
        if name.lstrip("*") not in inspect.signature(thing).parameters
    }
    assert not wrong
    assert "encoder" in described(probing_core.score)


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    made = site_pages.pages()
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text) + re.findall(r'src="(?!https?:)([^"]+)"', text)
    for target in targets:
        path = (ROOT / page).parent.joinpath(target)
        generated = os.path.relpath(path.resolve(), ROOT / "docs").replace(os.sep, "/") in made
        assert path.exists() or generated, target


def test_model_names_in_the_documentation_can_be_parsed():
    names = re.findall(r"`((?:timm|open_clip|hf|torchvision|baseline|simclr|slip|csd|file|export)[:/][^`]+)`", MANUAL)
    assert len(names) > 10
    for name in names:
        assert parse(name).full


def test_the_result_in_the_readme_is_the_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    run = docs.RunFiles(ROOT / "data" / "reference")
    assert docs.headline(run) in text
    picture = ROOT / "docs" / "demo.webp"
    assert picture.stat().st_size < 3 * 10**6
    with Image.open(picture) as movie:
        assert movie.n_frames > 1


def test_findings_on_the_first_page_of_the_docs_are_those_of_the_reference_run():
    page = (ROOT / docs.INDEX).read_text(encoding="utf-8")
    assert docs.five_findings(docs.Run.open(ROOT / "data" / "reference")) in page


def test_the_citation_names_the_software_and_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["references"][0]["url"].endswith("2307.05610")


def test_the_license_of_the_photographs_ships_and_gives_their_numbers():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "CC-BY-4.0" in project["license"].split(" AND ")
    notice = f"data/reference/{PHOTOGRAPHS_LICENSE}"
    assert notice in project["license-files"]
    rows = open_corpus("reference").rows
    text = (ROOT / notice).read_text(encoding="utf-8")
    for address in rows["source"].str.split().str[-1].iloc[0], rows["license"].str.split().str[-1].iloc[0]:
        assert f"<{address}>" in text
    for page in (notice, "README.md", "data/LICENSE-weights.md", "docs/how-to/images.md", "CHANGELOG.md"):
        assert f"{len(rows)} " in (ROOT / page).read_text(encoding="utf-8"), page


def test_weights_for_research_use_say_so_beside_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "LicenseRef-Research-Use" in project["license"]
    assert "data/LICENSE-weights.md" in project["license-files"]
    assert "Research use" in (ROOT / "data" / "LICENSE-weights.md").read_text(encoding="utf-8")
    for weights in (ROOT / "data" / "zoo").glob("*.safetensors"):
        assert "research use" in weights.with_suffix(".md").read_text(encoding="utf-8")

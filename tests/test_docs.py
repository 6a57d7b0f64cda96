"""The documentation says what is: code in it runs, and commands and files in it exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from probing_core import cli
from probing_core.embedders import parse
from tests.transforms.test_third_party import EXAMPLE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme():
    parser = cli.build_parser()
    commands = next(a for a in parser._actions if a.choices).choices
    named = set(re.findall(r"probing ([a-z]+)", README))
    hidden = {"embed", "train", "evaluate", "project"}  # the stages of `run`, told by its help
    assert set(commands) - hidden <= named
    assert named <= set(commands)


def test_the_example_of_a_transformation_is_the_tested_one():
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    shown = next(block for block in blocks if "INVERT" in block)
    assert ast.dump(ast.parse(shown)) == ast.dump(ast.parse(EXAMPLE))
    assert len(shown.strip().splitlines()) < 20


def test_the_python_example_runs():
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "import probing_core" in block)
    names: dict = {}
    exec(code, names)
    assert names["embedder"].dim == 1280
    assert len(names["bank"]) == 31


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/transforms.md"])
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_model_names_in_the_readme_can_be_parsed():
    names = re.findall(r"`((?:timm|open_clip|hf|torchvision|baseline|simclr|slip|csd|file|export)[:/][^`]+)`", README)
    assert len(names) > 10
    for name in names:
        assert parse(name).full

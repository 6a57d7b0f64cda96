"""What README and the documentation tell a newcomer to type first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lab.scripts import newcomer
from probing_core import cli

ROOT = Path(__file__).parents[3]
BY_NAME = re.compile(r"(pip install|uvx --from|uv add|pipx (run|install))\s+['\"]?probing-core\b")


def test_nothing_installs_the_project_by_a_name_that_nobody_has_claimed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.ipynb", "*.toml"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split():
        found = BY_NAME.search((ROOT / name).read_text(encoding="utf-8"))
        assert found is None, f"{name}: {found}"
    assert BY_NAME.search("pip install " + "'probing-core[s3]'"), "the search finds what it is for"


def test_the_newcomer_types_what_both_first_pages_say() -> None:
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/index.md")]
    blocks = [re.search(r"```console\n(.*?)\n```", page, re.DOTALL)[1] for page in pages]
    assert blocks[0] == blocks[1]
    for target in re.findall(r"^\$ make (\w+)", blocks[0], re.MULTILINE):
        assert re.search(f"^{target}[^=\n]*:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    assert all(f"$ {command}\n" in page for page in pages for command in (newcomer.INSTALL, newcomer.SERVE))
    assert all(callable(cli.parse(arguments).command) for arguments in newcomer.TYPED.values())

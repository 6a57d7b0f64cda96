"""What README and the documentation tell a newcomer to type first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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


def test_the_first_block_of_both_pages_is_the_same_and_the_makefile_knows_it() -> None:
    blocks = [
        re.search(r"```console\n(.*?)\n```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)[1]
        for page in ("README.md", "docs/index.md")
    ]
    assert len(set(blocks)) == 1
    for target in re.findall(r"^\$ make (\w+)", blocks[0], re.MULTILINE):
        assert re.search(f"^{target}[^=\n]*:", (ROOT / "Makefile").read_text(), re.MULTILINE), target

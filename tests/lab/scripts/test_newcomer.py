"""What ``python -m lab.scripts.newcomer`` types exists; the walk itself takes minutes and is no test."""

from __future__ import annotations

import re
from subprocess import CompletedProcess

import pytest

from lab.scripts import newcomer
from lab.scripts.fresh import Fresh
from probing_core import cli


@pytest.mark.parametrize("arguments", newcomer.TYPED.values(), ids=newcomer.TYPED)
def test_what_a_newcomer_types_is_a_command(arguments):
    assert callable(cli.parse(arguments).command)


def test_the_newcomer_types_what_the_first_screen_of_readme_says():
    text = (newcomer.ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = text[: text.index("## Your encoder")]
    typed = [
        line.removeprefix("$ ").split("  #")[0].rstrip()
        for block in re.findall(r"```console\n(.*?)```", first_screen, re.S)
        for line in block.splitlines()
    ]
    assert {"make demo", newcomer.INSTALL, newcomer.SERVE} < set(typed)
    index = (newcomer.ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert all(re.search(rf"^\$ {re.escape(line)}\s", index, re.M) for line in typed)


def test_a_step_that_fails_says_why_in_its_row(tmp_path, monkeypatch, capsys):
    ended = CompletedProcess([], 2, "", "Loading\nerror: There is no picture.\n")
    monkeypatch.setattr(Fresh, "call", lambda self, *arguments: ended)
    with newcomer.step("own picture", "probing predict cat.jpg"):
        newcomer.call(Fresh(tmp_path, tmp_path, tmp_path, {}), ("predict", "cat.jpg"))
    row = capsys.readouterr().out.strip().splitlines()[-1]
    what, seconds, busy, how = [cell.strip() for cell in row.strip("|").split("|")]
    assert (what, how) == ("own picture", "probing predict cat.jpg: exit 2, error: There is no picture.")
    assert float(seconds) >= float(busy) == 0

"""The page of the board, and the scripts of its workflows with random weights from a hub on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from lab.devtools.local_hub import serving
from lab.scripts import board_docs, published_board, reproduce
from probing_core.models import compiled, expand, parse
from probing_core.results.board import read_board
from probing_core.results.board_entry import BoardEntry, QuickProtocol
from probing_core.results.run import Run, open_run
from tests.models.published import make_architectures_small, no_network, small_repositories, use  # noqa: F401
from tests.results.test_board import made_entry

DEIT, SIMCLR = "timm:deit_base_patch16_224.fb_in1k", "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x"


def test_page_of_the_board_lists_every_model():
    """After a new result file or a change of the reference run, ``python -m lab.scripts.board_docs`` updates it."""
    board = read_board(open_run(), board_docs.FOLDER)
    assert board_docs.table(board) in board_docs.PAGE.read_text(encoding="utf-8")


def test_table_links_public_weights_and_escapes_names(tmp_path):
    run = open_run()
    protocol = QuickProtocol.of(run)
    names = {"computed_by": 'A & "B"', "objective": "'x' onclick=y"}
    made_entry(protocol, **names).write(tmp_path / "made.json")
    made_entry(protocol, model="made/local", source="Hugging Face ../../evil").write(tmp_path / 'a"b.json')
    html = board_docs.table(read_board(run, tmp_path))
    assert f'href="https://huggingface.co/made/up/tree/{"a" * 40}"' in html
    assert "A &amp; &quot;B&quot;" in html
    assert "evil" not in html
    assert 'href="../board/a&quot;b.json"' in html


def test_table_is_sorted_by_the_clicked_column(tab, tmp_path):
    script = (board_docs.PAGE.parent / "sortable.js").read_text()
    html = board_docs.table(read_board(open_run(), board_docs.FOLDER))
    with tab.visitor() as (page, complaints):
        page.set_content(f"{html}<script>{script}</script>")

        def column(n: int) -> list[str]:
            return page.locator(f"tbody tr td:nth-child({n})").all_inner_texts()

        for click in ("ascending", "descending"):
            page.get_by_role("button", name="Dimensions").click()
            numbers = [int(text.replace(",", "")) for text in column(7)]
            assert numbers == sorted(numbers, reverse=click == "descending")
            assert page.locator(f"th[aria-sort={click}]").inner_text() == "Dimensions"
        page.get_by_role("button", name="Quick accuracy").click()
        accuracies = [float(text.rstrip("%")) for text in column(3)]
        assert accuracies == sorted(accuracies)
        assert complaints == []


def test_published_encoders_include_those_of_the_paper(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["published_board", "--list"])
    assert published_board.main() == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(expand(["published"])) < set(listed)
    assert all(parse(name).base == name for name in listed)


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
def test_published_encoders_are_ranked_and_reproduced_through_a_hub(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # compiling takes longest
    monkeypatch.setattr("probing_core.api.score.user_cache_path", lambda *names, **options: tmp_path / "scores")
    make_architectures_small(monkeypatch)
    out, run = tmp_path / "ranked", Run.open(trained_run)
    with serving(small_repositories()) as server:
        use(server, monkeypatch)
        base = ["--base", str(trained_run)]
        names = ",".join((DEIT, SIMCLR, "timm:not_published"))
        monkeypatch.setattr(sys, "argv", ["published_board", "--models", names, "--out", str(out), "--by", "CI", *base])
        assert published_board.main() == 0
        assert "timm:not_published was not ranked" in capsys.readouterr().out
        files = sorted(out.glob("*.json"))
        entries = {entry.model: entry for entry in (BoardEntry.read(file, QuickProtocol.of(run)) for file in files)}
        assert set(entries) == {DEIT, SIMCLR}
        assert entries[DEIT].revision == server.commit("timm/deit_base_patch16_224.fb_in1k")
        assert len(entries[DEIT].sha256) == 64

        flipped = entries[DEIT].correct.copy()
        flipped[:4] ^= True
        replace(entries[DEIT], correct=flipped).write(out / "flipped.json")
        replace(entries[DEIT], sha256="0" * 64).write(out / "weights.json")
        replace(entries[DEIT], model="my/encoder").write(out / "unknown.json")
        (out / "broken.json").write_text("{}")
        outcomes = {path.name: reproduce.reproduced(path, run).outcome for path in out.glob("*.json")}
    assert outcomes == {
        "timm_deit_base_patch16_224.fb_in1k.json": reproduce.REPRODUCED,
        next(file.name for file in files if "simclr" in file.name): reproduce.SKIPPED,  # a pickle
        "flipped.json": reproduce.DIFFERENT,
        "weights.json": reproduce.DIFFERENT,
        "unknown.json": reproduce.SKIPPED,
        "broken.json": reproduce.INVALID,
    }
    monkeypatch.setattr(sys, "argv", ["reproduce", str(out / "broken.json"), *base])
    assert reproduce.main() == 1
    assert "| broken.json | invalid |" in capsys.readouterr().out


def test_weights_in_local_folders_are_not_recomputed(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    for model in ("timm:./mine", "zoo/mae@weights=mine.safetensors", "onnx:mine.onnx", "my/embed"):
        with pytest.raises(reproduce.ProbingError):
            reproduce.require_public(model)
    reproduce.require_public("zoo/mae")

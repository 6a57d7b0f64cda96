"""The board: result files as data from strangers, and the ranking of the models in a run and in files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probing_core import paths
from probing_core.errors import BadConfig
from probing_core.results.board import INCLUDED, REPRODUCED, SUBMITTED, read_board, status_of
from probing_core.results.board_entry import MAX_BYTES, BoardEntry, QuickProtocol
from probing_core.results.quick_ranking import quick_accuracy
from probing_core.results.run import open_run
from probing_core.run.layout import QUICK

SMALL = QuickProtocol("0" * 16, tuple(f"photo{i}" for i in range(8)), ("blur", "fog", "identity"))


def made_entry(protocol: QuickProtocol = SMALL, **changes: object) -> BoardEntry:
    shape = len(protocol.photographs), len(protocol.transforms)
    facts = dict.fromkeys(("family", "objective", "license"), "made up")
    return replace(
        BoardEntry(
            model="timm:made.up_in1k",
            source="Hugging Face made/up",
            revision="a" * 40,
            sha256="b" * 64,
            dim=8,
            preprocessing={"size": [64, 64]},
            versions={"timm": "1.0"},
            date="2026-01-31",
            computed_by="José O'Neil & Co.",
            protocol=protocol,
            correct=np.random.default_rng(0).random(shape) < 0.7,
            **facts,
        ),
        **changes,
    )


def test_entry_is_read_as_it_was_written(tmp_path):
    entry = made_entry()
    entry.write(tmp_path / "made.json")
    found = BoardEntry.read(tmp_path / "made.json", SMALL)
    assert found.content == entry.content
    assert np.array_equal(found.correct, entry.correct)
    assert found.accuracy.value == pytest.approx(entry.correct.mean())
    with pytest.raises(BadConfig, match="computed_by"):
        made_entry(computed_by=" ").write(tmp_path / "nobody.json")
    assert not (tmp_path / "nobody.json").exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", "AAAA", "<script>", 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_modified_entry_is_read_or_refused_in_one_sentence(data, tmp_path):
    content = made_entry().content
    place = content
    key = data.draw(st.sampled_from(sorted(content)))
    if isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    action = data.draw(st.sampled_from(["replace", "remove", "add", "cut"]))
    if action == "replace":
        place[key] = data.draw(json_values)
    elif action == "remove":
        del place[key]
    elif action == "add":
        place[data.draw(st.text(max_size=8))] = data.draw(json_values)
    text = json.dumps(content).encode()
    path = tmp_path / "any.json"
    path.write_bytes(text[: data.draw(st.integers(0, len(text)))] if action == "cut" else text)
    try:
        found = BoardEntry.read(path, SMALL)
    except BadConfig as error:
        refused = str(error)
    else:
        assert found.correct.shape == (8, 3)
        assert "<" not in found.model + found.computed_by + found.license + found.source
        assert found.content["correct"] == json.loads(text)["correct"]
        return
    assert "\n" not in refused
    assert refused.startswith("'any.json' is not a valid result because ")
    assert refused.endswith(".")


def changed(**changes: object) -> bytes:
    return json.dumps(made_entry().content | changes).encode()


MALFORMED = {
    "not JSON": b"{",
    "binary": bytes(range(256)),
    "nested": b"[" * 20_000,
    "huge": b" " * (MAX_BYTES + 1),
    "a list": b"[]",
    "types": changed(dim="many"),
    "count of photographs": changed(photographs=9),
    "count of answers": changed(correct="AAAA" * 9),
    "script in the name": changed(model="<script>alert(1)</script>"),
    "script in the author": changed(computed_by="<img src=x onerror=alert(1)>"),
    "wrong protocol": changed(protocol={"version": 2, "digest": "0" * 16}),
    "other photographs": changed(protocol={"version": 1, "digest": "1" * 16}),
    "accuracy of other answers": changed(quick_accuracy={"value": 0.99, "low": 0.9, "high": 1.0}),
    "not a number": changed(quick_accuracy={"value": float("nan"), "low": 0, "high": 1}),
    "unknown entry": changed(code="print()"),
    "entry twice": changed()[:-1] + b', "dim": 9}',
    "date": changed(date="31.01.2026"),
    "future date": changed(date="2999-01-01"),
    "digits": b"1" * 20_000,
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_file_is_refused_in_one_sentence(content, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(BadConfig) as refused:
        BoardEntry.read(path, SMALL)
    sentence = str(refused.value)
    assert sentence.count(". ") == 0
    assert sentence.startswith("'bad.json' is not a valid result because ")
    assert "<" not in sentence
    assert "sys." not in sentence
    assert len(sentence) < 300


@pytest.fixture(scope="module")
def reference():
    return open_run()


def test_read_board_leaves_out_malformed_files_and_ranks_the_others(reference, tmp_path):
    protocol = QuickProtocol.of(reference)
    alone = read_board(reference, tmp_path).table
    for i, content in enumerate(MALFORMED.values()):
        (tmp_path / f"bad-{i}.json").write_bytes(content)
    (tmp_path / "folder.json").mkdir()
    best = alone.loc[alone["against"] == "best encoder"].iloc[0]
    entries = {
        "worse": made_entry(protocol),
        "copy": made_entry(protocol, model="my/copy", correct=answers_of(reference, best["model"], protocol)),
        "twice": made_entry(protocol),
        "zoo-mae": made_entry(protocol, model="zoo/mae"),
    }
    for name, entry in entries.items():
        entry.write(tmp_path / f"{name}.json")
    board = read_board(reference, tmp_path)
    assert len(board.problems) == len(MALFORMED) + 3
    assert sum("'worse.json'" in problem and "'twice.json'" in problem for problem in board.problems) == 1
    assert sum("zoo/mae" in problem for problem in board.problems) == 1
    rows = board.table.set_index("model")
    assert set(rows.index) == {*alone["model"], "timm:made.up_in1k", "my/copy"}
    quick = reference.table(QUICK)
    assert rows.loc["my/copy", "value"] == pytest.approx(
        quick_accuracy(quick[quick["model"] == best["model"]]).sums.value
    )
    assert rows.loc[["my/copy", best["model"]], "p"].max() == 1
    assert rows.loc["timm:made.up_in1k", "p"] < 0.05
    assert rows.loc["timm:made.up_in1k", "value"] == pytest.approx(entries["worse"].correct.mean())
    assert list(rows["place"].dropna()) == list(range(1, rows["place"].count() + 1))
    assert (rows["status"] == SUBMITTED).sum() == 2
    assert rows.loc["zoo/mae", "status"] == INCLUDED
    assert "José O'Neil" in str(board)


def answers_of(run, model: str, protocol: QuickProtocol) -> np.ndarray:
    rows = run.table(QUICK).query("model == @model").sort_values(["base_id", "transform"])
    return rows["correct"].to_numpy(bool).reshape(len(protocol.photographs), len(protocol.transforms))


def test_reproduced_results_are_listed_by_digest(reference, tmp_path):
    entry = made_entry(QuickProtocol.of(reference))
    entry.write(tmp_path / "one.json")
    (tmp_path / REPRODUCED).write_text(f"{entry.digest}\n")
    (row,) = [row for row in read_board(reference, tmp_path).table.itertuples() if row.status == SUBMITTED]
    assert status_of(row).endswith("reproduced")
    replace(entry, correct=~entry.correct).write(tmp_path / "one.json")
    (row,) = [row for row in read_board(reference, tmp_path).table.itertuples() if row.status == SUBMITTED]
    assert not status_of(row).endswith("reproduced")


def test_included_models_have_files_with_the_answers_of_the_reference_run(reference):
    """After a change of the reference run, ``make docs`` writes the files again."""
    board = read_board(reference, paths.board_dir())
    assert board.problems == ()
    assert board.table["file"].all()
    assert all(path.stat().st_size < MAX_BYTES for path in Path(paths.board_dir()).glob("*.json"))

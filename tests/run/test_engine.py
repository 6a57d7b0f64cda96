"""The engine, over a table of its own that knows nothing of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from probing_core.errors import BadRun, UnknownName
from probing_core.run.engine import COMPLETE, Artifact, Plan, Reader, Row, State, Table, units_of
from probing_core.run.store import Files, Store
from probing_core.run.why import why


@dataclass
class Kitchen:
    """The scope of the toy table: which fruits there are, how much sugar, what was made, and whether a maker is killed
    or can make none of some fruits."""

    fruits: tuple[str, ...] = ("apple", "pear")
    sugar: int = 1
    made: list[str] = field(default_factory=list)
    plan: Plan | None = None
    killed: bool = False
    refuses: tuple[str, ...] = ()


def fruits(scope: Kitchen) -> Iterator[Mapping[str, str]]:
    return ({"fruit": fruit} for fruit in scope.fruits)


def jam(at: Reader) -> Mapping[str, Any]:
    at.scope.made.append(at.artifact.path)
    crate = at.files.read_table("crate.parquet")
    weight = crate.loc[crate["fruit"] == at.binding["fruit"], "weight"].sum() * at.scope.sugar
    label = b"sweet" if at.scope.sugar > 1 else None
    return {"jam/{fruit}.parquet": pd.DataFrame({"weight": [weight]}), "jam/{fruit}.label": label}


def shelf(at: Reader) -> Mapping[str, Any]:
    at.scope.made.append(at.artifact.path)
    tables = [at.files.read_table(path) for path in at.artifact.reads]
    return {"shelf.parquet": pd.concat(tables, ignore_index=True)}


def crates(at: Reader) -> Mapping[str, Any]:
    at.scope.made.append(at.artifact.path)
    return {"crate.parquet": pd.DataFrame({"fruit": ["apple", "pear"], "weight": [3, 4]})}


CRATE = Row(path="crate.parquet", holds="fruit", stage="pick", make=crates)
JUICE = Row(
    path="juice/{fruit}/",
    holds="juice",
    stage="press",
    each=fruits,
    reads=("crate.parquet",),
    options=("sugar",),
    units=lambda scope, binding: 3,
    by_key=True,
    make=lambda at: press(at),  # noqa: PLW0108 - defined below
)
JAM = Row(
    path="jam/{fruit}.parquet",
    holds="jam",
    stage="cook",
    each=fruits,
    reads=("crate.parquet", "juice/{fruit}/"),
    options=("sugar",),
    beside=("jam/{fruit}.label",),
    make=jam,
    doing="Cooking {fruit}",
)
SHELF = Row(path="shelf.parquet", holds="all jam", stage="store", reads=("jam/{fruit}.parquet",), make=shelf)


def press(at: Reader) -> None:
    """Enter the files of a folder, as what makes units of its own does."""
    at.scope.made.append(at.artifact.path)
    plan = at.scope.plan
    key, inputs = plan.ready_key(at.artifact), plan.inputs(at.artifact)
    for unit in ("unit-00000-00001", "unit-00002"):
        juice = np.full((2, 2), at.scope.sugar, np.float32)
        plan.files.write(f"{at.artifact.path}{unit}.safetensors", {"juice": juice}, key, inputs)


OPTIONS = {"sugar": lambda scope, binding: scope.sugar}


def table(*rows: Row) -> Table:
    return Table(rows or (CRATE, JUICE, JAM, SHELF), OPTIONS)


def plan_of(root: Path, scope: Kitchen | None = None, rows: Sequence[Row] = ()) -> Plan:
    return Plan(table(*rows), scope or Kitchen(), Store(root))


def make(plan: Plan) -> list[str]:
    """Make everything; return what was made."""
    plan.scope.made.clear()
    plan.scope.plan = plan
    plan.make(list(plan.artifacts.values()), lambda artifact, done, total: None)
    return list(plan.scope.made)


def states(plan: Plan) -> dict[str, State]:
    return {path: plan.state(artifact) for path, artifact in plan.artifacts.items()}


ALL = ["crate.parquet", "juice/apple/", "juice/pear/", "jam/apple.parquet", "jam/pear.parquet", "shelf.parquet"]


def test_everything_is_made_once_in_the_order_of_the_table(tmp_path):
    plan = plan_of(tmp_path)
    assert set(states(plan).values()) == {State.MISSING}
    assert make(plan) == ALL
    assert make(plan) == []
    assert make(plan_of(tmp_path)) == [], "another process finds the same"
    assert set(states(plan).values()) == {State.MADE}


def test_what_is_reported_names_what_is_made_its_place_and_the_number_of_all(tmp_path):
    plan, said = plan_of(tmp_path), []
    plan.scope.plan = plan
    plan.make(
        plan.select("pick", "press", "cook"),
        lambda artifact, done, total: said.append((artifact.row.doing.format(**artifact.binding), done, total)),
    )
    assert said == [("", 0, 5), ("", 1, 5), ("", 2, 5), ("Cooking apple", 3, 5), ("Cooking pear", 4, 5)]


def test_a_changed_option_makes_again_what_depends_on_it_and_what_then_differs(tmp_path):
    make(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    found = states(sweeter)
    assert found["crate.parquet"] is State.MADE
    assert found["jam/apple.parquet"] is State.STALE
    assert why(sweeter, "jam/apple.parquet") == [
        "'jam/apple.parquet' is made again: sugar was 1 and is 2.",
        "'jam/apple.parquet' is made again: 'juice/apple/' changed.",
    ]
    assert why(sweeter, "shelf.parquet") == [
        "'shelf.parquet' is complete: nothing that it was made from has changed; it may be made again once "
        "'juice/apple/' is."
    ]
    assert make(sweeter) == ALL[1:]
    assert Store(tmp_path).read_table("shelf.parquet")["weight"].tolist() == [6, 8]


def test_what_is_made_again_with_the_same_bytes_makes_nothing_else_be_made(tmp_path):
    make(plan_of(tmp_path))
    Store(tmp_path).remove("jam/apple.parquet")
    assert make(plan_of(tmp_path)) == ["jam/apple.parquet"]


def test_one_that_is_read_by_its_key_may_be_made_again_with_other_bits(tmp_path):
    make(plan_of(tmp_path))
    store = Store(tmp_path)
    name = "juice/apple/unit-00002.safetensors"
    entry = store.entry(name)
    store.write(name, {"juice": np.ones((2, 2), np.float32) + 1e-6}, entry["key"])
    assert make(plan_of(tmp_path)) == []


def test_a_folder_is_complete_when_its_files_hold_every_unit(tmp_path):
    plan = plan_of(tmp_path)
    make(plan)
    plan.files.remove("juice/pear/unit-00000-00001.safetensors")
    assert states(plan)["juice/pear/"] is State.STALE
    assert make(plan) == ["juice/pear/"]
    assert units_of(["a/unit-00000-00001.safetensors", "a/unit-00004.safetensors"]) == {0, 1, 4}


def test_a_raised_revision_makes_again_and_says_so(tmp_path):
    make(plan_of(tmp_path))
    rows = (CRATE, JUICE, changed(JAM, revision=2), SHELF)
    raised = plan_of(tmp_path, rows=rows)
    assert why(raised, "jam/apple.parquet") == [
        "'jam/apple.parquet' is made again: how it is made changed (revision 1, now 2)."
    ]
    assert make(raised) == ["jam/apple.parquet", "jam/pear.parquet"], "the shelf reads the same jam"


def test_nothing_is_an_answer_that_is_kept(tmp_path):
    plan = plan_of(tmp_path)
    make(plan)
    assert not plan.files.has("jam/apple.label")
    assert plan.files.entry("jam/apple.label")["state"] == "nothing"
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    make(sweeter)
    assert sweeter.files.read_bytes("jam/apple.label") == b"sweet"
    make(plan_of(tmp_path))
    assert not (tmp_path / "jam" / "apple.label").exists(), "what there is nothing of any more is removed"


def test_what_was_left_out_is_complete_and_what_needs_it_cannot_be_made_here(tmp_path):
    plan = plan_of(tmp_path)
    make(plan)
    plan.files.leave_out(*plan.files.names("juice/"))
    assert states(plan)["juice/apple/"] is State.LEFT_OUT
    assert states(plan)["jam/apple.parquet"] is State.MADE, "its key is still that of what it was made from"
    assert why(plan, "juice/apple/") == ["'juice/apple/' is complete: it did not ship."]
    assert plan.files.damaged() == {}
    plan.files.remove("jam/apple.parquet")
    assert states(plan)["jam/apple.parquet"] is State.NOT_HERE
    assert why(plan, "jam/apple.parquet") == ["'jam/apple.parquet' cannot be made here: 'juice/apple/' did not ship."]
    assert make(plan) == []


def test_a_run_stands_on_a_base_and_writes_its_own_files_alone(tmp_path):
    base = tmp_path / "base"
    make(plan_of(base))
    Store(base).fold()
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    mine = Store(tmp_path / "mine")
    mine.start_from(base)
    joined = Plan(table(), Kitchen(fruits=("apple", "pear", "plum")), mine)
    assert make(joined) == ["juice/plum/", "jam/plum.parquet", "shelf.parquet"]
    assert mine.read_table("shelf.parquet")["weight"].tolist() == [3, 4, 0]
    again = Store(tmp_path / "mine")
    assert again.base == base
    assert again.read_table("jam/apple.parquet")["weight"].tolist() == [3]
    again.remove("jam/apple.parquet")
    assert again.has("jam/apple.parquet"), "what belongs to the base is not removed"
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == before


def test_what_is_not_known_yet_has_no_artifacts_until_another_plan_is_made(tmp_path):
    scope = Kitchen(fruits=())
    plan = plan_of(tmp_path, scope)
    assert list(plan.artifacts) == ["crate.parquet", "shelf.parquet"]
    scope.fruits = Kitchen().fruits
    assert list(plan_of(tmp_path, scope).artifacts) == ALL


def test_a_maker_can_read_only_what_its_row_declares(tmp_path):
    def cheats(at: Reader) -> Mapping[str, Any]:
        return {"jam/{fruit}.parquet": at.files.read_table("crate.parquet")}

    hidden = changed(JAM, reads=("juice/{fruit}/",), make=cheats)
    with pytest.raises(AssertionError, match=r"reads 'crate.parquet' without saying so"):
        make(plan_of(tmp_path, rows=(CRATE, JUICE, hidden)))


@pytest.mark.parametrize("name", [name for name in dir(Files) if not name.startswith("_")])
def test_no_way_to_read_files_leads_past_what_a_row_declares(tmp_path, name):
    """Be it a method that is added: it raises, or returns nothing."""
    reader = Reader(make_crate(tmp_path), Artifact(JAM, {}, JAM.path, {}, (), {}))
    read = getattr(reader.files, name)
    given = ["crate.parquet", "fruit"][: len(signature(read).parameters)]
    try:
        found = read(*given)
    except (AssertionError, KeyError):
        return
    assert not found, found


def test_whether_there_is_a_file_is_refused_too_where_the_row_does_not_read_it(tmp_path):
    """A maker that went by the answer would leave out what its key does not know of."""
    plan = make_crate(tmp_path)
    for reads, found in (((), None), (("crate.parquet",), True), (("crate.parquet", "juice/{fruit}/"), True)):
        row = changed(JAM, reads=reads)
        reader = Reader(plan, Artifact(row, {}, row.path, {}, reads[:1], {}))
        if found is None:
            with pytest.raises(AssertionError, match=r"reads 'crate.parquet' without saying so"):
                reader.files.has("crate.parquet")
        else:
            assert reader.files.has("crate.parquet") is found
    assert not reader.files.has("juice/plum/0.parquet"), "the row reads such files, and the run has none"


def make_crate(root: Path) -> Plan:
    plan = plan_of(root, rows=(CRATE,))
    make(plan)
    return plan


def test_a_maker_is_not_given_what_hands_out_files(tmp_path):
    hidden = changed(CRATE, make=lambda at: {"crate.parquet": at.scope.plan.files.read_table("crate.parquet")})
    plan = Plan(table(hidden), Kitchen(), Store(tmp_path), hidden=("plan",))
    with pytest.raises(AssertionError, match=r"'crate.parquet' takes 'plan' of the scope without saying so"):
        make(plan)


def test_what_makers_keep_is_of_files_that_each_of_them_declares(tmp_path):
    def keeping(at: Reader) -> Mapping[str, Any]:
        return {at.artifact.row.path: at.kept("weights", lambda: at.files.read_table("crate.parquet"))}

    shared: dict[str, Any] = {"holds": "fruit", "stage": "cook", "each": fruits, "group": "oven", "make": keeping}
    pie = Row(path="pie/{fruit}.parquet", reads=("crate.parquet",), **shared)
    tart = Row(path="tart/{fruit}.parquet", **shared)
    with pytest.raises(AssertionError, match=r"'tart/\{fruit\}.parquet' reads 'crate.parquet' without saying so"):
        make(plan_of(tmp_path, rows=(CRATE, pie, tart)))
    make(plan_of(tmp_path, rows=(CRATE, pie, changed(tart, reads=pie.reads))))


def test_rows_of_a_group_are_made_binding_by_binding_and_their_readers_see_them_in_the_order_of_the_scope(tmp_path):
    def pie(at: Reader) -> Mapping[str, Any]:
        at.scope.made.append(at.artifact.path)
        return {at.artifact.row.path: at.files.read_table("crate.parquet")}

    def only_pears(scope: Kitchen) -> Iterator[Mapping[str, str]]:
        return ({"fruit": fruit} for fruit in scope.fruits if fruit == "pear")

    shared: dict[str, Any] = {"stage": "bake", "reads": ("crate.parquet",), "group": "oven"}
    rows = (
        CRATE,
        Row(path="tart/{fruit}.parquet", holds="a tart", each=only_pears, make=pie, **shared),
        Row(path="pie/{fruit}.parquet", holds="a pie", each=fruits, make=pie, **shared),
        Row(path="menu.parquet", holds="all pies", stage="serve", reads=("pie/{fruit}.parquet",), make=shelf),
    )
    plan = plan_of(tmp_path, rows=[*rows[:3], changed(rows[3], make=lambda at: {"menu.parquet": b""})])
    assert make(plan) == ["crate.parquet", "tart/pear.parquet", "pie/pear.parquet", "pie/apple.parquet"]
    assert plan.artifacts["menu.parquet"].reads == ("pie/apple.parquet", "pie/pear.parquet")


def test_a_maker_knows_what_it_is_asked_for_next_and_may_say_that_it_cannot(tmp_path):
    asked = []

    def refuses(at: Reader) -> None:
        asked.append((at.artifact.path, [one.artifact.path for one in at.waiting]))

    plan = plan_of(tmp_path, rows=(CRATE, changed(JAM, reads=("crate.parquet",), make=refuses)))
    assert make(plan) == ["crate.parquet"]
    assert asked == [("jam/apple.parquet", ["jam/pear.parquet"]), ("jam/pear.parquet", [])]
    assert states(plan)["jam/apple.parquet"] is State.MISSING


def test_a_table_whose_rows_do_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'shelf.parquet' reads 'jam/\{fruit\}.parquet', which no row before it"):
        Table((SHELF, CRATE, JUICE, JAM), OPTIONS)
    with pytest.raises(ValueError, match="depends on 'salt', which is no option"):
        Table((changed(CRATE, options=("salt",)),), OPTIONS)


def test_what_lacks_an_input_is_refused_in_one_sentence(tmp_path):
    plan = plan_of(tmp_path)
    with pytest.raises(BadRun, match=r"'jam/apple.parquet' is made from 'crate.parquet', which the run .* lacks"):
        plan.make(plan.select("cook"), lambda artifact, done, total: None)
    assert why(plan, "jam/apple.parquet")[0] == "'jam/apple.parquet' waits for 'crate.parquet', which is missing."
    with pytest.raises(UnknownName, match="has no 'bread'"):
        why(plan, "bread")


def test_a_kill_between_two_outputs_leaves_both_to_be_made_again(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, Kitchen(sugar=2))
    make(plan)
    Store(tmp_path).remove("jam/pear.label")
    plan = plan_of(tmp_path, Kitchen(sugar=2))
    assert states(plan)["jam/pear.parquet"] is State.MISSING
    assert make(plan) == ["jam/pear.parquet"]
    assert all(state in COMPLETE for state in states(plan).values())


def test_what_is_read_by_its_key_must_be_there_and_not_stale(tmp_path):
    make(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    with pytest.raises(BadRun, match=r"'jam/apple.parquet' is made from 'juice/apple/'"):
        sweeter.make(sweeter.select("cook"), lambda artifact, done, total: None)
    assert make(sweeter)[0] == "juice/apple/"


def test_files_of_a_base_that_are_of_another_key_are_made_anew_beside_it(tmp_path):
    base = tmp_path / "base"
    make(plan_of(base))
    mine = Store(tmp_path / "mine")
    mine.start_from(base)
    sweeter = Plan(table(), Kitchen(sugar=2), mine)
    assert make(sweeter) == ALL[1:]
    assert make(sweeter) == []
    assert Store(base).read_table("shelf.parquet")["weight"].tolist() == [3, 4]
    mine.hide("jam/apple.parquet")
    assert "jam/apple.parquet" not in mine.names("jam/")
    assert not mine.has("jam/apple.parquet")


def test_a_damaged_file_of_a_base_is_told_and_not_removed(tmp_path):
    base = tmp_path / "base"
    make(plan_of(base))
    mine = Store(tmp_path / "mine")
    mine.start_from(base)
    (base / "crate.parquet").write_bytes(b"no table")
    with pytest.raises(BadRun, match=r"'crate.parquet' of the run .*base', which this one stands on"), mine.locked():
        pass
    assert (base / "crate.parquet").exists()


def test_a_table_less_some_rows_reads_nothing_of_them(tmp_path):
    without_juice = table().without(lambda row: row.path.startswith("juice/"))
    plan = Plan(without_juice, Kitchen(), Store(tmp_path))
    assert make(plan) == ["crate.parquet", "jam/apple.parquet", "jam/pear.parquet", "shelf.parquet"]
    assert plan.artifacts["jam/apple.parquet"].reads == ("crate.parquet",)
    assert states(plan_of(tmp_path))["jam/apple.parquet"] is State.STALE, "it was made from less"


def test_what_makers_keep_is_of_one_binding(tmp_path):
    asked: list[tuple[str, str]] = []

    def keeping(at: Reader) -> Mapping[str, Any]:
        fruit = at.binding["fruit"]
        for name in ("pulp", "peel", "pulp"):
            kept = at.kept(name, lambda name=name: (asked.append((fruit, name)), (fruit, name))[1])
            assert kept == (fruit, name)
        return {"jam/{fruit}.parquet": pd.DataFrame(), "jam/{fruit}.label": None}

    make(plan_of(tmp_path, rows=(CRATE, JUICE, changed(JAM, make=keeping))))
    assert asked == [(fruit, name) for fruit in ("apple", "pear") for name in ("pulp", "peel")]


PIECES = "units/{fruit}/{unit}.parquet"


def piecewise(at: Reader) -> Mapping[str, Any] | None:
    """Make jam of two pieces, and those of the jam that comes next."""
    for one, unit in product((at, *at.waiting), range(2)):
        if not one.has_piece(unit):
            at.scope.made.append(one.artifact.piece(unit))
            one.write_piece(unit, pd.DataFrame({"weight": [at.scope.sugar]}))
    if at.scope.killed:
        raise KeyboardInterrupt
    if at.binding["fruit"] in at.scope.refuses:
        return None
    return {"jam/{fruit}.parquet": pd.concat(map(at.read_piece, range(2))), "jam/{fruit}.label": None}


IN_PIECES = (CRATE, JUICE, changed(JAM, make=piecewise, pieces=PIECES))
OF_APPLES, OF_PEARS = ([f"units/{fruit}/unit-0000{unit}.parquet" for unit in range(2)] for fruit in Kitchen().fruits)


def test_pieces_survive_a_kill_and_are_of_the_same_inputs(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(plan_of(tmp_path, Kitchen(killed=True), rows=IN_PIECES))
    assert Store(tmp_path).names("units/") == [*OF_APPLES, *OF_PEARS]
    assert Store(tmp_path).damage() == [], "they are of the run, though nothing is complete that they are pieces of"
    assert make(plan_of(tmp_path, rows=IN_PIECES)) == [], "what the killed process had written is used"
    assert make(plan_of(tmp_path, Kitchen(sugar=2), rows=IN_PIECES))[2:] == [*OF_APPLES, *OF_PEARS]
    assert Store(tmp_path).read_table("jam/pear.parquet")["weight"].tolist() == [2, 2]


def test_pieces_go_once_what_they_are_pieces_of_is_complete_and_only_then(tmp_path):
    make(plan_of(tmp_path, Kitchen(refuses=("apple",)), rows=IN_PIECES))
    assert Store(tmp_path).names("units/") == OF_APPLES, "it could not be made here"
    plan = plan_of(tmp_path, rows=IN_PIECES)
    plan.make([plan.artifacts["jam/pear.parquet"]], lambda artifact, done, total: None)
    assert plan.files.names("units/") == OF_APPLES, "nobody asked for it"
    make(plan)
    assert plan.files.names("units/") == []
    plan.files.write(OF_APPLES[0], pd.DataFrame(), "key")
    make(plan)
    assert plan.files.names("units/") == [], "a kill had left it"


def test_a_maker_reads_no_piece_that_is_not_its_own(tmp_path):
    def cheats(at: Reader) -> Mapping[str, Any]:
        return {"jam/{fruit}.parquet": at.read_piece(0), "jam/{fruit}.label": None}

    make(plan_of(tmp_path, Kitchen(sugar=2), rows=(CRATE, JUICE)))
    with pytest.raises(AssertionError, match="'jam/{fruit}.parquet' is not made in pieces"):
        make(plan_of(tmp_path, rows=(CRATE, JUICE, changed(JAM, make=cheats))))
    Store(tmp_path).write(OF_APPLES[0], pd.DataFrame({"weight": [9]}), "of other inputs")
    with pytest.raises(AssertionError, match=f"'{OF_APPLES[0]}' is not there, or was made from other inputs"):
        make(plan_of(tmp_path, rows=(CRATE, JUICE, changed(JAM, make=cheats, pieces=PIECES))))

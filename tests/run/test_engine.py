"""The engine, over a table of its own that knows nothing of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from probing_core.errors import BadRun, UnknownName
from probing_core.run.engine import COMPLETE, Given, Option, Plan, Reads, Row, State, Table, Units, units_of
from probing_core.run.store import Store
from probing_core.run.why import why


@dataclass
class Kitchen:
    """The scope of the toy table, and the means of its makers: which fruits there are, how much sugar, what was made,
    and after how many units a maker is killed, or which fruits it cannot press."""

    fruits: tuple[str, ...] = ("apple", "pear")
    sugar: int = 1
    made: list[str] = field(default_factory=list)
    killed_after: int = 99
    refuses: tuple[str, ...] = ()


def fruits(scope: Kitchen) -> Iterator[Mapping[str, str]]:
    return ({"fruit": fruit} for fruit in scope.fruits)


def jam(files: Reads, given: Given) -> Mapping[str, Any]:
    fruit, sugar = given.binding["fruit"], given.options["sugar"]
    given.means.made.append(f"jam/{fruit}.parquet")
    crate = files.table("crate.parquet")
    weight = crate.loc[crate["fruit"] == fruit, "weight"].sum() * sugar
    label = b"sweet" if sugar > 1 else None
    return {"jam/{fruit}.parquet": pd.DataFrame({"weight": [weight]}), "jam/{fruit}.label": label}


def shelf(files: Reads, given: Given) -> pd.DataFrame:
    given.means.made.append("shelf.parquet")
    return pd.concat([files.read_table(path) for path in files.paths], ignore_index=True)


def crates(files: Reads, given: Given) -> pd.DataFrame:
    given.means.made.append("crate.parquet")
    return pd.DataFrame({"fruit": ["apple", "pear"], "weight": [3, 4]})


def press(made: Sequence[Units]) -> None:
    """Press three units of each fruit, the fruits in turn."""
    kitchen, written = made[0].given.means, 0
    for units in made:
        kitchen.made.append(units.artifact.path)
    for unit in range(3):
        for units in made:
            if unit in units.lacking(3) and units.given.binding["fruit"] not in kitchen.refuses:
                units.write(unit, {"juice": np.full((2, 2), units.given.options["sugar"], np.float32)})
                written += 1
                if written == kitchen.killed_after:
                    raise KeyboardInterrupt


CRATE = Row(path="crate.parquet", holds="fruit", stage="pick", make=crates)
JUICE = Row(
    path="juice/{fruit}/",
    holds="juice",
    stage="press",
    each=fruits,
    reads=("crate.parquet",),
    options=("sugar",),
    units=press,
    count=lambda scope, binding: 3,
    by_key=True,
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


OPTIONS = {"sugar": Option(lambda scope, binding: scope.sugar)}


def table(*rows: Row) -> Table:
    return Table(rows or (CRATE, JUICE, JAM, SHELF), OPTIONS)


def plan_of(root: Path, scope: Kitchen | None = None, rows: Sequence[Row] = ()) -> Plan:
    return plan_in(Store(root), scope, rows)


def plan_in(store: Store, scope: Kitchen | None = None, rows: Sequence[Row] = ()) -> Plan:
    scope = scope or Kitchen()
    return Plan(table(*rows), scope, store, means=scope)


def make(plan: Plan) -> list[str]:
    """Make everything; return what was made."""
    plan.scope.made.clear()
    plan.make(list(plan.artifacts.values()))
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


def test_what_is_reported_is_what_is_made(tmp_path):
    plan, said = plan_of(tmp_path), []
    plan.make(plan.select("pick", "press", "cook"), lambda artifact: said.append(artifact.path))
    assert said == [ALL[0], ALL[1], *ALL[3:5]], "what is pressed together is reported once"


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
    name = "juice/apple/unit-00000-00002.safetensors"
    entry = store.entry(name)
    store.write(name, {"juice": np.ones((6, 2), np.float32) + 1e-6}, entry["key"])
    assert make(plan_of(tmp_path)) == []


def test_a_folder_is_complete_when_its_files_hold_every_unit(tmp_path):
    plan = plan_of(tmp_path)
    make(plan)
    plan.files.remove("juice/pear/unit-00000-00002.safetensors")
    assert states(plan)["juice/pear/"] is State.MISSING
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
    joined = plan_in(mine, Kitchen(fruits=("apple", "pear", "plum")))
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


def test_a_table_whose_rows_do_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'shelf.parquet' reads 'jam/\{fruit\}.parquet', which no row before it"):
        Table((SHELF, CRATE, JUICE, JAM), OPTIONS)
    with pytest.raises(ValueError, match="depends on 'salt', which is no option"):
        Table((changed(CRATE, options=("salt",)),), OPTIONS)


def test_what_lacks_an_input_is_refused_in_one_sentence(tmp_path):
    plan = plan_of(tmp_path)
    with pytest.raises(BadRun, match=r"'jam/apple.parquet' is made from 'crate.parquet', which the run .* lacks"):
        plan.make(plan.select("cook"))
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
        sweeter.make(sweeter.select("cook"))
    assert make(sweeter)[0] == "juice/apple/"


def test_files_of_a_base_that_are_of_another_key_are_made_anew_beside_it(tmp_path):
    base = tmp_path / "base"
    make(plan_of(base))
    mine = Store(tmp_path / "mine")
    mine.start_from(base)
    sweeter = plan_in(mine, Kitchen(sugar=2))
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
    plan = Plan(without_juice, Kitchen(), Store(tmp_path), means=Kitchen())
    plan.scope = plan.means
    assert make(plan) == ["crate.parquet", "jam/apple.parquet", "jam/pear.parquet", "shelf.parquet"]
    assert plan.artifacts["jam/apple.parquet"].reads == ("crate.parquet",)
    assert states(plan_of(tmp_path))["jam/apple.parquet"] is State.STALE, "it was made from less"


def test_a_maker_finds_only_what_its_row_reads_and_is_given_only_the_options_that_it_names(tmp_path):
    make(plan_of(tmp_path))
    plan = plan_of(tmp_path, rows=(CRATE, JUICE, changed(JAM, reads=("juice/{fruit}/",), options=())))
    files, given = plan.given(plan.artifacts["jam/apple.parquet"])
    assert files.names() == ["juice/apple/unit-00000-00002.safetensors"]
    assert not files.has("crate.parquet")
    for read in (files.read_table, files.table, files.path):
        with pytest.raises(KeyError):
            read("crate.parquet")
    assert given.options == {}


def test_makers_may_be_given_more_than_keys_hold(tmp_path):
    sugar = changed(OPTIONS["sugar"], given=lambda scope, binding: f"{scope.sugar} spoons")
    plan = Plan(Table((CRATE, JUICE), {"sugar": sugar}), Kitchen(), Store(tmp_path))
    artifact = plan.artifacts["juice/apple/"]
    assert (artifact.options, plan.given(artifact)[1].options) == ({"sugar": 1}, {"sugar": "1 spoons"})


def test_rows_of_a_group_are_made_binding_by_binding_and_share_what_they_keep(tmp_path):
    asked = []

    def pie(files: Reads, given: Given, path: str) -> pd.DataFrame:
        given.means.made.append(path.format(**given.binding))
        if "crust" not in given.kept:
            asked.append(given.binding["fruit"])
            given.kept["crust"] = files.table("crate.parquet")
        if given.binding["fruit"] in given.means.refuses:
            raise KeyboardInterrupt
        return given.kept["crust"]

    def only_pears(scope: Kitchen) -> Iterator[Mapping[str, str]]:
        return ({"fruit": fruit} for fruit in scope.fruits if fruit == "pear")

    shared: dict[str, Any] = {"stage": "bake", "reads": ("crate.parquet",), "group": "oven"}
    paths = "tart/{fruit}.parquet", "pie/{fruit}.parquet"
    rows = (
        CRATE,
        Row(path=paths[0], holds="a tart", each=only_pears, make=partial(pie, path=paths[0]), **shared),
        Row(path=paths[1], holds="a pie", each=fruits, make=partial(pie, path=paths[1]), **shared),
        Row(path="menu.parquet", holds="all pies", stage="serve", reads=paths[1:], make=lambda *_: None),
    )
    plan = plan_of(tmp_path, rows=rows)
    assert make(plan) == ["crate.parquet", "tart/pear.parquet", "pie/pear.parquet", "pie/apple.parquet"]
    assert asked == ["pear", "apple"]
    assert plan.artifacts["menu.parquet"].reads == ("pie/apple.parquet", "pie/pear.parquet")
    with pytest.raises(KeyboardInterrupt):
        make(plan_of(tmp_path / "killed", Kitchen(refuses=("apple",)), rows))
    assert make(plan_of(tmp_path / "killed", rows=rows)) == ["pie/apple.parquet"], "what was made before the kill stays"


def units(root: Path) -> list[str]:
    return Store(root).names("units/")


@pytest.mark.parametrize("killed_after", range(1, 7))
def test_units_survive_a_kill_and_count_while_their_inputs_are_the_same(tmp_path, killed_after):
    make(plan_of(tmp_path / "whole"))
    root = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        make(plan_of(root, Kitchen(killed_after=killed_after)))
    assert len(units(root)) == killed_after
    assert Store(root).damage() == [], "they are of the run, though nothing is complete that they are units of"
    make(plan_of(root, Kitchen(killed_after=7 - killed_after)))  # it makes no more than what is missing
    assert units(root) == []
    names = Store(root).names()
    assert {n: Store(root).checksum(n) for n in names} == {n: Store(tmp_path / "whole").checksum(n) for n in names}


def test_units_of_other_inputs_are_made_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(plan_of(tmp_path, Kitchen(killed_after=4)))
    make(plan_of(tmp_path, Kitchen(sugar=2)))
    assert Store(tmp_path).read_arrays("juice/apple/unit-00000-00002.safetensors")["juice"].tolist() == [[2, 2]] * 6


def test_what_cannot_be_made_here_stays_missing_and_its_units_stay(tmp_path):
    rows = (CRATE, JUICE)
    with pytest.raises(KeyboardInterrupt):
        make(plan_of(tmp_path, Kitchen(killed_after=1), rows))
    plan = plan_of(tmp_path, Kitchen(refuses=("apple",)), rows)
    assert make(plan) == ["juice/apple/", "juice/pear/"]
    assert states(plan)["juice/apple/"] is State.MISSING
    assert states(plan)["juice/pear/"] is State.MADE
    assert len(units(tmp_path)) == 1
    assert make(plan_of(tmp_path, rows=rows)) == ["juice/apple/"]
    Store(tmp_path).write("units/juice/apple/unit-00000.safetensors", {}, "left by a kill")
    plan_of(tmp_path, rows=rows).clean()
    assert units(tmp_path) == []


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_is_made_from_its_units_by_its_maker_or_is_these_one_after_the_other(tmp_path, count):
    def slice_it(made: Sequence[Units]) -> None:
        for one in made:
            for unit in one.lacking(count):
                one.write(unit, pd.DataFrame({"slice": [unit]}))

    def salad(files: Reads, given: Given) -> pd.DataFrame | None:
        return pd.concat([files.read_table(part) for part in given.parts]) if given.parts else None

    shared: dict[str, Any] = {"holds": "slices", "stage": "cut", "units": slice_it}
    plan = plan_of(tmp_path, rows=(Row(path="bowl.parquet", **shared), Row(path="salad.parquet", make=salad, **shared)))
    make(plan)
    assert units(tmp_path) == []
    for path in ("bowl.parquet", "salad.parquet"):
        assert states(plan)[path] is (State.MADE if count else State.NOTHING)
        assert not count or plan.files.read_table(path)["slice"].tolist() == [0, 1]


def test_a_long_value_that_changed_is_only_named(tmp_path):
    make(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=10**60))
    assert why(sweeter, "juice/apple/") == ["'juice/apple/' is made again: sugar changed."]

"""The engine, with a small graph of invented assets instead of the assets of a run."""

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
from probing_core.run.assets import (
    Asset,
    AssetGraph,
    Context,
    InputFiles,
    Option,
    PartitionKey,
    Stage,
    UnitWriter,
    units_in,
)
from probing_core.run.engine import COMPLETE, Plan, State
from probing_core.run.store import Store
from probing_core.run.why import why


@dataclass
class Kitchen:
    """The snapshot and the resources of the invented graph.

    Attributes:
        fruits: partitions.
        sugar: value of an option.
        computed: paths and units that were computed, in order.
        killed_after: number of units after which a function is killed.
        refuses: fruits for which no juice is pressed.
    """

    fruits: tuple[str, ...] = ("apple", "pear")
    sugar: int = 1
    computed: list[str] = field(default_factory=list)
    killed_after: int = 99
    refuses: tuple[str, ...] = ()


def fruits(kitchen: Kitchen) -> Iterator[PartitionKey]:
    return ({"fruit": fruit} for fruit in kitchen.fruits)


SUGAR = Option("sugar", lambda kitchen, key: kitchen.sugar)

picking, pressing, cooking, storing = Stage("pick"), Stage("press"), Stage("cook"), Stage("store")


@picking.asset("crate.parquet")
def crate(files: InputFiles, context: Context) -> pd.DataFrame:
    """Fruit."""
    context.resources.computed.append("crate.parquet")
    return pd.DataFrame({"fruit": ["apple", "pear"], "weight": [3, 4]})


def press(writers: Sequence[UnitWriter]) -> None:
    """Press three units of each fruit, the fruits in turn."""
    kitchen, written = writers[0].context.resources, 0
    for writer in writers:
        kitchen.computed.append(writer.partition.path)
    for unit in range(3):
        for writer in writers:
            if unit in writer.missing(3) and writer.context.key["fruit"] not in kitchen.refuses:
                writer.write(unit, {"juice": np.full((2, 2), writer.context.options["sugar"], np.float32)})
                written += 1
                if written == kitchen.killed_after:
                    raise KeyboardInterrupt


juice = pressing.add(
    Asset(
        path="juice/{fruit}/",
        description="juice",
        stage="press",
        partitions=fruits,
        dependencies=(crate,),
        options=(SUGAR,),
        compute_units=press,
        shards=lambda kitchen, key: [(0, 2)],
        identified_by_key=True,
    )
)


@cooking.asset(
    "jam/{fruit}.parquet",
    partitions=fruits,
    dependencies=(crate, juice),
    options=(SUGAR,),
    also_writes=("jam/{fruit}.label",),
    message="Cooking {fruit}",
)
def jam(files: InputFiles, context: Context) -> Mapping[str, Any]:
    """Cook jam."""
    fruit, sugar = context.key["fruit"], context.options["sugar"]
    context.resources.computed.append(f"jam/{fruit}.parquet")
    table = files.table("crate.parquet")
    weight = table.loc[table["fruit"] == fruit, "weight"].sum() * sugar
    label = b"sweet" if sugar > 1 else None
    return {"jam/{fruit}.parquet": pd.DataFrame({"weight": [weight]}), "jam/{fruit}.label": label}


@storing.asset("shelf.parquet", dependencies=(jam,))
def shelf(files: InputFiles, context: Context) -> pd.DataFrame:
    """All jam."""
    context.resources.computed.append("shelf.parquet")
    return pd.concat([files.read_table(path) for path in files.paths], ignore_index=True)


ASSETS = (crate, juice, jam, shelf)


def plan_of(root: Path, kitchen: Kitchen | None = None, assets: Sequence[Asset] = ASSETS) -> Plan:
    return plan_in(Store(root), kitchen, assets)


def plan_in(store: Store, kitchen: Kitchen | None = None, assets: Sequence[Asset] = ASSETS) -> Plan:
    kitchen = kitchen or Kitchen()
    return Plan(AssetGraph(assets), kitchen, store, resources=kitchen)


def materialize(plan: Plan) -> list[str]:
    """Materialize everything; return what was computed."""
    plan.snapshot.computed.clear()
    plan.materialize(list(plan.partitions.values()))
    return list(plan.snapshot.computed)


def states(plan: Plan) -> dict[str, State]:
    return {path: plan.state(partition) for path, partition in plan.partitions.items()}


ALL = ["crate.parquet", "juice/apple/", "juice/pear/", "jam/apple.parquet", "jam/pear.parquet", "shelf.parquet"]


def test_materialize_computes_everything_once_in_the_order_of_the_graph(tmp_path):
    plan = plan_of(tmp_path)
    assert set(states(plan).values()) == {State.MISSING}
    assert materialize(plan) == ALL
    assert materialize(plan) == []
    assert materialize(plan_of(tmp_path)) == [], "another process finds the same"
    assert set(states(plan).values()) == {State.MATERIALIZED}


def test_materialize_reports_what_it_computes(tmp_path):
    plan, reported = plan_of(tmp_path), []
    plan.materialize(plan.select("pick", "press", "cook"), lambda partition: reported.append(partition.path))
    assert reported == [ALL[0], ALL[1], *ALL[3:5]], "what is pressed together is reported once"


def test_plan_changed_option_makes_its_assets_and_changed_dependents_stale(tmp_path):
    materialize(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    found = states(sweeter)
    assert found["crate.parquet"] is State.MATERIALIZED
    assert found["jam/apple.parquet"] is State.STALE
    assert why(sweeter, "jam/apple.parquet") == [
        "'jam/apple.parquet' is stale: sugar changed from 1 to 2.",
        "'jam/apple.parquet' is stale: 'juice/apple/' changed.",
    ]
    assert why(sweeter, "shelf.parquet") == [
        "'shelf.parquet' is complete: its inputs have not changed; it may become stale when 'juice/apple/' is "
        "recomputed."
    ]
    assert materialize(sweeter) == ALL[1:]
    assert Store(tmp_path).read_table("shelf.parquet")["weight"].tolist() == [6, 8]


def test_plan_same_bytes_make_no_dependent_stale(tmp_path):
    materialize(plan_of(tmp_path))
    Store(tmp_path).remove("jam/apple.parquet")
    assert materialize(plan_of(tmp_path)) == ["jam/apple.parquet"]


def test_plan_identified_by_key_ignores_other_bytes(tmp_path):
    materialize(plan_of(tmp_path))
    store = Store(tmp_path)
    name = "juice/apple/unit-00000-00002.safetensors"
    entry = store.entry(name)
    store.write(name, {"juice": np.ones((6, 2), np.float32) + 1e-6}, entry["key"])
    assert materialize(plan_of(tmp_path)) == []


def test_state_folder_is_materialized_when_its_files_hold_every_unit(tmp_path):
    plan = plan_of(tmp_path)
    materialize(plan)
    plan.store.remove("juice/pear/unit-00000-00002.safetensors")
    assert states(plan)["juice/pear/"] is State.MISSING
    assert materialize(plan) == ["juice/pear/"]
    assert units_in(["a/unit-00000-00001.safetensors", "a/unit-00004.safetensors"]) == {0, 1, 4}


def test_plan_raised_code_version_makes_the_asset_stale(tmp_path):
    materialize(plan_of(tmp_path))
    assets = (crate, juice, changed(jam, code_version=2), shelf)
    raised = plan_of(tmp_path, assets=assets)
    assert why(raised, "jam/apple.parquet") == ["'jam/apple.parquet' is stale: code version changed from 1 to 2."]
    assert materialize(raised) == ["jam/apple.parquet", "jam/pear.parquet"], "the shelf reads the same jam"


def test_materialize_remembers_that_there_was_nothing_to_write(tmp_path):
    plan = plan_of(tmp_path)
    materialize(plan)
    assert not plan.store.has("jam/apple.label")
    assert plan.store.entry("jam/apple.label")["state"] == "nothing"
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    materialize(sweeter)
    assert sweeter.store.read_bytes("jam/apple.label") == b"sweet"
    materialize(plan_of(tmp_path))
    assert not (tmp_path / "jam" / "apple.label").exists(), "the old file is removed"


def test_state_left_out_is_complete_and_its_missing_dependents_are_unavailable(tmp_path):
    plan = plan_of(tmp_path)
    materialize(plan)
    plan.store.leave_out(*plan.store.names("juice/"))
    assert states(plan)["juice/apple/"] is State.LEFT_OUT
    assert states(plan)["jam/apple.parquet"] is State.MATERIALIZED, "its inputs have not changed"
    assert why(plan, "juice/apple/") == ["'juice/apple/' is complete: it was not shipped with the run."]
    assert plan.store.damaged() == {}
    plan.store.remove("jam/apple.parquet")
    assert states(plan)["jam/apple.parquet"] is State.UNAVAILABLE
    assert why(plan, "jam/apple.parquet") == [
        "'jam/apple.parquet' cannot be computed, because 'juice/apple/' was not shipped with the run."
    ]
    assert materialize(plan) == []


def test_plan_has_no_partitions_that_the_snapshot_does_not_know(tmp_path):
    kitchen = Kitchen(fruits=())
    plan = plan_of(tmp_path, kitchen)
    assert list(plan.partitions) == ["crate.parquet", "shelf.parquet"]
    kitchen.fruits = Kitchen().fruits
    assert list(plan_of(tmp_path, kitchen).partitions) == ALL


def test_asset_graph_refuses_unknown_dependencies():
    with pytest.raises(ValueError, match=r"depends on 'jam/\{fruit\}.parquet', which no preceding asset"):
        AssetGraph((shelf, crate, juice, jam))
    with pytest.raises(ValueError, match="does not write 'jam.txt'"):
        jam.output("jam.txt")


def test_materialize_refuses_a_missing_dependency(tmp_path):
    plan = plan_of(tmp_path)
    with pytest.raises(BadRun, match=r"'jam/apple.parquet' depends on 'crate.parquet', which is missing from the run"):
        plan.materialize(plan.select("cook"))
    assert why(plan, "jam/apple.parquet")[0] == "'jam/apple.parquet' depends on 'crate.parquet', which is missing."
    with pytest.raises(UnknownName, match="has no file 'bread'"):
        why(plan, "bread")


def test_state_is_missing_where_one_of_two_files_is(tmp_path):
    plan = plan_of(tmp_path, Kitchen(sugar=2))
    materialize(plan)
    Store(tmp_path).remove("jam/pear.label")
    plan = plan_of(tmp_path, Kitchen(sugar=2))
    assert states(plan)["jam/pear.parquet"] is State.MISSING
    assert materialize(plan) == ["jam/pear.parquet"]
    assert all(state in COMPLETE for state in states(plan).values())


def test_materialize_refuses_a_stale_dependency_that_is_identified_by_key(tmp_path):
    materialize(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=2))
    with pytest.raises(BadRun, match=r"'jam/apple.parquet' depends on 'juice/apple/'"):
        sweeter.materialize(sweeter.select("cook"))
    assert materialize(sweeter)[0] == "juice/apple/"


def test_asset_graph_only_drops_dependencies_on_other_assets(tmp_path):
    without_juice = AssetGraph(ASSETS).only(asset.path for asset in (crate, jam, shelf))
    kitchen = Kitchen()
    plan = Plan(without_juice, kitchen, Store(tmp_path), resources=kitchen)
    assert materialize(plan) == ["crate.parquet", "jam/apple.parquet", "jam/pear.parquet", "shelf.parquet"]
    assert plan.partitions["jam/apple.parquet"].dependencies == ("crate.parquet",)
    assert states(plan_of(tmp_path))["jam/apple.parquet"] is State.STALE, "it had fewer dependencies"


def test_arguments_hold_only_the_dependencies_and_options_of_the_asset(tmp_path):
    materialize(plan_of(tmp_path))
    plan = plan_of(tmp_path, assets=(crate, juice, changed(jam, dependencies=("juice/{fruit}/",), options=())))
    files, context = plan.arguments(plan.partitions["jam/apple.parquet"])
    assert files.names() == ["juice/apple/unit-00000-00002.safetensors"]
    assert not files.has("crate.parquet")
    for read in (files.read_table, files.table, files.path):
        with pytest.raises(KeyError):
            read("crate.parquet")
    assert context.options == {}


def test_arguments_hold_the_object_that_an_option_describes(tmp_path):
    sugar = changed(SUGAR, argument=lambda kitchen, key: f"{kitchen.sugar} spoons")
    plan = plan_of(tmp_path, assets=(crate, changed(juice, options=(sugar,))))
    partition = plan.partitions["juice/apple/"]
    assert (partition.options, plan.arguments(partition)[1].options) == ({"sugar": 1}, {"sugar": "1 spoons"})


def test_assets_of_a_group_are_computed_by_partition_and_share_the_cache(tmp_path):
    asked = []

    def pie(files: InputFiles, context: Context, path: str) -> pd.DataFrame:
        context.resources.computed.append(path.format(**context.key))
        if "crust" not in context.cache:
            asked.append(context.key["fruit"])
            context.cache["crust"] = files.table("crate.parquet")
        if context.key["fruit"] in context.resources.refuses:
            raise KeyboardInterrupt
        return context.cache["crust"]

    def only_pears(kitchen: Kitchen) -> Iterator[PartitionKey]:
        return ({"fruit": fruit} for fruit in kitchen.fruits if fruit == "pear")

    shared: dict[str, Any] = {"stage": "bake", "dependencies": ("crate.parquet",), "group": "oven"}
    paths = "tart/{fruit}.parquet", "pie/{fruit}.parquet"
    assets = (
        crate,
        Asset(
            path=paths[0], description="a tart", partitions=only_pears, function=partial(pie, path=paths[0]), **shared
        ),
        Asset(path=paths[1], description="a pie", partitions=fruits, function=partial(pie, path=paths[1]), **shared),
        Asset(
            path="menu.parquet", description="all pies", stage="serve", dependencies=paths[1:], function=lambda *_: None
        ),
    )
    plan = plan_of(tmp_path, assets=assets)
    assert materialize(plan) == ["crate.parquet", "tart/pear.parquet", "pie/pear.parquet", "pie/apple.parquet"]
    assert asked == ["pear", "apple"]
    assert plan.partitions["menu.parquet"].dependencies == ("pie/apple.parquet", "pie/pear.parquet")
    with pytest.raises(KeyboardInterrupt):
        materialize(plan_of(tmp_path / "killed", Kitchen(refuses=("apple",)), assets))
    assert materialize(plan_of(tmp_path / "killed", assets=assets)) == ["pie/apple.parquet"], (
        "what was computed before the kill stays"
    )


def units(root: Path) -> list[str]:
    return Store(root).names("units/")


@pytest.mark.parametrize("killed_after", range(1, 7))
def test_units_survive_a_kill(tmp_path, killed_after):
    materialize(plan_of(tmp_path / "whole"))
    root = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        materialize(plan_of(root, Kitchen(killed_after=killed_after)))
    joined = [name for fruit in ("apple", "pear") for name in Store(root).names(f"juice/{fruit}/")]
    assert len(units(root)) + 3 * len(joined) == killed_after
    assert Store(root).damage() == [], "units belong to the run before anything is complete"
    materialize(plan_of(root, Kitchen(killed_after=7 - killed_after)))  # it computes no more than what is missing
    assert units(root) == []
    names = Store(root).names()
    assert {n: Store(root).checksum(n) for n in names} == {n: Store(tmp_path / "whole").checksum(n) for n in names}


def test_units_of_other_inputs_are_recomputed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        materialize(plan_of(tmp_path, Kitchen(killed_after=4)))
    materialize(plan_of(tmp_path, Kitchen(sugar=2)))
    assert Store(tmp_path).read_arrays("juice/apple/unit-00000-00002.safetensors")["juice"].tolist() == [[2, 2]] * 6


def test_units_stay_while_others_cannot_be_computed(tmp_path):
    assets = (crate, juice)
    with pytest.raises(KeyboardInterrupt):
        materialize(plan_of(tmp_path, Kitchen(killed_after=1), assets))
    plan = plan_of(tmp_path, Kitchen(refuses=("apple",)), assets)
    assert materialize(plan) == ["juice/apple/", "juice/pear/"]
    assert states(plan)["juice/apple/"] is State.MISSING
    assert states(plan)["juice/pear/"] is State.MATERIALIZED
    assert len(units(tmp_path)) == 1
    assert materialize(plan_of(tmp_path, assets=assets)) == ["juice/apple/"]
    Store(tmp_path).write("units/juice/apple/unit-00000.safetensors", {}, "left by a kill")
    plan_of(tmp_path, assets=assets).clean()
    assert units(tmp_path) == []


@pytest.mark.parametrize("count", [0, 2])
def test_asset_in_units_is_what_its_function_returns_or_the_joined_units(tmp_path, count):
    def slice_it(made: Sequence[UnitWriter]) -> None:
        for one in made:
            for unit in one.missing(count):
                one.write(unit, pd.DataFrame({"slice": [unit]}))

    def salad(files: InputFiles, context: Context) -> pd.DataFrame | None:
        return pd.concat([files.read_table(part) for part in context.units]) if context.units else None

    shared: dict[str, Any] = {"description": "slices", "stage": "cut", "compute_units": slice_it}
    plan = plan_of(
        tmp_path, assets=(Asset(path="bowl.parquet", **shared), Asset(path="salad.parquet", function=salad, **shared))
    )
    materialize(plan)
    assert units(tmp_path) == []
    for path in ("bowl.parquet", "salad.parquet"):
        assert states(plan)[path] is (State.MATERIALIZED if count else State.NOTHING)
        assert not count or plan.store.read_table(path)["slice"].tolist() == [0, 1]


def test_why_only_names_long_values(tmp_path):
    materialize(plan_of(tmp_path))
    sweeter = plan_of(tmp_path, Kitchen(sugar=10**60))
    assert why(sweeter, "juice/apple/") == ["'juice/apple/' is stale: sugar changed."]

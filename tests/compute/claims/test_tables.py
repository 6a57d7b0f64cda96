"""The shipped run's claims tested again, beside published encoders that answer as the zoo's do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from lab.scripts.reference import is_second_training
from probing_core.compute.claims import CLAIMS, UNDECIDED, claim_tables
from probing_core.compute.claims.named import FINE
from probing_core.compute.claims.tables import GROUP_TASKS, ClaimTables, model_results, models_by_role
from probing_core.compute.tasks import CONTENT
from probing_core.models import ROLES, encoders_of
from probing_core.models.published import PUBLISHED
from probing_core.paths import reference_run
from probing_core.results import claims_by_set, result_in_words
from probing_core.results.sentences import WORDS
from probing_core.run import layout, makers
from probing_core.run.recipe import load_transforms, read_recipe
from probing_core.run.sample_table import SampleTable
from probing_core.run.store import Store
from probing_core.transforms import FAR_CONTROL
from tests.plans import plan_of

SHIPPED = ("claims", "contrasts", "ablations")


def predictions_of(names: Mapping[str, str]) -> Callable[[str, str], pd.DataFrame]:
    """Predictions of the reference run; ``names`` tells of which of its models one of another name has them."""
    shipped = Store(reference_run())
    samples = SampleTable(shipped)

    def predictions(model: str, task: str) -> pd.DataFrame:
        path = layout.predictions_path(names[model], task)
        return samples.joined(path, ["sample", "truth", "predicted"], ["base_id", "transform"])

    return predictions


@pytest.fixture(scope="module")
def tested() -> ClaimTables:
    """Models of the reference run but second trainings, and once more under the names of published encoders."""
    return tables_of_reference(published_too=True)


def tables_of_reference(published_too: bool) -> ClaimTables:
    """The reference run's own models, or its first trainings and the same once more as published encoders."""
    zoo, published = encoders_of("zoo"), encoders_of("published")
    names = {name: name for name in (*(n for each in zoo.values() for n in each), "zoo/clip", "zoo/align")}
    if published_too:
        names |= {published[role][0]: zoo[role][0] for role in published} | {"zoo/simclr-matched": "zoo/simclr-matched"}
    else:
        names |= {name: name for name in read_recipe(Store(reference_run())).models if is_second_training(name)}
        names |= {"zoo/simclr-matched": "zoo/simclr-matched"}
    far = {t.name for t in load_transforms(read_recipe(Store(reference_run()))) if t.far}
    predictions, tasks = predictions_of(names), (FINE, *GROUP_TASKS, CONTENT)
    results = {m: model_results({t: predictions(m, t) for t in tasks}, far - {FAR_CONTROL}) for m in names}
    return claim_tables(list(names), results)


def tables(tested: ClaimTables, role_set: str) -> dict[str, pd.DataFrame]:
    found = {name: getattr(tested, name) for name in SHIPPED}
    return {n: t[t["set"] == role_set].reset_index(drop=True) if "set" in t else t for n, t in found.items()}


@pytest.mark.slow
def test_the_shipped_results_are_those_of_the_shipped_predictions():
    again = tables(tables_of_reference(published_too=False), "zoo")
    for name in SHIPPED:
        pd.testing.assert_frame_equal(again[name], Store(reference_run()).read_table(layout.table_path(name)))
    both = "CLIP: zoo/clip-plain, zoo/clip-plain@seed=1; ALIGN: zoo/align-plain, zoo/align-plain@seed=1"
    assert again["claims"]["encoders"][0].endswith(both)
    assert set(again["claims"]["missing"]) == {""}


@pytest.mark.slow
def test_published_encoders_are_tested_apart_and_without_what_is_missing(tested):
    zoo, published = tables(tested, "zoo"), tables(tested, "published")
    assert list(published["claims"]["claim"]) == list(CLAIMS)
    assert list(published["claims"]["missing"]) == ["CAN"] * 5
    contrasts = published["contrasts"]
    involved = (contrasts[["first_role", "second_role"]] == "CAN").any(axis=1)
    numbers = ["effect", "low", "high", "p"]
    assert contrasts.loc[involved, numbers].isna().all(axis=None)
    assert contrasts.loc[~involved, numbers].equals(zoo["contrasts"].loc[~involved, numbers])
    assert not contrasts[["first", "second"]].apply(lambda c: c.str.startswith("zoo/")).any(axis=None)
    assert published["claims"]["result"][0] == zoo["claims"]["result"][0] != UNDECIDED
    assert result_in_words(published["claims"].iloc[0]) == "Supported here, tested without CAN."
    assert result_in_words(zoo["claims"].iloc[0]) == "Supported here."
    titles = [tested.title for tested in claims_by_set(tested.claims)]
    assert [title.split(",")[0] for title in titles] == ["Tested on the zoo", "Tested on published encoders"]
    for of_zoo, of_published in zip(zoo["claims"].itertuples(), published["claims"].itertuples(), strict=True):
        assert result_in_words(of_zoo._asdict()) == f"{WORDS[of_zoo.result]}."
        assert result_in_words(of_published._asdict()) == f"{WORDS[of_published.result]}, tested without CAN."


def test_each_role_is_named_once_beforehand():
    assert list(encoders_of("zoo")) == list(ROLES)
    assert list(encoders_of("published")) == [role for role in ROLES if role != "CAN"]
    assert all(len(names) == 1 for role_set in ("zoo", "published") for names in encoders_of(role_set).values())
    assert {spec.role for spec in PUBLISHED} <= {*ROLES, ""}


def test_a_further_training_plays_the_role_and_another_layer_does_not():
    names = ["zoo/mae", "zoo/mae@weights=/b.safetensors", "zoo/mae@layer=2", "zoo/mae@pool=mean", "zoo/clip", "my/mae"]
    published = ["timm:vit_base_patch16_224.mae@weights=/a.pth", "timm:vit_large_patch16_224.mae"]
    assert models_by_role("zoo", names + published) == {"MAE": names[:2]}
    assert models_by_role("published", names + published) == {"MAE": published[:1]}


def test_trainings_of_one_role_share_its_rows(tested_seeds):
    contrasts = tested_seeds.read_table(layout.CONTRASTS)
    row = contrasts[(contrasts["first_role"] == "MAE") & (contrasts["second_role"] == "SimCLR")].iloc[0]
    assert row["first"].split(", ") == ["zoo/mae", "zoo/mae@weights=/1", "zoo/mae@weights=/2"]
    assert row["seeds_low"] <= row["effect"] <= row["seeds_high"]
    assert np.isfinite(row["p_seeds"])
    assert (
        "MAE: zoo/mae, zoo/mae@weights=/1, zoo/mae@weights=/2" in tested_seeds.read_table(layout.CLAIMS)["encoders"][0]
    )


def test_what_is_tested_already_is_not_tested_again_until_predictions_differ(tested_seeds, tmp_path, monkeypatch):
    store, tested = Store(shutil.copytree(tested_seeds.root, tmp_path / "run")), []
    monkeypatch.setattr(
        makers,
        "claim_tables",
        lambda models, *_: (tested.append(models), ClaimTables(*[pd.DataFrame({"n": [1]})] * 3))[1],
    )
    decide_claims(store)
    assert tested == []
    path = layout.predictions_path("zoo/mae", "fine")
    rows = store.read_table(path)
    store.write_table(path, rows.assign(predicted=rows["truth"]), "other")
    decide_claims(store)
    assert [len(models) for models in tested] == [6]


@pytest.fixture(scope="module")
def tested_seeds(tmp_path_factory) -> Store:
    """Three trainings each of two roles, over the first photographs of the reference run alone."""
    shipped, store = Store(reference_run()), Store(tmp_path_factory.mktemp("seeds") / "run")
    for path in (layout.RECIPE, layout.IMAGES, layout.SAMPLES):
        store.write_bytes(path, shipped.read_bytes(path), "copied")
    samples = store.read_table(layout.SAMPLES, ["sample", "base_id"])
    for name in ("mae", "simclr"):
        entry = shipped.read_toml(layout.model_path(f"zoo/{name}"))
        rows = shipped.read_table(layout.predictions_path(f"zoo/{name}", "fine")).merge(samples)
        rows = rows[rows["base_id"].isin(rows["base_id"].unique()[:30])].drop(columns="base_id")
        for seed, option in enumerate(("", "@weights=/1", "@weights=/2")):
            full = f"zoo/{name}{option}"
            store.write_toml(layout.model_path(full), entry | {"name": full, "request": full}, "made")
            wrong = np.random.default_rng(seed).random(len(rows)) < 0.05 * seed
            predicted = rows["predicted"].mask(wrong, "identity")
            store.write_table(layout.predictions_path(full, "fine"), rows.assign(predicted=predicted), "made")
            for task in ("content", *GROUP_TASKS):
                store.write(layout.predictions_path(full, task), None, "made")
    decide_claims(store)
    return store


def decide_claims(store: Store) -> None:
    plan = plan_of(store)
    plan.make([plan.artifacts[layout.CLAIMS]], lambda artifact, done, total: None)

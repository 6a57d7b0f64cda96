from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import put
from probing_core.compute.sampling import samples, series
from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.sampling.series import make_samples, plan_series, position_of, series_names, strengths_of
from probing_core.compute.task_names import FRAMING, LAYERS, MAIN, RENDERING, STRENGTH
from probing_core.corpora import open_corpus
from probing_core.models import load_embedder, locate
from probing_core.run import embedding_worker, sample_sets
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import IMAGES, model_path, record_path, series_table
from probing_core.run.models import PRECOMPUTED, has_embeddings, lazy_blocks, lazy_embeddings, read_embeddings
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.run.run_files import Record, RunFiles
from probing_core.run.work import Work, embeddings_step, samples_step
from probing_core.transforms import bank, resolve
from probing_core.transforms.alternatives import clean
from probing_core.transforms.transformation import generator
from tests.compute.test_samples import recipe_of, silent
from tests.plans import keys_of, pending
from tests.run.test_embed import embed, files, start

pytestmark = pytest.mark.slow

SOME_UNITS = 150_000
"""Bytes of two units of baseline/pixels."""

TRANSFORMS = ("identity", "gaussian-noise", "gaussian-blur", "posterize", "rotate", "hue-shift")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(series, "SERIES_IMAGES", 4)
    monkeypatch.setattr(series, "FRAMED_IMAGES", 4)
    monkeypatch.setattr(series, "LAYER_IMAGES", {"train": 3, "val": 2, "test": 2})
    monkeypatch.setattr(series, "LAYER_CLEAN_IMAGES", {"train": 5, "val": 2, "test": 3})
    monkeypatch.setattr(samples, "UNIT_SAMPLES", 48)


@pytest.fixture
def planned(many_scenes):
    corpus = open_corpus(f"folder:{many_scenes}")
    recipe = recipe_of(corpus, transforms=TRANSFORMS)
    return recipe, corpus, choose_images(recipe.design, corpus, silent)


def make(name, recipe, corpus, images):
    with ThreadPoolExecutor(2) as pool:
        return make_samples(name, recipe.design, corpus, plan_series(name, recipe.design, images), pool)


def test_only_runs_that_are_split_have_series(planned, few_scenes):
    recipe, _, images = planned
    assert series_names(recipe.design, images) == (RENDERING, STRENGTH, LAYERS, FRAMING)
    assert series_names(replace(recipe, transforms=("identity", "text")).design, images) == (STRENGTH, LAYERS, FRAMING)
    corpus = open_corpus(f"folder:{few_scenes}")
    few = recipe_of(corpus)
    assert series_names(few.design, choose_images(few.design, corpus, silent)) == ()


def test_strengths_reach_from_faint_to_the_strongest_by_the_law():
    assert strengths_of(resolve("gaussian-noise")) == pytest.approx([0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12])
    assert strengths_of(resolve("contrast")) == pytest.approx([0.975, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2])
    assert strengths_of(resolve("posterize")) == [7, 6, 4, 3, 2]
    far = replace(resolve("gaussian-noise"), distribution="log", strongest=0.64)
    assert strengths_of(far)[4:] == pytest.approx([0.04, 0.16, 0.64])
    assert strengths_of(replace(far, neutral=None)) == pytest.approx(0.04 * 16 ** (np.arange(7) / 6))


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in bank()[1:]])
def test_every_transform_has_five_to_seven_strengths_some_of_them_fainter_than_the_weakest(transform):
    positions = [position_of(transform, strength) for strength in strengths_of(transform)]
    assert 5 <= len(positions) <= 7
    assert positions == sorted(set(positions))
    assert positions[1] < 0 < positions[-1] == 1


def test_planned_samples_are_test_images_in_turn(planned):
    recipe, _, images = planned
    table = plan_series(STRENGTH, recipe.design, images)
    assert set(table["split"]) == {"test"}
    assert table["image_id"].nunique() == table["base_id"].nunique() == 4
    assert table["sample"].tolist() == list(range(4 * (4 * 7 + 5)))
    assert table.equals(plan_series(STRENGTH, recipe.design, images))
    ends = table.groupby("transform")["position"].agg(["min", "max"])
    assert (ends["min"] < 0).all()
    assert (ends["max"] == 1).all()


def test_a_series_differs_by_its_strength_alone(planned):
    recipe, corpus, images = planned
    pictures, facts = make(STRENGTH, recipe, corpus, images)
    rows = facts[(facts["transform"] == "gaussian-noise") & (facts["image_id"] == facts["image_id"].iloc[0])]
    first, last = (pictures[i].astype(float) for i in (rows.index[-3], rows.index[-1]))
    middle = pictures[rows.index[-2]].astype(float)
    # The same noise, scaled: half the way in strength is half the way in pixels, where nothing is clipped.
    inside = (np.minimum(first, last) > 40) & (np.maximum(first, last) < 215)
    assert np.abs((first + last) / 2 - middle)[inside].max() <= 1
    assert np.abs(first - last)[inside].mean() > 2
    assert rows["difference"].is_monotonic_increasing


def test_killed_anywhere_and_resumed_gives_the_same_bytes(tmp_path, many_scenes, monkeypatch):
    monkeypatch.setattr(sample_sets, "SHARD_BYTES", SOME_UNITS)
    whole, recipe, corpus = start(tmp_path / "whole", many_scenes, transforms=TRANSFORMS)
    embed(whole, recipe, corpus)
    written = len(files(whole.root))
    assert whole.read_table("series/strength.parquet")["sample"].tolist() == list(range(4 * 33))
    assert not list((whole.root / "units").glob("*"))
    assert 1 < len(whole.names("models/baseline-pixels/series/strength/")) < 4  # of four units
    broken, recipe, corpus = start(tmp_path / "broken", many_scenes, transforms=TRANSFORMS)
    replace_file = Path.replace

    class Killed(Exception):
        pass

    for _ in range(3 * written):
        left = count(9, -1)

        def killed(path, target, left=left):
            """Files that were written or moved do not get their name any more."""
            if next(left) <= 0:
                raise Killed
            return replace_file(path, target)

        monkeypatch.setattr(Path, "replace", killed)
        try:
            embed(broken, recipe, corpus)
        except Killed:
            continue
        break
    else:
        pytest.fail("it never came to an end")
    monkeypatch.undo()
    ours, theirs = files(broken.root), files(whole.root)
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_embeddings_are_those_of_the_pictures_and_a_missing_unit_alone_is_made_again(
    tmp_path, many_scenes, planned, monkeypatch
):
    recipe, corpus, images = planned
    monkeypatch.setattr(sample_sets, "SHARD_BYTES", 1)
    store, recipe, corpus = start(tmp_path / "run", many_scenes, transforms=TRANSFORMS)
    embed(store, recipe, corpus)
    for name in (STRENGTH, RENDERING, FRAMING):
        pictures, facts = make(name, recipe, corpus, images)
        expected = load_embedder("baseline/pixels").embed(pictures)
        assert np.array_equal(read_embeddings(store, "baseline/pixels", series=name), expected)
        rows = np.array([0, 3, len(facts) - 1])
        assert np.array_equal(lazy_embeddings(store, "baseline/pixels", name)[rows], expected[rows])
        pd.testing.assert_frame_equal(store.read_table(f"series/{name}.parquet"), facts, check_dtype=False)
    before = files(store.root)
    assert pending(store.root, "embed") == []
    (store.root / "models/baseline-pixels/series/strength/unit-00001.safetensors").unlink()
    assert pending(store.root, "embed") == [embeddings_step("baseline/pixels", STRENGTH)]
    made = []

    def noted(name, recipe, corpus, rows, pool):
        made.append(len(rows))
        assert name, "a main sample was made again"
        return make_samples(name, recipe, corpus, rows, pool)

    monkeypatch.setattr(sample_sets, "make_samples", noted)
    embed(store, recipe, corpus)
    assert made == [33]  # one image
    assert files(store.root) == before


NETWORK = {"name": "a/network", "request": "a/network", "position": 0, "family": "ViT", "objective": "none", "dim": 8}


@pytest.fixture
def loaded(planned, tmp_path) -> tuple[RunFiles, Recipe]:
    """A run whose images are chosen and whose model, with blocks, was loaded: it embedded nothing yet."""
    recipe, _, images = planned
    store, recipe = RunFiles(tmp_path / "loaded"), replace(recipe, models=("a/network",))
    put(store, {IMAGES: images})
    put(store, {model_path("a/network"): NETWORK | {"blocks": ["1.mean"], "recipe": {}}})
    return store, recipe


def keys_of_series(store: RunFiles, recipe: Recipe) -> dict[str, str]:
    """Return the keys of the steps that write the tables of experiments and the embeddings of their samples."""
    return {step: key for step, key in keys_of(store.root, recipe).items() if "series/" in step}


def test_a_transform_that_changes_is_another_series(loaded, monkeypatch):
    before = keys_of_series(*loaded)
    assert set(before) == {
        step
        for name in series.MAKERS
        if name  # the main samples are made alike, and are none
        for step in (samples_step(name), embeddings_step("a/network", name))
    }
    stronger = tuple(replace(t, strongest=t.strongest * 1.1) for t in load_transforms(loaded[1]))
    monkeypatch.setattr("probing_core.run.recipe.load_transforms", lambda r: stronger)
    assert not set(before.values()) & set(keys_of_series(*loaded).values())


def test_another_implementation_of_a_transform_is_another_series_of_renderings_alone(loaded, monkeypatch):
    before = keys_of_series(*loaded)
    raised = tuple(replace(t, alternative_revision=99) for t in load_transforms(loaded[1]))
    monkeypatch.setattr("probing_core.run.recipe.load_transforms", lambda r: raised)
    after = keys_of_series(*loaded)
    changed = [step for step in before if before[step] != after[step]]
    assert changed == [samples_step(RENDERING), embeddings_step("a/network", RENDERING)]


def test_embeddings_made_elsewhere_have_no_series(tmp_path, many_scenes, monkeypatch):
    store, recipe, corpus = start(tmp_path / "run", many_scenes, transforms=TRANSFORMS)

    def located(name):
        spec, download_from = locate(name)
        return replace(spec, family=PRECOMPUTED) if name == "baseline/pixels" else spec, download_from

    def loaded(name, **asked):
        embedder = load_embedder(name, **asked)
        embedder.embeds_pictures = name != "baseline/pixels"
        return embedder

    monkeypatch.setattr(embedding_worker, "locate", located)
    monkeypatch.setattr(embedding_worker, "load_embedder", loaded)
    embed(store, recipe, corpus)
    assert store.names("models/baseline-pixels/series/") == []
    assert len({name.split("/")[3] for name in store.names("models/baseline-handcrafted/series/")}) == 3
    assert pending(store.root, "embed") == []


def test_renderings_are_of_images_of_every_split(planned):
    recipe, corpus, images = planned
    table = plan_series(RENDERING, recipe.design, images)
    assert set(table["split"]) == {"train", "val", "test"}
    assert set(table["transform"]) == set(recipe.transforms)
    pictures, facts = make(RENDERING, recipe, corpus, images)
    differences = facts.groupby("transform")["difference"].mean()
    assert differences["identity"] == 0
    assert differences.drop("identity").gt(0.2).all()
    again, _ = make(RENDERING, recipe, corpus, images)
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))


def test_what_nobody_else_draws_is_drawn_on_the_same_kind_of_picture(planned):
    recipe, corpus, images = planned
    recipe = replace(recipe, transforms=("identity", "jpeg", "border"))
    pictures, facts = make(RENDERING, recipe, corpus, images)
    i = int(facts.index[facts["transform"] == "border"][0])
    rng = generator(recipe.seed, facts.at[i, "image_id"], "border by another hand")
    before = clean(corpus.load(facts.at[i, "image_id"]), recipe.view, rng)
    inside = slice(recipe.view // 4, -recipe.view // 4)
    assert np.array_equal(pictures[i][inside, inside], before[inside, inside])
    assert not np.array_equal(pictures[i], before)


def test_framing_samples_are_edited_test_images(planned):
    recipe, corpus, images = planned
    table = plan_series(FRAMING, recipe.design, images)
    assert set(table["split"]) == {"test"}
    pictures, facts = make(FRAMING, recipe, corpus, images)
    image_id = facts["image_id"].iloc[0]
    copies = {row.transform: pictures[row.Index] for row in facts[facts["image_id"] == image_id].itertuples()}
    assert {copy.shape for copy in copies.values()} == {(recipe.view, recipe.view, 3)}
    main = samples.plan_samples(recipe.design, images)
    main = main[(main["image_id"] == image_id) & (main["transform"] == "identity") & (main["draw"] == 0)]
    with ThreadPoolExecutor(2) as pool:
        (clean_view,), _ = make_samples(MAIN, recipe.design, corpus, main, pool)
    # They differ from the clean sample by the sub-pixel warp.
    close = {"mirror": clean_view[:, ::-1], "quarter-turn": np.rot90(clean_view), "half-size": clean_view}
    for edit, expected in close.items():
        assert np.corrcoef(copies[edit].ravel(), expected.ravel())[0, 1] > 0.9, edit
        assert np.corrcoef(copies[edit].ravel(), clean_view[::-1].ravel())[0, 1] < 0.8, edit


def test_models_of_a_published_run_embed_only_its_experiments(loaded, tmp_path):
    published, recipe = loaded
    for series_name in (MAIN, STRENGTH):
        record = Record(embeddings_step("a/network", series_name), "key", {}, {})
        (published.root / record_path(record.step)).write_bytes(record.to_json())
    mine = RunDirectory(tmp_path / "mine")
    mine.start_copy(RunFiles(published.root))
    work = Work(mine, recipe)
    assert [work.embedded(name) for name in (MAIN, STRENGTH, FRAMING)] == [["a/network"], ["a/network"], []]
    assert Work(RunDirectory(published.root), recipe).embedded(FRAMING) == ["a/network"]


def test_layers_are_of_main_samples_and_of_more_images_untouched(planned):
    recipe, corpus, images = planned
    plan = plan_series(LAYERS, recipe.design, images)
    assert plan["sample"].tolist() == list(range(len(plan)))
    counts = plan.groupby(["split", "image_id"]).size().groupby("split").value_counts()
    assert counts.to_dict() == {
        ("train", 6): 3, ("train", 1): 2, ("val", 6): 2, ("test", 6): 2, ("test", 1): 1,
    }  # fmt: skip
    assert set(plan.groupby("image_id")["transform"].first()) == {"identity"}
    pictures, facts = make(LAYERS, recipe, corpus, images)
    main = samples.plan_samples(recipe.design, images)
    main = main[main["image_id"].isin(plan["image_id"]) & (main["draw"] == 0)]
    with ThreadPoolExecutor(2) as pool:
        same, same_facts = make_samples(MAIN, recipe.design, corpus, main, pool)
    where = {pair: i for i, pair in enumerate(zip(main["image_id"], main["transform"], strict=True))}
    for row, picture in zip(facts.itertuples(), pictures, strict=True):
        at = where[row.image_id, row.transform]
        assert np.array_equal(picture, same[at])
        np.testing.assert_equal(row.strength, same_facts["strength"].iloc[at])


def test_every_block_of_a_network_is_embedded_and_nothing_of_other_models(tmp_path, many_scenes, planned):
    _, _, images = planned
    network = "baseline/random-vit"
    models = (network, "baseline/pixels", f"{network}@layer=2")
    store, recipe, corpus = start(
        tmp_path / "run", many_scenes, transforms=("identity", "gaussian-blur"), models=models
    )
    embed(store, recipe, corpus)
    assert not has_embeddings(store, "baseline/pixels", LAYERS)
    assert not has_embeddings(store, f"{network}@layer=2", LAYERS)
    assert pending(store.root, "embed") == []
    pictures, facts = make(LAYERS, recipe, corpus, images)
    pd.testing.assert_frame_equal(store.read_table("series/layers.parquet"), facts, check_dtype=False)
    blocks = lazy_blocks(store, network, LAYERS)
    assert list(blocks) == [f"{layer}.mean" for layer in range(1, 5)]
    # Batches are cut otherwise here, which adds up sums in another order.
    for layer in (1, 2, 4):
        alone = load_embedder(f"{network}@layer={layer}", precision="float32").embed(pictures)
        np.testing.assert_allclose(blocks[f"{layer}.mean"][:], alone, rtol=1e-4, atol=1e-5)
    (store.root / store.names("models/baseline-random-vit/series/layers/")[0]).unlink()
    assert pending(store.root, "embed") == [embeddings_step(network, LAYERS)]


def test_a_run_without_a_network_has_no_layers(tmp_path, many_scenes):
    store, recipe, corpus = start(tmp_path / "run", many_scenes, transforms=TRANSFORMS, models=("baseline/pixels",))
    embed(store, recipe, corpus)
    assert pending(store.root, "embed") == []
    assert store.names("series/") == [series_table(name) for name in (FRAMING, RENDERING, STRENGTH)]
    # Rows that went missing are made again though every model is embedded.
    whole = files(store.root)
    (store.root / "series/strength.parquet").unlink()
    embed(store, recipe, corpus)
    assert files(store.root) == whole

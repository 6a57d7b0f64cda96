"""Which images a run uses, and its samples."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lab.devtools.run_edits import put
from probing_core.compute.sampling import samples
from probing_core.compute.sampling.samples import SamplePlan, choose_images, cut_units, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.corpora import limit_rows, open_corpus
from probing_core.corpora.corpus import NOT_FOR_PROBES
from probing_core.errors import BadCorpus
from probing_core.images import encode_png
from probing_core.run.layout import IMAGES
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.run.run_files import RunFiles
from tests.conftest import scene
from tests.plans import keys_of


def test_what_is_left_out_is_told(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    gray = np.repeat(scene(1, 64)[:, :, :1], 3, axis=2)
    for name, image in {"good": scene(0, 64), "gray": gray, "small": scene(2, 40)}.items():
        (folder / f"{name}.png").write_bytes(encode_png(image))
    corpus = open_corpus(f"folder:{folder}")
    images = choose_images(recipe_of(corpus).design, corpus, silent)
    reasons = {image_id.split(".")[0]: why for image_id, why in zip(images["image_id"], images["why_not"], strict=True)}
    assert reasons == {"good": "", "gray": "near gray", "small": "smaller than 44 pixels"}
    assert images["used"].tolist() == [why == "" for why in images["why_not"]]


def test_a_corpus_of_small_pictures_is_refused_with_the_way_out(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    with pytest.raises(BadCorpus, match="Reduce the view size or use images of 176 pixels or more"):
        choose_images(recipe_of(corpus, view=128).design, corpus, silent)


@pytest.mark.parametrize("limit", [None, 5])
def test_a_corpus_without_color_is_refused_for_that(few_scenes, limit):
    corpus = open_corpus(f"folder:{few_scenes}")
    corpus.rows = corpus.rows.assign(color=False, why_not="near gray")
    with pytest.raises(BadCorpus, match="Most frequent reason: near gray"):
        choose_images(replace(recipe_of(corpus), limit=limit).design, corpus, silent)


@pytest.fixture(scope="module")
def half_too_small(tmp_path_factory):
    """Sixty pictures, the odd ones too small for a view of 32 pixels."""
    folder = tmp_path_factory.mktemp("half")
    for i in range(60):
        (folder / f"{i:02d}.png").write_bytes(encode_png(scene(i, 40 if i % 2 else 64)))
    return open_corpus(f"folder:{folder}")


@pytest.mark.parametrize("limit", [1, 10, 20])
def test_the_limit_counts_images_that_can_be_used(half_too_small, limit):
    told = []
    images = choose_images(
        recipe_of(half_too_small, limit=limit).design, half_too_small, lambda done, total: told.append((done, total))
    )
    used = images[images["used"]]
    assert len(used) == limit
    assert images["image_id"].is_unique
    assert set(images.loc[~images["used"], "why_not"]) <= {"smaller than 44 pixels"}
    if limit == 20:
        assert used["split"].value_counts()["train"] == 12
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {limit}
    assert max(done) <= limit


def test_a_limit_beyond_what_can_be_used_takes_all_of_it(half_too_small):
    every = choose_images(recipe_of(half_too_small).design, half_too_small, silent)
    limited = choose_images(recipe_of(half_too_small, limit=59).design, half_too_small, silent)
    assert set(limited.loc[limited["used"], "image_id"]) == set(every.loc[every["used"], "image_id"])


@pytest.mark.parametrize("split", NOT_FOR_PROBES)
def test_rows_that_serve_encoders_or_verdicts_alone_are_never_probe_images(few_scenes, monkeypatch, split):
    corpus = open_corpus(f"folder:{few_scenes}")
    splits = ["train", "val", "test", split]
    monkeypatch.setattr(corpus, "rows", corpus.rows.assign(split=[splits[i % 4] for i in range(len(corpus.rows))]))
    images = choose_images(recipe_of(corpus).design, corpus, silent)
    others = corpus.rows.loc[corpus.rows["split"] != split, "image_id"]
    assert images["image_id"].tolist() == others.tolist()
    assert set(images["split"]) == {"train", "val", "test"}
    monkeypatch.setattr(corpus, "rows", corpus.rows.assign(split=split))
    with pytest.raises(BadCorpus, match="no image is in a split for probes"):
        choose_images(recipe_of(corpus).design, corpus, silent)


def recipe_of(corpus, **changes):
    return Recipe(
        **{
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint,
            "view": 32,
            "transforms": ("identity", "brighten", "rotate"),
            "models": ("baseline/pixels",),
            **changes,
        }
    )


def silent(done, total):
    pass


def make_all(recipe, corpus, threads=2):
    planned = plan_samples(recipe.design, choose_images(recipe.design, corpus, silent))
    with ThreadPoolExecutor(threads) as pool:
        return make_samples(MAIN, recipe.design, corpus, planned, pool)


def test_every_class_has_every_image_and_identity_two_draws(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    recipe = recipe_of(corpus, repetitions=2)
    planned = plan_samples(recipe.design, choose_images(recipe.design, corpus, silent))
    counts = planned.groupby(["image_id", "repetition", "transform"]).size().unstack()
    assert (counts[["brighten", "rotate"]] == 1).all(axis=None)
    assert (counts["identity"] == 2).all()
    assert planned["sample"].tolist() == list(range(8 * 2 * 4))


def test_units_are_whole_images_and_cover_everything(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    for view in (32, 512):
        recipe = recipe_of(corpus)
        planned = plan_samples(recipe.design, choose_images(recipe.design, corpus, silent))
        units = cut_units(recipe_of(corpus, view=view).design, planned)
        assert [u.start for u in units] == [0, *(u.stop for u in units)][:-1]
        assert units[-1].stop == len(planned)
        for unit in units:
            inside = planned.iloc[unit.start : unit.stop]["image_id"]
            assert len(inside) == 4 * inside.nunique()


def all_at_once(recipe, images):
    """The rows of a plan by one join and one filter; it drops the far tier of all but a few tested images."""
    versions = [
        (t.name, t.group, repetition, draw, t.far)
        for repetition in range(recipe.repetitions)
        for t in load_transforms(recipe)
        for draw in range(2 if t.name == "identity" else 1)
        if not (t.far and repetition)
    ]
    columns = ["transform", "group", "repetition", "draw", "far"]
    rows = images[["image_id", "base_id", "label", "split"]].merge(pd.DataFrame(versions, columns=columns), how="cross")
    tested = images if images["base_id"].nunique() < 30 else images[images["split"] == "test"]
    given = limit_rows(tested.reset_index(drop=True), samples.FAR_IMAGES)["image_id"]
    rows = rows[~rows.pop("far") | rows["image_id"].isin(given)].reset_index(drop=True)
    rows.insert(0, "sample", np.arange(len(rows), dtype=np.int32))
    return rows.astype({"repetition": np.int8, "draw": np.int8})


@pytest.mark.parametrize("names", [("identity", "brighten"), ("identity", "brighten", "style-8")])
def test_a_plan_makes_the_rows_of_a_unit_as_they_stand_among_all(names, few_scenes, many_scenes, monkeypatch):
    monkeypatch.setattr(samples, "FAR_IMAGES", 3)
    for folder in (few_scenes, many_scenes):
        corpus = open_corpus(f"folder:{folder}")
        recipe = recipe_of(corpus, transforms=names, repetitions=2, view=1024)
        images = choose_images(replace(recipe, view=32).design, corpus, silent)
        plan, rows = SamplePlan(recipe.design, images), all_at_once(recipe, images)
        pd.testing.assert_frame_equal(plan_samples(recipe.design, images), rows)
        assert len(plan) == len(rows) == plan.units[-1].stop
        assert len(plan.units) > 1
        assert plan.units == cut_units(recipe.design, rows)
        for start, stop in [*((u.start, u.stop) for u in plan.units), (1, 2), (3, len(plan) - 1)]:
            pd.testing.assert_frame_equal(plan.rows(start, stop), rows.iloc[start:stop])


def test_pictures_do_not_depend_on_threads_order_or_neighbors(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    one, facts = make_all(recipe_of(corpus), corpus, threads=1)
    four, _ = make_all(recipe_of(corpus), corpus, threads=4)
    assert all(np.array_equal(a, b) for a, b in zip(one, four, strict=True))
    fewer, fewer_facts = make_all(recipe_of(corpus, transforms=("identity", "rotate")), corpus)
    same = {(r.image_id, r.transform, r.draw): i for i, r in enumerate(facts.itertuples())}
    for i, row in enumerate(fewer_facts.itertuples()):
        assert np.array_equal(fewer[i], one[same[row.image_id, row.transform, row.draw]])


def test_facts_tell_what_was_done(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    pictures, facts = make_all(recipe_of(corpus), corpus)
    assert {p.shape for p in pictures} == {(32, 32, 3)}
    identity = facts[facts["transform"] == "identity"]
    assert identity["strength"].isna().all()
    assert (identity["difference"] == 0).all()
    assert not identity["visible"].any()
    brightened = facts[facts["transform"] == "brighten"]
    assert brightened["strength"].between(1.4, 2.2).all()
    assert brightened["visible"].all()


def test_another_seed_draws_other_strengths(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    _, first = make_all(recipe_of(corpus), corpus)
    _, second = make_all(recipe_of(corpus, seed=1), corpus)
    assert (first["strength"].dropna() != second["strength"].dropna()).all()


def test_the_far_tier_is_made_of_a_few_tested_images_once(few_scenes, many_scenes, monkeypatch):
    monkeypatch.setattr(samples, "FAR_IMAGES", 3)
    for folder, tested in ((few_scenes, {"train", "val", "test"}), (many_scenes, {"test"})):
        corpus = open_corpus(f"folder:{folder}")
        recipe = recipe_of(corpus, transforms=("identity", "brighten", "style-8"), repetitions=2)
        planned = plan_samples(recipe.design, choose_images(recipe.design, corpus, silent))
        far = planned[planned["transform"] == "style-8"]
        assert len(far) == far["image_id"].nunique() == 3
        assert set(far["split"]) <= tested


def test_keys_hold_what_changes_images_and_samples_and_no_prose(few_scenes, tmp_path, monkeypatch):
    corpus, store = open_corpus(f"folder:{few_scenes}"), RunFiles(tmp_path)
    names = ("identity", "brighten", "fog")
    recipe = recipe_of(corpus, transforms=names)
    images = choose_images(recipe.design, corpus, silent)
    put(store, {IMAGES: images})

    def changed(other):
        """Return which of the two steps have a different key."""
        after = keys_of(store.root, other)
        return {step for step in ("images", "samples") if after[step] != before[step]}

    before = keys_of(store.root, recipe)
    calibrated = replace(recipe, calibrate_on=("photos",), calibrate_fingerprints=("y",))
    assert changed(calibrated) == set()
    for entry, value in {"corpus": "folder:/elsewhere", "threads": 64, "models": ("zoo/mae",)}.items():
        assert changed(replace(recipe, **{entry: value})) == set(), entry
    for entry, value in {"repetitions": 2, "transforms": names[:2]}.items():
        assert changed(replace(recipe, **{entry: value})) == {"samples"}, entry
    both = {"limit": 9, "fingerprint": "y", "view": 64, "seed": 1, "transforms": (*names, "rotate")}
    for entry, value in both.items():  # a rotation requires images that can be rotated
        assert changed(replace(recipe, **{entry: value})) == {"images", "samples"}, entry

    transforms = load_transforms(recipe)
    for change, changes in (
        ({"definition": "In other words.", "library": "Another.", "source": "A book."}, set()),
        ({"alternative_revision": 2}, set()),
        ({"revision": 2}, {"samples"}),
        ({"strongest": 9.0}, {"samples"}),
    ):
        fog = replace(transforms[2], **change)
        monkeypatch.setattr("probing_core.run.recipe.load_transforms", lambda r, fog=fog: (*transforms[:2], fog))
        assert changed(recipe) == changes, change

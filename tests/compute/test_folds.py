"""Folds: who learns from what, and who is tested, over invented tables of samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.folds import MAX_FOLDS, folds_of
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.model_samples import ModelSamples
from probing_core.compute.samples import plan_samples
from probing_core.errors import BadCorpus
from probing_core.probes.linear import GRID, fixed_penalty
from probing_core.run.recipe import Recipe, load_transforms

NAMES = ("identity", "brighten", "contrast", "gaussian-blur", "motion-blur")


def data_of(photographs: int, views: int = 2, reverse: bool = False, **recipe) -> ModelSamples:
    """A model of 3 numbers over the samples of ``photographs``, ``views`` images each; a third is of each split."""
    images = pd.DataFrame(
        [
            (f"p{i}/{view}", f"p{i}", "", ("train", "val", "test")[i % 3], True)
            for i in range(photographs)
            for view in range(views)
        ],
        columns=["image_id", "base_id", "label", "split", "used"],
    )
    images = images[::-1].reset_index(drop=True) if reverse else images
    asked = Recipe(corpus="made", fingerprint="", transforms=NAMES, models=("made",), **recipe)
    samples = plan_samples(asked.design, images)
    return ModelSamples(
        model="made",
        X=LazyRows((np.zeros((len(samples), 3), np.float32),)),
        samples=samples,
        images=images,
        transforms=load_transforms(asked),
        seed=asked.seed,
        train_samples=10**6,
    )


@pytest.mark.parametrize("photographs", [2, 3, 5, 7, 29])
@pytest.mark.parametrize("name", ["fine", "group-1"])
def test_every_photograph_is_tested_once_and_never_learned_from_in_its_fold(photographs, name):
    data = data_of(photographs)
    task, folds = data.task(name), folds_of(data, data.task(name))
    assert len(folds) == min(MAX_FOLDS, photographs)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == np.flatnonzero(task.takes_part).tolist()
    sizes = []
    for fold in folds:
        learned, held = (set(data.photographs[rows]) for rows in (fold.train, fold.test))
        assert not learned & held
        assert len(learned | held) == photographs
        assert task.seen[fold.train].all()
        assert fold.val.tolist() == fold.test[task.seen[fold.test]].tolist()
        assert fold.penalties == (fixed_penalty(3),)
        sizes.append(len(held))
    assert max(sizes) - min(sizes) <= 1
    assert [fold.name for fold in folds] == [f"fold-{i + 1}" for i in range(len(folds))]


def test_groups_of_photographs_depend_on_their_names_and_the_seed_alone():
    def tested(**changes) -> list[set[str]]:
        data = data_of(12, **changes)
        return [set(data.samples["image_id"].iloc[fold.test]) for fold in folds_of(data, data.task("fine"))]

    assert tested() == tested() == tested(reverse=True)
    assert tested() != tested(seed=1)


def test_thirty_photographs_are_one_fold_by_their_splits():
    data = data_of(30)
    task = data.task("group-1")
    (fold,) = folds_of(data, task)
    for split, rows, learned in (("train", fold.train, True), ("val", fold.val, True), ("test", fold.test, False)):
        wanted = task.takes_part & (data.samples["split"] == split).to_numpy() & (task.seen | (not learned))
        assert rows.tolist() == np.flatnonzero(wanted).tolist()
    assert (fold.name, fold.penalties, fold.note) == ("split", GRID, "")


def test_no_fold_learns_from_more_samples_than_the_run_states():
    data = replace(data_of(12), train_samples=20)
    for fold in folds_of(data, data.task("fine")):
        assert len(fold.train) == 20  # two photographs of two images under five transforms
        assert fold.note in ("learned from 20 of 90 samples", "learned from 20 of 100 samples")
    assert (
        sorted(np.concatenate([fold.test for fold in folds_of(data, data.task("fine"))]))
        == np.flatnonzero(data.task("fine").takes_part).tolist()
    )


def test_one_photograph_and_a_split_without_images_are_refused():
    alone = data_of(1)
    with pytest.raises(BadCorpus, match="needs 2 photographs, .* and the corpus has 1"):
        folds_of(alone, alone.task("fine"))
    data = data_of(30)
    data.samples["split"] = data.samples["split"].replace("val", "train")
    with pytest.raises(BadCorpus, match="no usable image in the split 'val'"):
        folds_of(data, data.task("fine"))

"""Probes learn from as many samples as memory holds, of whole photographs; everything is tested, scores state it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from probing_core.compute import memory
from probing_core.compute.folds import folds_of
from probing_core.compute.model_samples import draw_photographs
from probing_core.probes.linear import fit_in_span
from probing_core.run.layout import predictions_path
from probing_core.run.models import model_entries
from probing_core.run.probes import read_probe
from probing_core.run.stages import run
from probing_core.run.store import Store
from tests.compute.train.samples import samples_of
from tests.plans import left

MODEL = "baseline/handcrafted"
MAX_SAMPLES = 60


@pytest.fixture(scope="module")
def limited(trained_run, tmp_path_factory) -> Iterator[Store]:
    """The trained run as a machine makes it whose memory holds so few samples: embeddings and samples are the same."""
    store = Store(shutil.copytree(trained_run, tmp_path_factory.mktemp("limited") / "run"))
    dim = model_entries(store)[0]["dim"]
    machine = SimpleNamespace(total=4 * (dim + 1) * MAX_SAMPLES / memory.TRAINING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.psutil, "virtual_memory", lambda: machine)
        assert left(store, "embed") == []
        run(store.root, stages=("train", "evaluate"))
        yield Store(store.root)


def test_photographs_are_drawn_whole_by_the_seed(trained_run):
    data = samples_of(Store(trained_run), MODEL)
    rows = np.flatnonzero(data.split == "train")
    of_one = (data.photographs == data.photographs[rows[0]]).sum()
    drawn = {}
    for most in (1, of_one, 3 * of_one + 1, len(rows)):
        drawn[most] = draw_photographs(data, rows, most)
        for photograph in set(data.photographs[drawn[most]]):
            assert set(np.flatnonzero(data.photographs == photograph)) <= set(drawn[most])
    assert [len(found) for found in drawn.values()] == [of_one, of_one, 3 * of_one, len(rows)]
    assert set(drawn[of_one]) < set(drawn[3 * of_one + 1])
    other = replace(data, seed=1)
    assert set(draw_photographs(other, rows, 3 * of_one)) != set(drawn[3 * of_one + 1])


def test_probes_learn_from_the_drawn_ones_alone(limited):
    data = samples_of(limited, MODEL)
    task = data.task("fine")
    (fold,) = folds_of(data, task)
    train, val, test = fold.train, fold.val, fold.test
    assert 0 < len(train) <= MAX_SAMPLES
    assert 0 < len(val) <= MAX_SAMPLES
    assert len(test) == (task.takes_part & (data.split == "test")).sum()
    expected = fit_in_span(
        data.X.at(train), task.truth[train], classes=task.classes, validation=(data.X.at(val), task.truth[val])
    )
    np.testing.assert_allclose(read_probe(limited, MODEL, "fine").weight, expected.weight, atol=1e-6)


def test_everything_is_tested(limited, trained_run):
    """By each kind of probe; 50 neighbors are not sought among fewer samples."""
    for task in ("fine", "content", "fine-mlp-knn", "group-1"):
        before, after = (s.read_table(predictions_path(MODEL, task)) for s in (Store(trained_run), limited))
        probes = set(after["probe"]) if "probe" in after else {""}
        assert after["sample"].tolist() == before["sample"].tolist()[: len(after)]
        assert set(after["sample"]) == set(before["sample"])
        assert {""} == probes or {"mlp-0", "mlp-1", "mlp-2", "knn-5", "knn-20"} <= probes


def test_the_number_stands_beside_each_score(limited, trained_run):
    data = samples_of(limited, MODEL)
    note = folds_of(data, data.task("fine"))[0].note
    learned, there = (int(word) for word in note.split() if word.isdigit())
    assert learned <= MAX_SAMPLES < there
    scores = limited.read_table("tables/scores.parquet")
    assert scores.loc[scores["task"] == "fine", "note"].str.contains(note).all()
    of_groups = scores["task"].str.startswith("group-")
    assert scores.loc[of_groups, "note"].str.contains("learned from .* of .* samples").all()
    assert not scores.loc[scores["task"] == "content", "note"].str.contains("learned from").any()  # it has fewer
    before = Store(trained_run).read_table("tables/scores.parquet")
    assert not before["note"].str.contains("of .* samples").any()

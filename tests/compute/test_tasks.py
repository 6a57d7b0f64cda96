from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.sampling.probe_tasks import ROTATIONS, content_labels, make_task, task_names
from probing_core.compute.sampling.samples import has_splits, used_images
from probing_core.errors import UnknownName
from probing_core.transforms import bank, far_style
from probing_core.transforms.transformation import GROUPS

BANK = bank()


def samples_of(transforms):
    rows = [(t.name, t.group, draw) for t in transforms for draw in range(2 if t.name == "identity" else 1)]
    return pd.DataFrame(rows, columns=["transform", "group", "draw"])


def test_fine_has_every_member_of_the_bank_once():
    samples = samples_of(BANK)
    task = make_task("fine", samples, BANK)
    assert task.classes == tuple(t.name for t in BANK)
    assert sorted(task.truth[task.takes_part]) == list(range(31))
    assert task.seen.all()


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_each_rotation_hides_one_member_a_group(rotation):
    samples = samples_of(BANK)
    task = make_task(f"group-{rotation}", samples, BANK)
    assert task.classes == GROUPS
    hidden = samples[~task.seen]
    assert hidden["group"].tolist() == list(GROUPS[1:])
    # Every class is learned from equally often: two members, or two draws of identity.
    assert set(samples[task.seen].groupby("group").size()) == {2}


def test_over_the_rotations_each_member_is_hidden_once():
    samples = samples_of(BANK)
    hidden = pd.concat([samples[~make_task(f"group-{r}", samples, BANK).seen] for r in ROTATIONS])
    assert sorted(hidden["transform"]) == sorted(t.name for t in BANK if t.name != "identity")


def test_the_far_tier_is_never_learned_from():
    transforms = (*BANK, *far_style())
    samples = samples_of(transforms)
    assert make_task("fine", samples, transforms).takes_part.sum() == 31
    for rotation in ROTATIONS:
        task = make_task(f"group-{rotation}", samples, transforms)
        far = samples["transform"].isin([t.name for t in far_style()]).to_numpy()
        assert not task.seen[far].any()
        assert task.takes_part[far].all()


def test_a_group_without_a_seen_member_leaves_the_rotation():
    some = [t for t in BANK if t.name in ("identity", "fog", "rain", "jpeg")]  # weather A, B; codec A
    assert task_names(some) == ("fine", "group-1", "group-2")
    first = make_task("group-1", samples_of(some), some)  # hides fog and jpeg
    assert first.classes == ("identity", "weather")
    assert not first.takes_part[samples_of(some)["transform"] == "jpeg"].any()


def test_an_unknown_task_is_told_what_exists():
    with pytest.raises(UnknownName, match="Available tasks: fine, group-0, group-1, group-2"):
        make_task("group-7", samples_of(BANK), BANK)


def test_few_photographs_have_no_splits():
    images = pd.DataFrame(
        {"base_id": [str(i) for i in range(30)], "used": True, "split": ["val", "test", "train"] * 10}
    )
    assert has_splits(images)
    assert set(used_images(images, "val", "test")["split"]) == {"val", "test"}
    images.loc[0, "used"] = False
    assert not has_splits(images)
    assert len(used_images(images, "val")) == 29


def images_of(counts, held_out=()):
    """``counts``: label -> photographs in train, val and test; with a second view of each."""
    rows = [
        (f"{label}-{split}-{i}", view, label, split, True, label in held_out)
        for label, numbers in counts.items()
        for split, n in zip(("train", "val", "test"), numbers, strict=True)
        for i in range(n)
        for view in range(2)
    ]
    table = pd.DataFrame(rows, columns=["base_id", "image_id", "label", "split", "used", "held_out"])
    return table.assign(image_id=table["base_id"] + "/" + table["image_id"].astype(str))


COUNTS = {"owl": (9, 3, 4), "cat": (5, 1, 2), "dog": (8, 0, 2), "rare": (4, 2, 9), "untested": (9, 2, 1)}


def test_content_has_the_labels_with_enough_photographs():
    assert content_labels(images_of(COUNTS)) == ("cat", "dog", "owl")
    assert task_names(BANK, images_of(COUNTS)) == ("fine", "group-0", "group-1", "group-2", "content")
    assert task_names(BANK) == ("fine", "group-0", "group-1", "group-2")


def test_content_keeps_to_classes_that_no_encoder_saw_where_the_corpus_says_so():
    assert content_labels(images_of(COUNTS, held_out=("dog", "owl", "rare"))) == ("dog", "owl")
    assert content_labels(images_of(COUNTS).drop(columns="held_out")) == ("cat", "dog", "owl")  # an older run


@pytest.mark.parametrize(
    "images",
    [
        images_of({"owl": (9, 3, 4), "rare": (4, 2, 9)}),  # one class
        images_of({"owl": (30, 0, 4), "dog": (8, 0, 2)}),  # nothing to choose the penalty on
        images_of({"owl": (6, 1, 2), "dog": (6, 1, 2)}),  # few photographs: they have no splits
        images_of({f"photograph {i}": (1, 0, 0) if i % 2 else (0, 0, 1) for i in range(40)}),  # labels are photographs
    ],
)
def test_content_is_not_defined(images):
    assert content_labels(images) == ()
    assert "content" not in task_names(BANK, images)
    with pytest.raises(UnknownName, match="'content' is not a known task"):
        make_task("content", samples_of(BANK), BANK, images)


def test_content_is_asked_once_and_learned_from_clean_images():
    images = images_of(COUNTS)
    versions = samples_of(BANK).merge(pd.DataFrame({"repetition": [0, 1]}), how="cross")
    samples = images.merge(versions, how="cross")
    task = make_task("content", samples, BANK, images)
    asked = samples[task.takes_part]
    assert set(asked["label"]) == set(task.classes) == {"cat", "dog", "owl"}
    assert len(asked) == 31 * images["label"].isin(task.classes).sum()
    assert (asked["repetition"] == 0).all()
    assert set(samples[task.seen]["transform"]) == {"identity"}

from __future__ import annotations

import pandas as pd
import pytest

from probing_core.errors import UnknownName
from probing_core.samples import evaluation_mode
from probing_core.tasks import ROTATIONS, make_task, task_names
from probing_core.transforms import bank, far_style
from probing_core.transforms.base import GROUPS

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
    with pytest.raises(UnknownName, match="There are: fine, group-0, group-1, group-2"):
        make_task("group-7", samples_of(BANK), BANK)


def test_few_photographs_are_left_out_one_at_a_time():
    images = pd.DataFrame({"base_id": [str(i) for i in range(30)], "used": True})
    assert evaluation_mode(images) == "split"
    images.loc[0, "used"] = False
    assert evaluation_mode(images) == "leave-one-out"

"""The pairs of the composition series."""

from __future__ import annotations

from dataclasses import replace

from probing_core.compute.series import pairs_among
from probing_core.transforms import bank, resolve

PAIRS = tuple(pairs_among(bank()))


def test_the_frozen_pairs_are_thirty_across_groups_with_every_group_and_both_orders():
    group = {t.name: t.group for t in bank()}
    assert len(set(PAIRS)) == len(PAIRS) == 30
    assert all(group[first] != group[second] for first, second in PAIRS)
    assert {group[name] for pair in PAIRS for name in pair} == set(group.values()) - {"identity"}
    assert sum((second, first) in PAIRS for first, second in PAIRS) == 20
    assert not any(resolve(second).warp for _, second in PAIRS)


def test_a_further_transform_adds_the_pairs_that_it_declares():
    invert = replace(resolve("gamma"), name="invert", followed_by=((30, "jpeg"), (31, "unknown")))
    assert pairs_among((*bank(), invert)) == [*PAIRS, ("invert", "jpeg")]
    assert pairs_among((invert, resolve("jpeg"), resolve("defocus-blur"))) == [*PAIRS[4:6], ("invert", "jpeg")]

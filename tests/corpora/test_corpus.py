from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing_core.corpora import assign_groups, assign_splits, drawn, limit_rows, shares
from probing_core.errors import BadConfig

BASES = st.lists(st.sampled_from([f"photo-{n}" for n in range(40)]), min_size=1, max_size=120)


@given(BASES, st.integers(0, 5))
def test_splits_are_by_base_image_and_shares_hold(bases: list[str], seed: int) -> None:
    splits = assign_splits(bases, seed)
    by_base = dict(zip(bases, splits, strict=True))
    assert all(by_base[base] == split for base, split in zip(bases, splits, strict=True))
    counts = pd.Series(by_base).value_counts()
    for split, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        assert abs(counts.get(split, 0) - share * len(by_base)) <= 1


def test_splits_depend_on_seed_and_names_alone() -> None:
    bases = [f"photo-{n}" for n in range(100)]
    splits = assign_splits(bases, 0)
    assert np.array_equal(assign_splits(bases[::-1], 0), splits[::-1])
    assert not np.array_equal(assign_splits(bases, 1), splits)
    assert assign_splits(["b", "a", "c"], 7).tolist() == assign_splits(pd.Series(["b", "a", "c"]), 7).tolist()


@given(BASES, st.integers(0, 5), st.integers(1, 6))
def test_groups_are_by_base_image_and_of_like_sizes(bases: list[str], seed: int, most: int) -> None:
    groups = assign_groups(bases, seed, most)
    by_base = dict(zip(bases, groups, strict=True))
    assert all(by_base[base] == group for base, group in zip(bases, groups, strict=True))
    sizes = pd.Series(by_base).value_counts()
    assert sorted(sizes.index) == list(range(min(most, len(by_base))))
    assert sizes.max() - sizes.min() <= 1
    assert np.array_equal(assign_groups(bases[::-1], seed, most), groups[::-1])


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    bases = draw(BASES)
    split = {base: draw(st.sampled_from(["train", "val", "test"])) for base in sorted(set(bases))}
    return pd.DataFrame({"base_id": bases, "split": [split[base] for base in bases]})


@given(tables(), st.integers(1, 130))
def test_limit_is_proportional_over_splits_and_round_robin_over_bases(rows: pd.DataFrame, limit: int) -> None:
    taken = limit_rows(rows, limit)
    assert len(taken) == min(limit, len(rows))
    assert taken.index.is_monotonic_increasing
    for split, group in rows.groupby("split"):
        chosen = taken[taken["split"] == split]
        assert abs(len(chosen) - len(taken) * len(group) / len(rows)) < 1
        has, of = chosen["base_id"].value_counts(), group["base_id"].value_counts()
        rounds = has.max() if len(has) else 0
        for base in of.index:  # everyone has given as often as anyone, but for the round that was begun
            assert has.get(base, 0) >= min(of[base], rounds - 1)


def test_no_limit_keeps_all_and_nothing_is_refused() -> None:
    rows = pd.DataFrame({"base_id": ["a", "b"], "split": ["", ""]})
    assert limit_rows(rows, None) is rows
    assert limit_rows(rows, 1)["base_id"].tolist() == ["a"]
    with pytest.raises(BadConfig, match="at least 1"):
        limit_rows(rows, 0)


def test_a_corpus_that_is_ordered_by_label_gives_of_every_label() -> None:
    rows = pd.DataFrame({"base_id": [f"{label}/{n}.jpg" for label in "abcdefgh" for n in range(100)], "split": "test"})
    labels = limit_rows(rows, 80)["base_id"].str[0].value_counts()
    assert set(labels.index) == set("abcdefgh")
    assert labels.max() < 25  # binomial, mean 10 and deviation 3


@given(tables(), st.integers(1, 60))
def test_fewer_are_among_more_and_the_order_of_rows_does_not_matter(rows: pd.DataFrame, limit: int) -> None:
    one_split = rows.assign(split="test")
    fewer, more = limit_rows(one_split, limit), limit_rows(one_split, limit + 7)
    assert set(fewer.index) <= set(more.index)
    once = one_split.drop_duplicates("base_id")
    assert once.loc[drawn(once), "base_id"].tolist() == once.loc[drawn(once[::-1]), "base_id"].tolist()
    assert sum(shares(rows, limit).values()) == min(limit, len(rows))

from __future__ import annotations

from dashboard.data.selection import decode, encode, samples_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.sets(st.integers(0, 20_000)))
def test_an_address_gives_back_the_selection(samples):
    assert decode(encode(list(samples)), 20_001).tolist() == sorted(samples)


@given(st.text(max_size=200), st.integers(0, 500))
def test_any_text_selects_only_samples_that_there_are(text, total):
    assert all(0 <= s < total for s in decode(text, total))


def test_a_large_selection_fits_into_an_address():
    assert len(encode(range(0, 6400, 2))) < 2000


def test_a_bomb_is_not_inflated():
    bomb = encode(range(10_000_000))
    assert decode(bomb, 100).tolist() == list(range(100))


def test_what_was_picked_on_a_chart():
    assert samples_of([5, 2, 5, None, "x", [1], 2.5, -1, 9], 9).tolist() == [2, 5]

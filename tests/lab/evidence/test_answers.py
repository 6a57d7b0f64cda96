"""The tables of how far to trust the answers, on made answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.evidence import answers


def made(n: int = 6000) -> pd.DataFrame:
    """Answers that are right as often as they say, of three groups in uneven numbers."""
    rng = np.random.default_rng(0)
    rows = []
    for group, count in (("identity", n), ("blur", n // 2), ("tone", n // 6)):
        # Densities 2p and 2(1 - p): under equal weight, of answers p a share p is altered.
        p = rng.beta(2, 1, count) if group != "identity" else rng.beta(1, 2, count)
        rows.append(pd.DataFrame({"group": group, "altered": p}))
    table = pd.concat(rows, ignore_index=True)
    named = np.where(rng.random(len(table)) < 0.7, table["group"], "noise")
    return table.assign(model="m", operation="o", photograph=rng.integers(0, 40, len(table)).astype(str), named=named)


def test_answers_that_are_right_as_often_as_they_say_lie_on_the_diagonal():
    rows = made()
    bins = answers.reliability(rows)
    assert bins["weight"].sum() == pytest.approx(1)
    assert (bins["called"] - bins["share"]).abs().max() < 0.06
    found = answers.noticing(rows)
    assert found["calibration error"] < 0.03
    assert found["called untouched"] == pytest.approx(0.75, abs=0.03)
    assert found["found"] == pytest.approx(0.75, abs=0.03)
    assert found["group right"] == pytest.approx(0.7, abs=0.03)
    assert found["noticing"].low < found["noticing"].value < found["noticing"].high


def test_groups_weigh_the_same_however_many_pictures_they_have():
    rows = made()
    more = pd.concat([rows, rows[rows["group"] == "blur"]], ignore_index=True)
    assert answers.noticing(more)["found"] == pytest.approx(answers.noticing(rows)["found"])


def test_the_tables_have_a_row_a_model():
    text = answers.markdown(pd.concat([made(), made().assign(model="other", altered=0.5)]))
    assert text.count("| `m` |") == text.count("| `other` |") == 2

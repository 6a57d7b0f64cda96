from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies.similarity import cka_table


def silent(message: str, done: int, total: int) -> None:
    pass


def test_both_triangles_and_what_a_small_number_of_images_means():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    turned = 2 * X @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 1
    table = cka_table({"a": X, "b": turned, "c": rng.normal(size=(300, 9))}, np.arange(300), silent)
    value = table.set_index(["model_a", "model_b"])["value"]
    assert len(value) == 9
    assert value["a", "b"] == value["b", "a"] == pytest.approx(1)
    assert value["c", "c"] == pytest.approx(1)
    assert abs(value["a", "c"]) < 0.1
    assert (table["note"] == "300 images; from 2000 on the estimate is steady").all()
    assert (table["bases"] == 300).all()
    apart = table[table["model_a"] != table["model_b"]].query("model_a == 'c' or model_b == 'c'")
    assert (apart["low"] < 0.05).all()
    assert (apart["high"] - apart["low"] > 0.01).all()
    assert (cka_table({"a": rng.normal(size=(2000, 3))}, np.arange(2000), silent)["note"] == "").all()
    few = cka_table({"a": X[:10], "b": turned[:10]}, np.repeat(np.arange(5), 2), silent)
    assert few["low"].isna().all()
    assert few["note"].str.startswith("5 photographs are too few for an interval").all()

from __future__ import annotations

import numpy as np
import pytest

from probing_core.studies.likeness import cka_table


def test_both_triangles_and_what_a_small_number_of_images_means():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    turned = 2 * X @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 1
    table = cka_table({"a": X, "b": turned, "c": rng.normal(size=(300, 9))})
    value = table.set_index(["model_a", "model_b"])["value"]
    assert len(value) == 9
    assert value["a", "b"] == value["b", "a"] == pytest.approx(1)
    assert value["c", "c"] == pytest.approx(1)
    assert abs(value["a", "c"]) < 0.1
    assert (table["note"] == "300 images; from 2000 on the estimate is steady").all()
    assert (cka_table({"a": rng.normal(size=(2000, 3))})["note"] == "").all()

from __future__ import annotations

import numpy as np
import pytest

from probing_core.compute.studies.outliers import _auroc_sums, _fpr95_sums, separation_rows
from probing_core.measures.outlier_scores import auroc, fpr95


def scores(images: int = 60, seed: int = 0):
    rng = np.random.default_rng(seed)
    # Rounded, so that ties occur.
    return np.round(rng.normal(0, 1, images), 1), np.round(rng.normal(1, 1.5, images), 1), np.arange(images) // 2


@pytest.mark.parametrize(("sums", "plain"), [(_auroc_sums, auroc), (_fpr95_sums, fpr95)])
def test_drawn_photographs_score_as_a_sample_that_holds_them_as_often(sums, plain):
    familiar, foreign, bases = scores()
    made = sums(familiar, foreign, bases)
    assert made.value == pytest.approx(plain(familiar, foreign))
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(30, np.full(30, 1 / 30), 20)
    expected = [plain(np.repeat(familiar, w[bases]), np.repeat(foreign, w[bases])) for w in drawn]
    np.testing.assert_allclose(made.score(drawn.astype(float)), expected)


def test_the_interval_of_the_auroc_covers_the_truth():
    from scipy.stats import norm

    truth = norm.cdf(1 / np.sqrt(1 + 1.5**2))
    covered = []
    for seed in range(100):
        row = separation_rows(*scores(120, seed)[:2], np.arange(120))[0]
        covered.append(row["low"] <= truth <= row["high"])
    assert np.mean(covered) >= 0.88


def test_few_photographs_have_no_interval():
    for row in separation_rows(np.arange(8.0), np.arange(8.0) + 3, np.arange(8)):
        assert row["interval"] == "none"
        assert np.isnan([row["low"], row["high"]]).all()


def test_transformed_embeddings_lie_outside_in_a_whole_run(studied):
    table = studied.read_table("tables/ood.parquet").set_index(["method", "measure"])["value"]
    assert (table["mahalanobis", "auroc"] > 0.75).all()
    assert (table["neighbors", "auroc"] > 0.55).all()
    assert (table["mahalanobis", "fpr95"] < 0.8).all()

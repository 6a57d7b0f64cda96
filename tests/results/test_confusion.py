from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix as sklearn_confusion

from probing_core.results import Run, confusion_matrix


def test_against_scikit_learn(made_run):
    run = Run.open(made_run)
    told, classes = run.predictions("baseline/pixels", "fine"), run.classes("fine")
    ours = confusion_matrix(told, classes)
    theirs = sklearn_confusion(told["truth"], told["predicted"], labels=classes, normalize="true")
    np.testing.assert_allclose(np.nan_to_num(ours), theirs)


def test_a_class_without_samples_is_empty_and_not_zero():
    told = pd.DataFrame({"truth": ["a"], "predicted": ["b"]})
    matrix = confusion_matrix(told, ["a", "b"])
    assert matrix.loc["a", "b"] == 1
    assert matrix.loc["b"].isna().all()


def test_rows_may_be_another_column():
    told = pd.DataFrame({"truth": ["g", "g"], "predicted": ["g", "h"], "transform": ["t", "u"]})
    matrix = confusion_matrix(told, ["g", "h"], truth="transform")
    assert list(matrix.index) == ["t", "u"]
    assert matrix.loc["u", "h"] == 1

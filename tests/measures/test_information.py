from __future__ import annotations

import numpy as np

from probing_core.measures.information import control_labels


def test_control_labels_depend_on_the_type_alone_and_are_balanced():
    types = np.random.default_rng(0).integers(0, 60, 2000)
    labels = control_labels(types, 6, seed=3)
    by_type = {t: set(labels[types == t]) for t in np.unique(types)}
    assert all(len(s) == 1 for s in by_type.values())
    assert np.bincount([next(iter(s)) for s in by_type.values()]).tolist() == [10] * 6
    assert (control_labels(types, 6, seed=4) != labels).any()

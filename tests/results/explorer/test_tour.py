from __future__ import annotations

import numpy as np
import pytest

from probing_core.errors import UnknownName
from probing_core.results import Run
from probing_core.results.explorer import explorer_data
from probing_core.results.explorer.tour import tour_of
from tests.results.explorer.counting import points

MODELS = ["zoo/mae", "baseline/pixels"]


@pytest.fixture(scope="module")
def data(made_run):
    return explorer_data(Run.open(made_run), MODELS)


def test_tour_of_every_class_has_the_counts_of_pandas(made_run, data):
    table = points(Run.open(made_run), data)
    for cls in data.classes:
        steps = tour_of(data, cls.name)
        assert len(steps) == 4
        samples = table[table["transform"] == cls.name]
        a, b = (100 * (samples[model] == cls.name).mean() for model in MODELS)
        assert f"{a:.0f}% of {len(samples):,} " in steps[0].answer
        assert f"{b:.0f}% of " in steps[3].answer
        errors = samples.loc[samples[MODELS[0]] != cls.name, MODELS[0]].value_counts()
        if len(errors):
            assert f"({errors.max()} of {len(samples):,} samples)" in steps[1].answer
            assert errors[steps[1].selection["what"]["columns"][0]] == errors.max()
        others = table.loc[
            (table[MODELS[0]] == cls.name) & (table["transform"] != cls.name), "transform"
        ].value_counts()
        assert str(others.max()) in steps[2].answer if len(others) else steps[2].answer


def test_tour_without_errors_names_no_confusion(data):
    right = [type(model)(**(vars(model) | {"predicted": data.truth})) for model in data.models]
    steps = tour_of(type(data)(**(vars(data) | {"models": tuple(right)})), "fog")
    assert "100%" in steps[0].answer
    assert steps[1].selection["what"]["columns"] == ["fog"]
    assert not any(number in steps[2].answer for number in np.arange(10).astype(str))


def test_tour_of_an_unknown_class_is_refused(data):
    with pytest.raises(UnknownName, match="nebel"):
        tour_of(data, "nebel")

"""Which photographs are scored, and which of them are altered as well."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.answers.crops import Prediction
from probing_core.answers.reference_sets import ReferenceSets
from probing_core.compute.sampling.samples import Design
from probing_core.detector import scoring
from probing_core.detector.learning import CALIBRATE, CHOOSE, LEARN, REPORT
from probing_core.transforms import resolve
from tests.conftest import scene


def photographs(counts: dict[tuple[int, str, str], int]) -> pd.DataFrame:
    """Return rows as `choose_photographs` orders them: by corpus, role and name, which begins with the source."""
    rows = [
        {"corpus": corpus, "image_id": name, "base_id": name, "split": "test", "role": role, "first": True}
        for (corpus, role, source), count in counts.items()
        for name in (f"{source}/{i:03d}" for i in range(count))
    ]
    return pd.DataFrame(rows).sort_values(["corpus", "role", "image_id"], ignore_index=True)


def test_what_is_altered_shows_what_is_untouched():
    given = photographs({(1, REPORT, "a"): 200, (1, REPORT, "b"): 200, (1, CALIBRATE, "a"): 9, (2, REPORT, "c"): 30})
    rows = pd.DataFrame([row for unit in scoring.scored_from(given) for row in unit])
    altered = rows[rows["altered"]]
    assert set(altered["role"]) == {REPORT}
    counts = altered["image_id"].str[0].value_counts()
    assert counts["a"] + counts["b"] == scoring.MAX_ALTERED
    assert min(counts["a"], counts["b"]) > scoring.MAX_ALTERED / 3
    assert counts["c"] == 30
    assert rows["image_id"].tolist() == given["image_id"].tolist()


def test_units_hold_all_that_calibrates_or_reports_and_nothing_else():
    given = photographs({(0, LEARN, "a"): 12, (0, CHOOSE, "a"): 12, (0, REPORT, "a"): 12, (1, CALIBRATE, "a"): 12})
    units = scoring.scored_from(given)
    assert {len(unit) for unit in units} == {scoring.SCORE_UNIT_PHOTOGRAPHS, 24 % scoring.SCORE_UNIT_PHOTOGRAPHS}
    assert {row["role"] for unit in units for row in unit} == {REPORT, CALIBRATE}


def test_scored_calibrates_a_run_of_color_transformations_alone():
    """An image without color has no class left: it is scored NaN, calibrates nothing and gets no verdict."""
    names, groups = ("identity", "sepia", "hue-shift"), ("identity", "color", "color")
    design = Design(view=32, transforms=tuple(resolve(name) for name in names))
    row = {"corpus": 1, "split": "calibrate", "role": CALIBRATE, "first": True, "altered": False}
    views = [
        view
        for i in range(120)
        for view in scoring.views_of(
            scene(i, 40), row | {"image_id": str(i), "base_id": str(i)}, design.transforms, design
        )
    ]
    rng = np.random.default_rng(0)
    p = rng.dirichlet((9, 1, 1), len(views))
    predictions = [Prediction("m", names, groups, one, one[None], np.zeros(3)) for one in p]
    table = scoring.scored(views, predictions)
    assert table.groupby("no_color")["score"].agg(lambda scores: scores.isna().mean()).to_dict() == {False: 0, True: 1}
    sets = ReferenceSets.from_rows(table)
    gray = sets.answer(predictions[0], no_color=True)
    assert (gray.evidence.p, gray.evidence.n, gray.word()) == (None, 0, "inconclusive")
    assert sets.answer(predictions[0], no_color=False).evidence.n == 120

"""What is printed and drawn of the scores of trainings over their steps."""

from __future__ import annotations

import pandas as pd

from lab.evidence import over_training

STEPS = (0, 5, 10, 20, 40, 80, 100)


def made_scores() -> pd.DataFrame:
    names = ("fine", "content", "retrieval", "group:blur", "group:noise")
    rows = [
        (training, step, name, value := 0.1 * i + 0.01 * j, value - 0.01, value + 0.01)
        for training in ("mae", "clip-plain")
        for i, step in enumerate(STEPS)
        for j, name in enumerate(names)
    ]
    return pd.DataFrame(rows, columns=["training", "step", "name", "value", "low", "high"])


def test_in_markdown_has_the_first_and_last_step():
    lines = over_training.in_markdown(made_scores()).splitlines()
    rows = [line for line in lines if line.startswith("| `mae` |")]
    assert [line.split(" | ")[1] for line in rows] == ["0", "100"]
    assert rows[1].endswith("| 60.0% (59.0–61.0) | 61.0% (60.0–62.0) | 62.0% (61.0–63.0) |")


def test_the_picture_is_the_same_every_time_and_names_every_line():
    drawn = over_training.picture(made_scores())
    assert drawn == over_training.picture(made_scores())
    assert drawn.startswith("<?xml")

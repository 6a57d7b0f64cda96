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


def test_the_table_has_the_untrained_network_the_end_and_some_steps_between():
    lines = over_training.in_markdown(made_scores()).splitlines()
    assert lines[0] == "| training | steps | transformation | content | original found first |"
    mine = [line for line in lines if line.startswith("| `mae` |")]
    assert [line.split(" | ")[1] for line in mine] == ["0", "20", "100"]
    assert mine[1].endswith("| 30.0% (29.0 to 31.0) | 31.0% (30.0 to 32.0) | 32.0% (31.0 to 33.0) |")


def test_the_picture_is_the_same_every_time_and_names_every_line():
    drawn = over_training.picture(made_scores())
    assert drawn == over_training.picture(made_scores())
    assert drawn.startswith("<?xml")

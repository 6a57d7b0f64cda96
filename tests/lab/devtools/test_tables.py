from __future__ import annotations

import pandas as pd

from lab.devtools.tables import replace_rows


def test_a_part_replaces_its_own_rows_and_leaves_those_of_others(tmp_path):
    file = tmp_path / "scores.parquet"
    first = pd.DataFrame({"part": ["mae", "mae", "clip"], "value": [0.1, 0.2, 0.6]})
    assert replace_rows(file, first, "part").equals(first), "there was no file"
    mine = first[first["part"] == "mae"].assign(value=0.5)
    both = replace_rows(file, mine, "part")
    assert pd.read_parquet(file).equals(both)
    assert both["part"].value_counts().to_dict() == first["part"].value_counts().to_dict()
    assert (both.loc[both["part"] == "mae", "value"] == 0.5).all()
    others = [table[table["part"] == "clip"].reset_index(drop=True) for table in (both, first)]
    assert others[0].equals(others[1])

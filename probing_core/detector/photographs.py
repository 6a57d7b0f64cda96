"""Which photographs the detector learns from, which it chooses on, which calibrate verdicts and which report on them.

The four share no base photograph. Of the run's own corpus, the splits of its probes serve as they are; of what lies
beyond the run's limit, photographs of the test split calibrate, and those of the others serve as within it. Corpora
that were given to calibrate on have splits of their own, or calibrate with all that they have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_core.compute.samples import Design, has_splits
from probing_core.corpora import assign_splits, drawn
from probing_core.corpora.base import NOT_FOR_PROBES, Corpus
from probing_core.errors import BadCorpus

LEARN, CHOOSE, CALIBRATE, REPORT = "learn", "choose", "calibrate", "report"
ROLES = {"train": LEARN, "val": CHOOSE, "calibrate": CALIBRATE, "test": REPORT}
BEYOND_LIMIT = ROLES | {"test": CALIBRATE}
"""Of photographs of the run's own corpus that its limit leaves out: nothing else is measured on them."""

MAX_PHOTOGRAPHS = {LEARN: 2000, CHOOSE: 300, CALIBRATE: 1000, REPORT: 420}
"""Photographs of one corpus."""

COLUMNS = ("corpus", "image_id", "base_id", "split", "role", "first")


def choose_photographs(design: Design, images: pd.DataFrame, corpus: Corpus, others: Sequence[Corpus]) -> pd.DataFrame:
    """Choose one row a photograph and role.

    Returns:
        ``corpus`` (0 the run's own, then those to calibrate on), ``image_id``, ``base_id``, ``split``, ``role``, and
        ``first``: whether no corpus before has the same photograph. Another size of it teaches, calibrates and
        reports on what its size is for, and does not count twice.

    Raises:
        BadCorpus: no photograph could calibrate verdicts, or report on them.
    """
    tables = [_own(design, images, corpus), *(_given(other) for other in others)]
    rows = pd.concat([table.assign(corpus=i) for i, table in enumerate(tables)], ignore_index=True)
    if not rows["role"].isin((CALIBRATE, REPORT)).any():
        raise BadCorpus(
            f"Verdicts need photographs without splits, or of the splits 'calibrate' or 'test', and --calibrate-on "
            f"{','.join(other.name for other in others)} has none; name another corpus."
        )
    limited = []
    for role, most in MAX_PHOTOGRAPHS.items():
        for _, candidates in rows[rows["role"] == role].groupby("corpus"):
            order = drawn(candidates.assign(split=""))  # base images take turns
            limited.append(candidates.loc[order[:most]])
    rows = pd.concat(limited, ignore_index=True).sort_values(["corpus", "role", "image_id"], ignore_index=True)
    rows["first"] = ~rows.duplicated(["base_id", "role"])
    return rows[list(COLUMNS)]


def _own(design: Design, images: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    columns = ["image_id", "base_id", "split"]
    if not has_splits(images):
        return pd.DataFrame(columns=[*columns, "role"])  # every photograph serves the probes
    used = images[images["used"]]
    rows = corpus.rows[~corpus.rows["split"].isin(NOT_FOR_PROBES)].reset_index(drop=True)
    if (rows["split"] == "").any():
        rows = rows.assign(split=assign_splits(rows["base_id"].tolist(), design.seed))
    rest = rows[rows["color"] & rows["geometry"] & ~rows["base_id"].isin(used["base_id"])]
    given = corpus.rows[corpus.rows["split"] == "calibrate"]
    tables = [(used, ROLES), (rest, BEYOND_LIMIT), (given, ROLES)]
    return pd.concat([table[columns].assign(role=table["split"].map(roles)) for table, roles in tables])


def _given(corpus: Corpus) -> pd.DataFrame:
    rows = corpus.rows[corpus.rows["color"] & (corpus.rows["split"] != "pretrain")]
    split = np.where((corpus.rows["split"] == "").all(), "calibrate", rows["split"])
    table = rows[["image_id", "base_id"]].assign(split=split)
    return table.assign(role=table["split"].map(ROLES))

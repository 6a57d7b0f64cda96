"""Which of content, look, robustness, recall and shift go together over the embeddings of a run."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd

from probing_core.measures.notation import minus
from probing_core.measures.rank_correlation import MIN_CLUSTERS, rank_correlations
from probing_core.results.retrieval import ALL
from probing_core.results.run import Run
from probing_core.results.summaries import pick
from probing_core.run import layout

MEASURED = {
    "fine": "transformation",
    "content": "content",
    "robustness": "robustness",
    "recall": "original found",
    "shift": "shift",
}
"""Column of `embeddings_of` -> its name in charts and tables."""

IN_WORDS = {
    "content": ("know more of the content", "know less of the content"),
    "robustness": ("have neighbors that share more of the content", "have neighbors that share less of the content"),
    "recall": ("find originals more often", "find originals less often"),
    "shift": ("move farther under alteration", "move less far under alteration"),
}
"""What is said of embeddings that know more of what was done: where both rise, and where one falls."""

LOOK = "fine"
"""The measure of which the question is asked."""

COLUMNS = ("first", "second", "value", "low", "high", "networks", "embeddings")

_OPTIONS = re.compile(r"@(?=\w+=)")
_BLOCK = ["model", "layer", "pooling"]


def embeddings_of(run: Run) -> pd.DataFrame:
    """Return what was measured of every block of the networks of ``run``, and of the models that have no blocks.

    Columns: ``network`` (the model's name without options: its further trainings, layers and poolings are not
    independent of it), ``model``, ``layer`` and ``pooling`` (NaN and empty without blocks), and the measures, a column
    of `MEASURED` each: balanced accuracy at the tasks fine and content, the robustness index by label (by photograph,
    where no label has several), the share of altered pictures whose original is the nearest, and their mean shift.
    Measures that the run has not are left out, and so are rows that lack one of the others.
    """
    blocks = _blocks(run)
    wholes = _wholes(run)
    known = set(blocks["network"])
    # A block that was asked for as a model of its own is there already.
    table = pd.concat([blocks, wholes[~wholes["network"].isin(known)]], ignore_index=True)
    measures = [name for name in MEASURED if name in table and table[name].notna().any()]
    return table[["network", *_BLOCK, *measures]].dropna(subset=measures).reset_index(drop=True)


def pairs_of(points: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of every two measures of `embeddings_of`, with 95 % intervals by bootstrap over
    networks (`rank_correlations`); empty where networks are too few for intervals."""
    measures = [name for name in MEASURED if name in points]
    if points["network"].nunique() < MIN_CLUSTERS or len(measures) < 2:
        return pd.DataFrame(columns=list(COLUMNS))
    found = rank_correlations(points[measures].to_numpy(), points["network"].to_numpy(str))
    rows = [
        (measures[i], measures[j], found.value[i, j], found.low[i, j], found.high[i, j], found.clusters, found.points)
        for i, j in combinations(range(len(measures)), 2)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).dropna(subset=["value"]).reset_index(drop=True)


def pairs_of_run(run: Run) -> pd.DataFrame:
    """Return `pairs_of` the embeddings of ``run``."""
    return pairs_of(embeddings_of(run))


def named(pairs: pd.DataFrame) -> pd.Series:
    """Return the names of pairs, for a chart or a table."""
    return pairs["first"].map(MEASURED) + " – " + pairs["second"].map(MEASURED)


def together_finding(pairs: pd.DataFrame) -> str:
    """Return in two or three sentences what goes together with the knowledge of what was done, and which other pairs
    go together: those whose whole interval lies on one side of 0. Of the rest the words say that it cannot be told."""
    if LOOK not in set(pairs["first"]):
        return ""
    rows = pairs.assign(decided=(pairs["low"] > 0) | (pairs["high"] < 0)).to_dict("records")
    about = f"Over {rows[0]['embeddings']} embeddings of {rows[0]['networks']} networks"
    look, others = [row for row in rows if row["first"] == LOOK], [row for row in rows if row["first"] != LOOK]
    sure = [f"{IN_WORDS[row['second']][row['high'] < 0]} ({_numbers(row)})" for row in look if row["decided"]]
    unsure = [IN_WORDS[row["second"]][0] for row in look if not row["decided"]]
    words = []
    if sure:
        words.append(f"{about}, those that know more of what was done {_listed(sure)}.")
    if unsure:
        who = "Whether they" if sure else f"{about} it cannot be told whether those that know more of what was done"
        words.append(f"{who} {_listed(unsure, 'or')}{' cannot be told' if sure else ''}.")
    going = [_pair_in_words(row) for row in others if row["decided"]]
    left = sum(not row["decided"] for row in others)
    if going:
        words.append(f"Of the other pairs, {'; '.join(going)}{'; of the rest it cannot be told' if left else ''}.")
    elif left:
        words.append("Of no other pair it can be told whether they go together.")
    return " ".join(words)


def _pair_in_words(row: dict) -> str:
    names = f"{MEASURED[row['first']]} and {MEASURED[row['second']]}"
    return f"{names} {'rise together' if row['low'] > 0 else 'go against each other'} ({_numbers(row)})"


def _numbers(row: dict) -> str:
    value, low, high = (minus(f"{row[name]:.2f}") for name in ("value", "low", "high"))
    return f"rank correlation {value}, 95 % interval {low} to {high}"


def _listed(parts: list[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _blocks(run: Run) -> pd.DataFrame:
    """Return the measures of every block that was studied."""
    accuracies, near = (run.table(layout.table_path(name)) for name in ("layers", "neighbors-layers"))
    if accuracies.empty or near.empty:
        return pd.DataFrame(columns=["network", *_BLOCK])
    wide: list[pd.DataFrame | pd.Series] = [accuracies.pivot_table(index=_BLOCK, columns="task", values="value")]
    for name, rows in _of_near(near):
        wide.append(rows.set_index(_BLOCK)["value"].rename(name))
    table = pd.concat(wide, axis=1).reset_index()
    return table.assign(network=table["model"].map(_network))


def _of_near(near: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    by = _content_of(near["by"])
    wanted = {"recall": ("original-found", ""), "robustness": ("robustness-index", by), "shift": ("shift", "")}
    return [(name, near[(near["measure"] == m) & (near["by"] == b)]) for name, (m, b) in wanted.items()]


def _wholes(run: Run) -> pd.DataFrame:
    """Return the same measures of every model's own embedding."""
    retrieval, robustness, geometry = (
        run.table(layout.table_path(name)) for name in ("retrieval", "robustness", "geometry")
    )
    found = {
        "fine": pick(run.scores, task="fine", subset="all", measure="balanced-accuracy"),
        "content": pick(run.scores, task="content", subset="seen", measure="balanced-accuracy"),
        "robustness": robustness if robustness.empty else pick(robustness, by=_content_of(robustness["by"])),
        "recall": pick(retrieval, transform=ALL),
        "shift": pick(geometry, measure="shift"),
    }
    if not found["recall"].empty:
        rows = found["recall"]
        rows = rows[(rows["k"] == 1) & ~rows["extrapolated"]]
        found["recall"] = rows[rows["gallery"] == rows["gallery"].max()]
    if not found["shift"].empty:
        found["shift"] = found["shift"][found["shift"]["transform"] != "identity"]
    values = [rows.groupby("model")["value"].mean().rename(name) for name, rows in found.items() if not rows.empty]
    if not values:
        return pd.DataFrame(columns=["network", *_BLOCK])
    table = pd.concat(values, axis=1).rename_axis("model").reset_index()
    return table.assign(network=table["model"].map(_network), layer=np.nan, pooling="")


def _content_of(by: pd.Series) -> str:
    """Return what counts as content: the label, where the run has labels that several photographs share."""
    return "label" if (by == "label").any() else "photograph"


def _network(model: str) -> str:
    return _OPTIONS.split(model)[0]

"""How far to trust the answers: ``python -m lab.evidence.answers [RUN] [--models a,b] [--library NAME]``.

The packaged photographs, which no probe of a run over another corpus has seen, are altered by another library (in an
environment of its own) and every model of RUN (the reference run if none is given) is asked about each view. Prints, as
Markdown: how many untouched views are called untouched (a probability of at most one half of having been altered), how
many altered ones are found, the sum and the balanced accuracy with its interval over photographs, and for how many of
those found the group is right; and a reliability diagram: of the views called 60 to 70 %, so many are altered, where
half of the weight is. The same for the photographs that RUN tested, where its tables have the answers. ``--write`` puts
the tables into docs/results.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, put
from lab.evidence.foreign import LIBRARIES, altered
from probing_core import Predictor
from probing_core.compute.live import PRIOR
from probing_core.corpora.photos import photographs
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import decimal, in_percent
from probing_core.measures.statistics import Interval, interval
from probing_core.results.run import Run, open_run
from probing_core.transforms import resolve
from probing_core.transforms.base import Image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
BATCH = 64
BINS = 10


def ask(predictor: Predictor, made: dict[str, Image], models: Sequence[str]) -> pd.DataFrame:
    """Return one row a model and picture: ``model``, ``photograph``, ``operation``, ``group``, ``altered`` (the
    probability), ``named`` (the group of the first answer if it was)."""
    names, crops, rows = list(made), predictor.cut(list(made.values())), []
    for model in models:
        for start in range(0, len(crops), BATCH):
            found = predictor.ask(model, crops[start : start + BATCH])
            for name, answer in zip(names[start : start + BATCH], found, strict=True):
                photograph, _, operation, group, _ = name.split("|")
                named = answer.classes("group")[0]["class"]
                rows.append((model, photograph, operation, group, answer.altered(), named))
        print(f"{model} has answered", file=sys.stderr, flush=True)
    return pd.DataFrame(rows, columns=["model", "photograph", "operation", "group", "altered", "named"])


def tested(run: Run, models: Sequence[str]) -> pd.DataFrame:
    """Return the same of the tested samples of ``run``, by probes that had not seen their photographs; no rows where
    its tables have no answers."""
    parts = []
    for model in models:
        rows = run.predictions(model, "fine", ("base_id", "group", "transform"))
        if "altered" in rows:
            named = rows["named"].astype(str)
            groups = {name: resolve(name).group for name in named.unique()}
            columns = {"photograph": rows["base_id"], "operation": rows["transform"], "group": rows["group"]}
            columns = {name: column.astype(str) for name, column in columns.items()}
            parts.append(
                pd.DataFrame(columns | {"altered": rows["altered"], "named": named.map(groups), "model": model})
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def weights(group: pd.Series) -> np.ndarray:
    """Return (n,) weights that sum to 1: half to untouched pictures, and of the other half as much to each group."""
    in_group = group.map(group.value_counts()).to_numpy()
    changed = group[group != "identity"].nunique()
    return np.where(group == "identity", 1 - PRIOR, PRIOR / max(changed, 1)) / in_group


def noticing(rows: pd.DataFrame) -> dict[str, object]:
    """Return what the answers of one model are worth."""
    is_altered, found = (rows["group"] != "identity").to_numpy(), (rows["altered"] > 0.5).to_numpy()
    weight = weights(rows["group"])
    kept, hit = weight[~is_altered & ~found].sum() / (1 - PRIOR), weight[is_altered & found].sum() / PRIOR
    both: Interval = interval(
        balanced_accuracy(is_altered.astype(np.int64), found.astype(np.int64), rows["photograph"].to_numpy()),
        low=0,
        high=1,
    )
    right = (rows["named"] == rows["group"])[is_altered & found]
    return {
        "called untouched": kept,
        "found": hit,
        "sum": kept + hit,
        "noticing": both,
        "group right": right.mean() if len(right) else np.nan,
        "calibration error": float(np.abs(reliability(rows).eval("weight * (share - called)")).sum()),
    }


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a bin of the answers of one model: ``bin``, ``called`` (mean probability), ``share`` (that is
    altered) and ``weight``, under the prior."""
    weight = weights(rows["group"])
    table = pd.DataFrame({
        "bin": np.minimum((rows["altered"].to_numpy() * BINS).astype(int), BINS - 1),
        "weight": weight,
        "called": weight * rows["altered"].to_numpy(),
        "share": weight * (rows["group"] != "identity").to_numpy(),
    })  # fmt: skip
    sums = table.groupby("bin").sum()
    return sums.assign(called=sums["called"] / sums["weight"], share=sums["share"] / sums["weight"]).reset_index()


def markdown(answers: pd.DataFrame) -> str:
    """Return the two tables as Markdown."""
    found = {model: noticing(rows) for model, rows in answers.groupby("model", sort=False)}
    columns = ["untouched called so", "altered found", "sum", "balanced accuracy", "group right", "calibration error"]
    lines = [f"| model | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for model, one in found.items():
        both = one["noticing"]
        cells = [in_percent(one["called untouched"]), in_percent(one["found"]), decimal(one["sum"])]
        cells.append(f"{in_percent(both.value)} ({in_percent(both.low)} to {in_percent(both.high)})")
        cells += [in_percent(one["group right"]), decimal(one["calibration error"], 2)]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    bins = [f"{100 * i // BINS} to {100 * (i + 1) // BINS} %" for i in range(BINS)]
    lines += ["", "Of what a model calls altered with a probability, the share that is:", ""]
    lines += [f"| model | {' | '.join(bins)} |", "| --- |" + " --- |" * BINS]
    for model, rows in answers.groupby("model", sort=False):
        shares = reliability(rows).set_index("bin")["share"]
        cells = [in_percent(shares[i]) if i in shares else "" for i in range(BINS)]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--models", type=lambda text: text.split(","), metavar="a,b", help="default: all of the run")
    parser.add_argument("--library", choices=LIBRARIES, default=LIBRARIES[-1])
    parser.add_argument("--photographs", type=int, metavar="N", help="the first of the packaged ones (default: all)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    options = parser.parse_args()
    run = open_run(options.run)
    predictor = Predictor(run)
    models = options.models or predictor.models
    given = dict(list(dict(photographs()).items())[: options.photographs])
    answers = ask(predictor, altered(options.library, "views", given), models)
    held_out = tested(run, models)
    for part, rows in ((f"answers, {options.library}", answers), ("answers, held out", held_out)):
        if rows.empty:
            continue
        text = markdown(rows)
        print(f"{part}:\n\n{text}\n", flush=True)
        if options.write:
            mark = f"<!-- generated: python -m lab.evidence.{part} -->"
            PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), mark, text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Live predictions on pictures and code that are not ours: ``python -m lab.evidence.foreign RUN [--library NAME]``.

The packaged photographs, which no probe of a run over another corpus has seen, are changed by another library (in an
environment of its own) and looked at by every model of RUN. Prints, as Markdown, the in-group hit rate by group and
model, how many untouched pictures are called untouched, and how many pictures are known. ``--write`` puts the table
into docs/other-photographs.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, put, uv_run
from probing_core import Predictor
from probing_core.compute.live.tiles import cut
from probing_core.corpora.photos import photographs
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.intervals import Interval, interval
from probing_core.transforms.base import Image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "other-photographs.md"

LIBRARIES = ("albumentations", "imgaug")
"""The renderings were written with the first in view, not with the second."""

BATCH = 64


def altered(library: str, how: Literal["views", "pictures"], given: dict[str, Image]) -> dict[str, Image]:
    """Return name -> picture as ``library`` alters ``given``; `lab.evidence.foreign_pictures` says which names ``how``
    gives."""
    script = Path(__file__).with_name(f"foreign_{library}.py")
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "given.npz", Path(place) / "made.npz"
        np.savez(source, **given)  # type: ignore[arg-type]
        uv_run(script, how, source, made)
        return dict(np.load(made))


def predict(predictor: Predictor, made: dict[str, Image]) -> pd.DataFrame:
    """One row a model and picture: ``model``, ``photograph``, ``operation``, ``group``, ``said``, ``known``."""
    looks = [cut(picture, predictor.recipe.view) for picture in made.values()]
    rows = []
    for model in predictor.models:
        for start in range(0, len(looks), BATCH):
            names = list(made)[start : start + BATCH]
            for name, prediction in zip(
                names, predictor.predict_crops(model, looks[start : start + BATCH]), strict=True
            ):
                photograph, _, operation, group, _ = name.split("|")
                said = max(prediction.by_group, key=prediction.by_group.__getitem__)
                rows.append((model, photograph, operation, group, said, prediction.known))
    return pd.DataFrame(rows, columns=["model", "photograph", "operation", "group", "said", "known"])


def hit_rates(answers: pd.DataFrame) -> pd.DataFrame:
    """In percent, one row a model: by group, their mean without identity with its 95 % interval over photographs, and
    ``known``."""
    hit = answers["said"] == answers["group"]
    hits = answers.assign(hit=hit).groupby(["model", "group"])["hit"].mean().unstack() * 100
    changed = [group for group in hits if group != "identity"]
    hits = hits[[*changed, "identity"]].rename(columns={"identity": "untouched"})
    hits.insert(0, "mean of groups", hits[changed].mean(axis=1))
    means = {model: _mean_of_groups(rows) for model, rows in answers[answers["group"] != "identity"].groupby("model")}
    hits.insert(1, "from", pd.Series({model: 100 * mean.low for model, mean in means.items()}))
    hits.insert(2, "to", pd.Series({model: 100 * mean.high for model, mean in means.items()}))
    hits["known"] = answers.groupby("model")["known"].mean() * 100
    return hits.sort_values("mean of groups", ascending=False)


def _mean_of_groups(rows: pd.DataFrame) -> Interval:
    codes = [pd.Categorical(rows[c], sorted(set(rows["group"]) | set(rows["said"]))).codes for c in ("group", "said")]
    truth, said = (np.asarray(c, np.int64) for c in codes)
    return interval(balanced_accuracy(truth, said, rows["photograph"].to_numpy()), low=0, high=1)


def markdown(table: pd.DataFrame) -> str:
    """The table of `hit_rates` as Markdown."""
    columns = [name for name in table if name not in ("from", "to")]
    lines = [f"| model | {' | '.join(columns)} |", f"|{' --- |' * (len(columns) + 1)}"]
    for model, row in table.iterrows():
        cells = [f"{row[name]:.0f} %" for name in columns]
        cells[0] += f" ({row['from']:.0f} to {row['to']:.0f})"
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--library", choices=LIBRARIES, default=LIBRARIES[-1])
    parser.add_argument("--write", action="store_true", help="put the table into docs/other-photographs.md")
    options = parser.parse_args()
    answers = predict(Predictor(options.run), altered(options.library, "views", dict(photographs())))
    table = markdown(hit_rates(answers))
    print(table)
    if options.write:
        mark = f"<!-- generated: python -m lab.evidence.foreign, {options.library} -->"
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), mark, table), encoding="utf-8")
    hit = answers["said"] == answers["group"]
    worst = answers.assign(hit=hit).groupby(["model", "operation"])["hit"].mean().unstack()
    print("\nBy operation, in percent:\n\n" + (worst * 100).round(0).to_string(), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

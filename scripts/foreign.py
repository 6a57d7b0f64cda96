"""``python -m scripts.foreign RUN [--library imgaug]``: live predictions on pictures and code that are not ours.

The packaged photographs, which no probe of a run over another corpus has seen, are changed by another library (in a
virtual environment of its own, made on demand) and looked at by every model of RUN. Prints, as
Markdown, the in-group hit rate by group and model, how many untouched pictures are called untouched, and how many
pictures are known.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core import Predictor
from probing_core.corpora.photos import photographs
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.intervals import Interval, interval
from probing_core.prediction.tiles import cut
from scripts._command import errors_in_a_line

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = {
    "albumentations": ("albumentations==1.4.24", "opencv-python-headless"),
    "imgaug": ("imgaug==0.4.0", "numpy<1.24", "opencv-python-headless"),
}
"""Library -> what its environment holds. The renderings were written with the first in view, not with the second."""

BATCH = 64


def pictures(library: str) -> dict[str, np.ndarray]:
    """Name (see `scripts.foreign_pictures`) -> picture."""
    environment = ROOT / f".foreign-venv-{library}"
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *LIBRARIES[library]], check=True)
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "photographs.npz", Path(folder) / "pictures.npz"
        np.savez(source, **dict(photographs()))
        subprocess.run([python, ROOT / "scripts" / "foreign_pictures.py", library, source, made], check=True)
        return dict(np.load(made))


def predict(predictor: Predictor, made: dict[str, np.ndarray]) -> pd.DataFrame:
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


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--library", choices=LIBRARIES, default="albumentations")
    options = parser.parse_args()
    answers = predict(Predictor(options.run), pictures(options.library))
    table = hit_rates(answers)
    columns = [name for name in table if name not in ("from", "to")]
    print(f"| model | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for model, row in table.iterrows():
        cells = [f"{row[name]:.0f} %" for name in columns]
        cells[0] += f" ({row['from']:.0f} to {row['to']:.0f})"
        print(f"| `{model}` | {' | '.join(cells)} |")
    hit = answers["said"] == answers["group"]
    worst = answers.assign(hit=hit).groupby(["model", "operation"])["hit"].mean().unstack()
    print("\nBy operation, in percent:\n\n" + (worst * 100).round(0).to_string(), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

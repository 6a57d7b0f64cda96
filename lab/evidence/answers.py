"""Quality of answers for photographs from other collections: ``python -m lab.evidence.answers [RUN] [--models a,b]
[--photographs CORPUS]``.

The packaged photographs and the photographs in the ``test`` split of CORPUS (Parquet; ids begin with the source, as in
``pacs/0006``) are resized to the view size and edited with another library in a separate environment. No probe of RUN
(by default the reference run) was trained on them. Every model of RUN predicts every image. If RUN was calibrated on a
source, the calibration for images of this source excludes it.

The quality of the answers is printed as Markdown (`probing_core.answers.answer_quality`), together with the quality of
the answers for the test photographs of RUN, if its tables contain them. ``--write`` updates the table in
docs/results.md, the figure docs/pictures/answers.svg, and data/answers.parquet, which the Methods page reads.

``--keep FOLDER`` stores the edited images and the answers of each model, so that an interrupted command can be resumed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # no display

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, put, svg_of
from lab.evidence.foreign import LIBRARIES, altered
from probing_core import Predictor
from probing_core.answers.answer import Posterior
from probing_core.answers.answer_quality import quality, reliability
from probing_core.answers.calibration import model_posteriors
from probing_core.answers.crops import DIRECT, Crops, cut
from probing_core.api.model_answers import OUTSIDE, held_out
from probing_core.charts import Theme
from probing_core.compute.task_names import DEPLOYMENT
from probing_core.corpora import open_corpus
from probing_core.corpora.photos import PhotosCorpus
from probing_core.measures.notation import in_percent
from probing_core.results.run import open_run
from probing_core.run.layout import probe_path, scored_views_path
from probing_core.run.live import has_scored_views, read_posteriors
from probing_core.run.run_files import digest
from probing_core.transforms.transformation import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "docs" / "results.md", ROOT / "docs" / "pictures" / "answers.svg"
DATA = ROOT / "data" / OUTSIDE
CAPTION = "Reliability diagram: predicted probability and fraction of edited images"
BATCH = 256
PACKAGED = "packaged"


def load_photographs(view: int, corpus: str | None = None, limit: int | None = None) -> dict[str, Image]:
    """Return the packaged photographs and the test photographs of ``corpus`` by name, resized to ``view`` pixels.

    Names begin with the source.

    Args:
        limit: maximum number of packaged photographs; by default all.
    """
    packaged = {f"{PACKAGED}/{name}": image for name, image in list(PhotosCorpus().photographs())[:limit]}
    photographs = {name: cut(image, view).whole for name, image in packaged.items()}
    if corpus is not None:
        opened = open_corpus(corpus)
        ids = opened.rows.loc[opened.rows["split"] == "test", "image_id"]
        photographs |= {str(image_id): cut(opened.load(str(image_id)), view).whole for image_id in ids}
    return photographs


def pictures(library: str, photographs: dict[str, Image], keep: Path | None) -> dict[str, Image]:
    """Return the photographs edited with ``library`` by name, stored in the folder ``keep`` if given."""
    if keep is None:
        return altered(library, photographs)
    path = keep / f"{library}-{digest([sorted(photographs), [int(x.sum()) for x in photographs.values()]])[:16]}.npz"
    if not path.exists():
        images = altered(library, photographs)
        np.savez(path, names=np.array(list(images)), pictures=np.stack(list(images.values())))
    with np.load(path) as stored:
        return dict(zip(stored["names"].tolist(), stored["pictures"], strict=True))


def model_answers(predictor: Predictor, model: str, images: dict[str, Image], keep: Path | None = None) -> pd.DataFrame:
    """Return one row per image: ``model``, ``photograph``, ``source``, ``operation``, ``group``, ``score`` (log odds
    of an edit) and ``named`` (the most probable group given an edit)."""
    probe = predictor.store.checksum(probe_path(model, DEPLOYMENT))
    key = digest([model, probe, list(images), [int(x.sum()) for x in images.values()]])[:16]
    path = keep / f"{key}.parquet" if keep else None
    if path is not None and path.exists():
        return pd.read_parquet(path)
    names, rows = list(images), []
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        answers = predictor.ask(model, [Crops(images[name]) for name in batch])
        for name, answer in zip(batch, answers, strict=True):
            photograph, operation, group = name.split("|")
            named = str(pd.DataFrame(answer.classes()).groupby("group")["probability"].sum().idxmax())
            rows.append((model, photograph, photograph.partition("/")[0], operation, group, answer.score, named))
    print(f"{model} has answered", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=["model", "photograph", "source", "operation", "group", "score", "named"])
    if path is not None:
        table.to_parquet(path, index=False)
    return table


def judged(predictor: Predictor, model: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` of `model_answers` with ``altered``, the probability of an edit according to a calibration that
    excludes the source of the photograph."""
    store = predictor.store
    views = store.read_table(scored_views_path(model)) if has_scored_views(store, model) else None
    parts = []
    for source, source_rows in rows.groupby("source", sort=False):
        posteriors = read_posteriors(store, model)
        if views is not None:
            posteriors = model_posteriors(views[views["image_id"].str.partition("/")[0] != source])
        posterior = posteriors.get(DIRECT, Posterior())
        parts.append(source_rows.assign(altered=posterior.probability(source_rows["score"].to_numpy())))
    return pd.concat(parts).sort_index()


COLUMNS = (
    "clean images classified correctly",
    "edited images detected",
    "balanced accuracy (95% CI)",
    "group accuracy",
    "calibration error",
)


def markdown(answers: pd.DataFrame) -> str:
    """Return the quality of the answers of each model as a Markdown table."""
    lines = []
    for model, rows in answers.groupby("model", sort=False):
        result = quality(rows)
        balanced = result.accuracy
        lines.append(
            [
                f"`{model}`",
                in_percent(result.kept),
                in_percent(result.found),
                f"{in_percent(balanced.value)} ({100 * balanced.low:.0f}\N{EN DASH}{100 * balanced.high:.0f})",
                in_percent(result.named),
                f"{result.error:.3f}",
            ]
        )
    return markdown_table(["model", *COLUMNS], lines)


def picture(parts: dict[str, pd.DataFrame]) -> str:
    """Draw reliability diagrams of the sets of answers side by side, with one line for each model, as an SVG."""
    models = list(dict.fromkeys(model for rows in parts.values() for model in rows["model"]))
    theme = Theme(dark=False, models=tuple(models))
    figure, axes = plt.subplots(
        1, len(parts), figsize=(3.6 * len(parts) + 2.6, 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (title, rows) in zip(axes[0], parts.items(), strict=True):
        axis.plot([0, 100], [0, 100], color=theme.muted, linewidth=1)
        for i, model in enumerate(models):
            model_rows = rows[rows["model"] == model]
            if len(model_rows):
                bins = reliability(model_rows)
                called, share = 100 * bins["stated"], 100 * bins["fraction"]
                axis.plot(called, share, color=theme.series(i), label=model, marker=".", linewidth=1)
        axis.set(title=title, xlabel="predicted probability (%)", xlim=(0, 100), ylim=(0, 100))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("edited images (%)")
    axes[0, -1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return svg_of(figure, "answers")


def publish(parts: dict[str, pd.DataFrame], library: str, write: bool) -> None:
    """Print the tables of both sets of answers. With ``write``, update the page, the figure and the data file.

    The table of the test photographs is updated by ``make docs``.
    """
    for part, rows in parts.items():
        print(f"{part}:\n\n{markdown(rows)}\n", flush=True)
    if write:
        text = f"{markdown(parts[library])}\n\n![{CAPTION}]({PICTURE.relative_to(PAGE.parent)})"
        mark = f"<!-- generated: python -m lab.evidence.answers, {library} -->"
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), mark, text), encoding="utf-8")
        PICTURE.write_text(picture(parts), encoding="utf-8")
        parts[library].drop(columns="score").to_parquet(DATA, index=False)


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs and data")
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--models", type=lambda text: text.split(","), metavar="a,b", help="models (default: all)")
    parser.add_argument("--photographs", metavar="CORPUS", help="corpus whose test split is used in addition")
    parser.add_argument("--library", choices=LIBRARIES, default=LIBRARIES[-1], help="library that edits the images")
    parser.add_argument("--packaged", type=int, metavar="N", help="number of packaged photographs (default: all)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder for edited images and answers")
    options = parser.parse_args()
    run = open_run(options.run)
    models: Sequence[str] = options.models or run.live_models
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    predictor = Predictor(run)
    images = pictures(
        options.library, load_photographs(run.recipe.view, options.photographs, options.packaged), options.keep
    )
    answers = [judged(predictor, model, model_answers(predictor, model, images, options.keep)) for model in models]
    parts = {options.library: pd.concat(answers, ignore_index=True)}
    tested: pd.DataFrame = held_out(run, models)
    if len(tested):
        parts["held out"] = tested
    publish(parts, options.library, options.write)


if __name__ == "__main__":
    sys.exit(main())

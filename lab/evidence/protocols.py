"""Accuracy of models under the protocols of other papers: ``python -m lab.evidence.protocols FOLDER [--only PROTOCOL]
[--write]``.

The command computes runs of 200 included photographs in FOLDER, one for each part of ``traces`` and one for
``imagenet-c`` (`lab.protocols`). Existing runs are resumed. The detector of the reference run predicts test photographs
at each severity. The command prints, as Markdown, the accuracy of linear probes, and their recall and the percentage of
images that the detector flags by severity. ``--write`` updates docs/protocols.md and the tables in ``data/protocols``.
With ``--only``, the results of the other protocol are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, put, replace_rows
from lab.evidence._detector import share
from lab.protocols import imagenet_c, traces
from lab.protocols.traces import PARTS
from probing_core import Predictor
from probing_core.answers.reference_sets import LEVEL
from probing_core.catalog import load_plugin
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.measures.notation import in_percent
from probing_core.models import bundled
from probing_core.results import Run
from probing_core.run.layout import slug, table_path
from probing_core.run.options import EVALUATE, Options
from probing_core.run.pipeline import run
from probing_core.run.progress import terminal
from probing_core.transforms import cut_pair, generator, prepare_source, resolve
from probing_core.transforms.transformation import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE, DATA = ROOT / "docs" / "protocols.md", ROOT / "data" / "protocols"

TRACES = tuple(PARTS)
CORRUPTIONS = "imagenet-c"
PHOTOGRAPHS = 200
FOURTH_STAGE = "timm:tf_efficientnet_lite0@layer=4"
SEVERITIES = (1, 2, 3, 4, 5)
BATCH = 64


def completed_run(folder: Path, part: str) -> Run:
    """Compute the run for a part of a protocol, and return it."""
    out = folder / slug(part)
    options = Options(
        corpus="reference",
        transforms=PARTS.get(part, (part,)),
        models=(*bundled(), FOURTH_STAGE),
        limit=PHOTOGRAPHS,
        repetitions=1,
    )
    run(out, options, EVALUATE, terminal(out))  # maps are not required
    return Run.open(out)


def accuracy_table(runs: dict[str, Run]) -> pd.DataFrame:
    """Return one row per part and model with the balanced accuracy of the task `fine`, its interval, and the chance
    level."""
    tables = []
    for part, opened in runs.items():
        rows = opened.scores
        fine = rows[(rows["task"] == "fine") & (rows["subset"] == "all") & (rows["probe"] == "linear")]
        fine = fine[fine["measure"] == "balanced-accuracy"]
        tables.append(fine[["model", "value", "low", "high", "bases", "chance"]].assign(part=part))
    return pd.concat(tables, ignore_index=True)


def by_severity(opened: Run) -> pd.DataFrame:
    """Return the recall of each model at each severity, averaged over operations: ``model``, ``severity``,
    ``recall``."""
    strengths = opened.table(table_path("strength"))
    means = strengths.groupby(["model", "strength"], as_index=False)["hit_rate"].mean()
    return means.rename(columns={"strength": "severity", "hit_rate": "recall"}).astype({"severity": int})


def detected() -> pd.DataFrame:
    """Compute the fraction of photographs that the detector of the reference run flags, with its interval.

    Returns:
        One row per operation and severity. Severity 0 stands for clean crops.
    """
    predictor = Predictor()
    corpus = open_corpus("reference")
    rows = corpus.rows[corpus.rows["split"] == "test"].drop_duplicates("base_id").head(PHOTOGRAPHS)
    names = [transform.name for transform in imagenet_c.TRANSFORMS]
    shares = []
    for name, severity in [("identity", 0), *((name, severity) for name in names for severity in SEVERITIES)]:
        pictures = list(_altered(corpus, rows["image_id"], predictor.recipe.view, name, severity))
        flagged = [
            answer.evidence is not None and answer.evidence.p is not None and answer.evidence.p <= LEVEL
            for start in range(0, len(pictures), BATCH)
            for answer in predictor.ask(DETECTOR, predictor.cut(pictures[start : start + BATCH]))
        ]
        rate = share(np.array(flagged), rows["base_id"].to_numpy())
        shares.append((name, severity, rate.value, rate.low, rate.high, len(pictures)))
        print(f"{name} at severity {severity}: {rate.value:.3f}", file=sys.stderr, flush=True)
    return pd.DataFrame(shares, columns=["operation", "severity", "share", "low", "high", "photographs"])


def _altered(corpus: Corpus, ids: pd.Series, view: int, name: str, severity: int) -> Iterator[Image]:
    transform = resolve(name)
    for image_id in ids:
        rng = generator(0, image_id, name)
        strength = float("nan") if name == "identity" else float(severity)
        yield cut_pair(prepare_source(corpus.load(image_id), view), view, transform, strength, rng)[1]


def table_of_traces(scores: pd.DataFrame) -> str:
    """Return a Markdown table of the accuracy of each model in each part, sorted by accuracy in the first part."""
    trace_scores = scores[scores["part"].isin(TRACES)]
    chance = trace_scores.groupby("part")["chance"].first()
    head = [f"{part.partition('/')[2]} (chance {in_percent(chance[part])})" for part in TRACES]
    order = trace_scores[trace_scores["part"] == TRACES[0]].sort_values("value", ascending=False)["model"]
    cells = {(row.model, row.part): _cell(row.value, row.low, row.high) for row in trace_scores.itertuples()}
    return markdown_table(["model", *head], [[m, *(cells[m, part] for part in TRACES)] for m in order])


def table_of_corruptions(scores: pd.DataFrame, recalls: pd.DataFrame) -> str:
    """Return a Markdown table of the accuracy over all corruptions, and the recall at each severity."""
    corruption_scores = scores[scores["part"] == CORRUPTIONS].sort_values("value", ascending=False)
    at = recalls.set_index(["model", "severity"])["recall"]
    head = ["model", f"all (chance {in_percent(corruption_scores['chance'].iloc[0])})", *map(str, SEVERITIES)]
    lines = [
        [row.model, _cell(row.value, row.low, row.high), *(in_percent(at[row.model, s]) for s in SEVERITIES)]
        for row in corruption_scores.itertuples()
    ]
    return markdown_table(head, lines)


def table_of_detected(shares: pd.DataFrame) -> str:
    """Return a Markdown table of the percentages of flagged images, and a sentence about clean images."""
    untouched = shares[shares["severity"] == 0].iloc[0]
    changed = shares[shares["severity"] > 0].pivot_table(index="operation", columns="severity", values="share")
    lines = [
        [name.partition("/")[2], *(in_percent(changed.at[name, severity]) for severity in SEVERITIES)]
        for name in dict.fromkeys(shares.loc[shares["severity"] > 0, "operation"])
    ]
    lines.append(["**mean**", *(f"**{in_percent(changed[severity].mean())}**" for severity in SEVERITIES)])
    false_positives = _cell(untouched["share"], untouched["low"], untouched["high"])
    table = markdown_table(["operation", "severity 1", *map(str, SEVERITIES[1:])], lines)
    return f"{table}\n\nWithout a corruption, {false_positives} of the same crops are flagged."


def _cell(value: float, low: float, high: float) -> str:
    return f"{in_percent(value, 1)} ({100 * low:.1f} to {100 * high:.1f})"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/protocols.md and data/protocols")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=["traces", CORRUPTIONS], help="protocol to compute (default: both)")
    options = parser.parse_args()
    for plugin in (traces, imagenet_c):
        load_plugin(Path(plugin.__file__))
    protocols = {"traces": TRACES, CORRUPTIONS: (CORRUPTIONS,), None: (*TRACES, CORRUPTIONS)}
    runs = {part: completed_run(options.folder, part) for part in protocols[options.only]}
    scores, parts, tables = accuracy_table(runs), {}, {}
    if TRACES[0] in runs:
        parts["traces"] = table_of_traces(scores)
    if CORRUPTIONS in runs:
        tables = {"severities": by_severity(runs[CORRUPTIONS]), "detector": detected()}
        parts[CORRUPTIONS] = table_of_corruptions(scores, tables["severities"])
        parts[f"{CORRUPTIONS}, detector"] = table_of_detected(tables["detector"])
    page = PAGE.read_text(encoding="utf-8")
    for name, text in parts.items():
        print(f"{text}\n", flush=True)
        page = put(page, f"<!-- generated: python -m lab.evidence.protocols, {name} -->", text)
    if options.write:
        DATA.mkdir(exist_ok=True)
        replace_rows(DATA / "accuracies.parquet", scores, "part")
        for name, table in tables.items():
            table.to_parquet(DATA / f"{name}.parquet", index=False)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Update the generated parts of the documentation (``make docs``).

The table of transformations is generated from the catalog. The board is generated from the reference run and the files
in board/. The results in docs/results.md, docs/index.md and README.md are generated from the reference run. The figures
in docs/ideas.md are drawn, and the notebooks are executed.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbformat import NotebookNode

from lab.devtools.commands import markdown_table, put
from lab.evidence import answers, quick_places
from lab.scripts import board_docs, idea_pictures, transform_docs
from probing_core.api.model_answers import held_out
from probing_core.measures.notation import in_percent, in_points, percent_interval, points_interval, transform_title
from probing_core.measures.statistics import with_place
from probing_core.models import encoders_of
from probing_core.results import (
    Run,
    claims_by_set,
    leaderboard,
    result_in_words,
    retrieval,
    summaries,
)
from probing_core.results.claim_sentences import (
    claim_in_words,
    encoders_by_role,
    evidence_in_words,
)
from probing_core.results.ranking import has_place, in_order, is_baseline, rows_of_probes
from probing_core.results.sentences import (
    about_probe_rows,
    about_selected_settings,
    beside_baselines,
    finding,
    layers_finding,
    originals_finding,
)
from probing_core.run import layout
from probing_core.run.run_files import RunFiles

ROOT = Path(__file__).resolve().parents[2]
README, RESULTS, INDEX = "README.md", "docs/results.md", "docs/index.md"
NOTEBOOKS = [ROOT / "docs" / "how-to" / name for name in ("encoder.ipynb", "training.ipynb")]
TIMEOUT_S = 300
"""Timeout in seconds for one cell of a notebook."""

README_MARK = "<!-- generated: make docs -->"
INDEX_MARK = "<!-- generated: make docs, five findings -->"
COLUMNS = (
    ("fine", "all", "balanced-accuracy", "transformation accuracy"),
    ("group-0", "seen", "group-hit-rate", "group recall, seen"),
    ("group-0", "unseen", "group-hit-rate", "group recall, unseen"),
    ("group-0", "far", "group-hit-rate", "style recall, unseen styles"),
    ("content", "seen", "balanced-accuracy", "content accuracy"),
)
"""Columns of the table of scores: task, subset, measure, title. Columns without scores are omitted."""

PROBES = {"linear": "linear probe", "mlp": "MLP", "knn-5": "k-NN (5)", "knn-20": "k-NN (20)", "knn-50": "k-NN (50)"}
"""Kind of probe -> title of its column in the table of probes."""

STYLES = {
    "training styles": (r"style-(3|16|19)", True),
    "held-out style of the bank": (r"style-(3|16|19)", False),
    "5 other styles of the same network": (r"style-(8|12|14|15|23)", False),
    "10 styles of another network": (r"style-arbitrary-\d+", False),
}
"""Title -> regular expression for the transformations, and whether the probe of the fold was trained on them."""

STYLE_MODELS = ("baseline/random-vit", "timm:tf_efficientnet_lite0", "baseline/handcrafted")
"""Models in the table of styles, in addition to the zoo encoders."""


def main() -> None:
    transform_docs.main()
    board_docs.update()
    run = RunFiles(ROOT / "data" / "reference")
    opened = Run.open(run.root)
    parts = {
        "main results": takeaways(opened),
        "scores": score_table(run),
        "probes": probe_table(opened),
        "claims": claims_list(run),
        "ablations": ablation_table(run),
        "layers": layer_table(opened),
        "styles": style_table(run),
        "answers": answers.markdown(held_out(opened, answers_models())),
        "quick protocol": quick_places.summary(quick_places.places_of(opened)),
    }
    results = (ROOT / RESULTS).read_text(encoding="utf-8")
    for name, text in parts.items():
        results = put(results, f"<!-- generated: make docs, {name} -->", text)
    (ROOT / RESULTS).write_text(results, encoding="utf-8")
    index = (ROOT / INDEX).read_text(encoding="utf-8")
    (ROOT / INDEX).write_text(put(index, INDEX_MARK, five_findings(opened)), encoding="utf-8")
    idea_pictures.main()
    for path in NOTEBOOKS:
        path.write_text(json.dumps(executed(path), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = (ROOT / README).read_text(encoding="utf-8")
    (ROOT / README).write_text(put(readme, README_MARK, headline(run)), encoding="utf-8")


def answers_models() -> list[str]:
    """Return the models whose answers for photographs from other collections are in docs/results.md."""
    return pd.read_parquet(answers.DATA)["model"].unique().tolist()


def executed(path: Path) -> NotebookNode:
    """Execute a notebook in an empty folder, and return it with the outputs of its cells, except standard error.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    content = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # A library imported earlier may have set a different backend for child processes.
        inline = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        client = NotebookClient(content, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}})
        client.execute(env=inline)
    content.metadata = {"kernelspec": content.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in content.cells:
        cell.metadata = {}  # contains timestamps
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return content


def headline(run: RunFiles) -> str:
    """Return the result in the README: transformation accuracy of the best and worst zoo encoder and of baselines."""
    scores = run.read_table(layout.SCORES)
    rows = scores[
        (scores[["probe", "task", "subset", "measure"]] == ["linear", "fine", "all", "balanced-accuracy"]).all(axis=1)
    ].set_index("model")
    encoders = [name for names in encoders_of("zoo").values() for name in names if name in rows.index]
    objectives = rows.loc[encoders].sort_values("value", ascending=False)
    best, least = objectives.iloc[0], objectives.iloc[-1]
    untrained, published, statistics = (
        rows.loc[name] for name in ("baseline/random-vit", "timm:tf_efficientnet_lite0", "baseline/handcrafted")
    )

    def with_interval(row: pd.Series) -> str:
        return f"{in_percent(row['value'], 1)} (95% CI {100 * row['low']:.1f}\N{EN DASH}{100 * row['high']:.1f})"

    first, last = objectives.index[0], objectives.index[-1]
    return (
        f"Of {len(objectives)} small encoders that differ only in their training objective, `{first}` encodes the most "
        f"about transformations: a linear probe on its embedding predicts the transformation with an accuracy of "
        f"{with_interval(best)}, compared with {with_interval(least)} for `{last}`. "
        f"Chance is {in_percent(best['chance'])}. The untrained network reaches {with_interval(untrained)}, "
        f"a published EfficientNet-Lite0 {with_interval(published)}, and handcrafted pixel statistics "
        f"{with_interval(statistics)}. `probing compare {first} {last}` recomputes the difference."
    )


def takeaways(run: Run) -> str:
    """Return the main findings of a run as a Markdown list, with the same sentences as the dashboard."""
    board = leaderboard(run)
    learned, baselines = board[~is_baseline(board["model"])], board[is_baseline(board["model"])]
    duplicates = retrieval.ordered(run, "duplicates", learned=True).iloc[0]
    content = leaderboard(run, "content", "seen").iloc[0]
    far = leaderboard(run, "group-0", "far")
    lines = [
        f"**Transformations.** {finding(learned, len(run.classes('fine')), code)} "
        f"{beside_baselines(learned, baselines, code)}",
        f"**Layers.** {layers_finding(summaries.layers(run), code)}",
        f"**Retrieval.** {originals_finding(run, code)} For duplicates, {code(duplicates['model'])} has the highest "
        f"recall among the encoders: {in_percent(duplicates['value'])} at a false-positive rate of 0.1%.",
        f"**Content.** {code(content['model'])} has the highest content accuracy: {estimate(content)}.",
    ]
    if not far.empty:
        best = far.iloc[0]
        lines.append(
            f"**Unseen styles.** {code(best['model'])} has the highest recall: its probe classifies "
            f"{estimate(best)} of samples in unseen styles as style."
        )
    return "\n".join(f"- {line}" for line in lines)


def five_findings(run: Run) -> str:
    """Return five findings with one number each as a Markdown list, for the first page of the documentation."""
    board = leaderboard(run)
    best = board[~is_baseline(board["model"])].iloc[0]
    layers = best_layers(summaries.layers(run)).query("task == 'fine'")
    gain = layers.loc[layers["difference"].idxmax()]
    originals = retrieval.ordered(run, "original", learned=True).iloc[0]
    styles = leaderboard(run, "group-0", "far").iloc[0]
    wrong = run.predictions(str(best["model"]), "fine").query("truth != predicted")
    (truth, predicted), _ = next(iter(wrong.groupby(["truth", "predicted"], observed=True).size().nlargest(1).items()))
    samples = run.predictions(str(best["model"]), "fine").query("truth == @truth")
    rate = float((samples["predicted"] == predicted).mean())
    name = code(str(best["model"]))
    lines = [
        f"**How much an embedding encodes.** A probe on {name} predicts the transformation with an accuracy of "
        f"{in_percent(best['value'], 1)}.",
        f"**Which transformations it confuses.** The same probe classifies {in_percent(rate)} of "
        f"{transform_title(truth)} samples as {transform_title(predicted)}.",
        f"**Which layer encodes it.** Layer {gain['layer']} of {code(gain['base'])} is "
        f"{100 * gain['difference']:.1f} percentage points more accurate than its last layer.",
        f"**Whether it generalizes.** The best probe classifies {in_percent(styles['value'])} of samples in unseen "
        f"styles as style.",
        f"**Whether it retrieves edited images.** {code(originals['model'])} retrieves the original of "
        f"{in_percent(originals['value'])} of edited images.",
    ]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def estimate(row: pd.Series) -> str:
    """Return a score with its confidence interval and the chance level as text."""
    return f"{in_percent(row['value'])} (95% CI {interval(row)}; chance {in_percent(row['chance'])})"


def interval(row: Any) -> str:
    return percent_interval(row["low"], row["high"], 0)


def code(name: str) -> str:
    return f"`{name}`"


def style_table(run: RunFiles) -> str:
    """Return a Markdown table of the percentages of samples in `STYLES` that are predicted as style and as noise, over
    all folds."""
    transforms = run.read_table(layout.SAMPLES, columns=["sample", "transform"]).set_index("sample")["transform"]
    zoo = [name for names in encoders_of("zoo").values() for name in names]
    lines = []
    for title, models in ({"zoo encoders": zoo} | {code(name): [name] for name in STYLE_MODELS}).items():
        paths = [layout.predictions_path(model, f"group-{fold}") for model in models for fold in range(3)]
        rows = pd.concat([run.read_table(path) for path in paths]).join(transforms, on="sample")
        cells = []
        for pattern, is_seen in STYLES.values():
            predicted = rows[rows["transform"].str.fullmatch(pattern) & (rows["seen"] == is_seen)]["predicted"]
            cells.append(f"{in_percent((predicted == 'style').mean())} / {in_percent((predicted == 'noise').mean())}")
        lines.append([title, *cells])
    return markdown_table(["model", *STYLES], lines)


def score_table(run: RunFiles) -> str:
    """Return a Markdown table of a run's main scores with 95% confidence intervals, best model first, and footnotes.

    Each model has one row. The last column contains the transformation accuracy of its additional seeds.
    """
    scores = Run.open(run.root).scores
    cells: dict[str, dict[str, str]] = {}
    values: dict[str, float] = {}
    chances: dict[str, str] = {}
    marks: dict[str, str] = {}
    for task, subset, measure, title in COLUMNS:
        rows = scores[(scores[["task", "subset", "measure"]] == [task, subset, measure]).all(axis=1)]
        for row in rows.to_dict("records"):
            values.setdefault(row["model"], row["value"])
            mark = marks.setdefault(row["note"], f"<sup>{len(marks) + 1}</sup>") if row["note"] else ""
            cells.setdefault(row["model"], {})[title] = f"{in_percent(row['value'])} ({interval(row)}){mark}"
            chances[title] = in_percent(row["chance"])
    board = in_order(pd.DataFrame({"model": values.keys(), "value": values.values()}))
    lines = []
    for model in board.loc[has_place(board), "model"]:
        seeds = ", ".join(in_percent(value) for value in board.loc[board["seed_of"] == model, "value"])
        lines.append([code(model), *(cells[model].get(title, "") for title in chances), seeds])
    table = markdown_table(["model", *chances, "additional seeds"], [*lines, ["chance", *chances.values(), ""]])
    stored = "the penalty of 1 of 1 probes lies at the edge of its grid"
    texts = {note.replace(stored, "the selected penalty is at the edge of the grid"): m for note, m in marks.items()}
    notes = [f"{mark} {note[0].upper()}{note[1:]}." for note, mark in texts.items()]
    return "\n\n".join([table, *notes])


def probe_table(run: Run) -> str:
    """Return how probes were trained, and a Markdown table of their accuracies, with the best linear probe first."""
    rows = summaries.pick(run.probe_scores, task="fine", subset="seen", measure="balanced-accuracy")
    rows = rows[rows["model"].isin(with_place(rows["model"]))].sort_values("value", ascending=False)
    cells = {
        (row["model"], row["probe"]): f"{in_percent(row['value'], 1)} ({interval(row)})"
        for row in rows.to_dict("records")
    }
    models = rows.loc[rows["probe"] == "linear", "model"]
    lines = [[code(model), *(cells.get((model, probe), "") for probe in PROBES)] for model in models]
    how = f"{about_probe_rows(rows_of_probes(run), PROBES)} {about_selected_settings(run)}"
    return f"{how}\n\n{markdown_table(['model', *PROBES.values()], lines)}"


def accuracies_in_words(roles: pd.DataFrame) -> str:
    """Return the accuracies whose correlation is tested for claim 5 as text, or an empty string if there are none.

    Args:
        roles: rows of the table of roles for one set of encoders.
    """
    if roles.empty:
        return ""
    measured = roles[roles["fine"].notna() & roles["content"].notna()]
    accuracies = zip(measured["role"], measured["fine"], measured["content"], strict=True)
    parts = [f"{role} {in_percent(fine)} / {in_percent(content)}" for role, fine, content in accuracies]
    return f"Transformation / content accuracy: {', '.join(parts)}." if parts else ""


def claims_list(run: RunFiles) -> str:
    """Return the claims with their test results and evidence, as a numbered list for each set of encoders."""
    roles = run.read_table(layout.ROLES)
    parts = []
    for title, rows in claims_by_set(run.read_table(layout.CLAIMS)).items():
        set_roles = summaries.pick(roles, set=str(rows["set"].iloc[0]))
        named = "; ".join(f"{role}: {', '.join(models)}" for role, models in encoders_by_role(set_roles).items())
        lines = [
            f"{row['claim']}. {claim_in_words(row)} **{result_in_words(row)}** {evidence_in_words(row)}".rstrip()
            for row in rows.to_dict("records")
        ]
        lines[-1] += f" {accuracies_in_words(set_roles)}"
        parts.append("\n".join([f"{title} ({named}):", "", *lines]))
    return "\n\n".join(parts)


def ablation_table(run: RunFiles) -> str:
    """Return a Markdown table of the ablations of the zoo: differences in percentage points with Holm-corrected
    p-values."""
    rows = run.read_table(layout.ABLATIONS).dropna(subset=["p"])
    cells: dict[str, dict[str, str]] = {}
    for row in rows.to_dict("records"):
        p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
        low_to_high = points_interval(row["low"], row["high"])
        pair = f"`{row['first']}` \N{MINUS SIGN} `{row['second']}`"
        cells.setdefault(pair, {})[row["score"]] = f"{in_points(row['effect'])} ({low_to_high}), {p}"
    titles = {"fine": "transformation accuracy", "far style": "style recall, unseen styles"}
    lines = [[pair, *(scores.get(name, "") for name in titles)] for pair, scores in cells.items()]
    return markdown_table(["comparison", *titles.values()], lines)


DIFFERENCES = ("difference", "difference_low", "difference_high")


def best_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the selected layer of each model and task, and the number of layers of the model.

    Args:
        rows: table of `summaries.layers`.
    """
    depth = rows.groupby("base", sort=False)["layer"].max()
    best = rows[rows["chosen"].astype(bool)]
    best = best.assign(layers=best["base"].map(depth))[["base", "task", "layer", "layers", *DIFFERENCES]]
    place = {base: i for i, base in enumerate(depth.index)} | {"fine": 0, "content": 1}
    return best.sort_values(["base", "task"], key=lambda column: column.map(place), ignore_index=True)


def layer_table(run: Run) -> str:
    """Return a Markdown table that compares the layer selected on the validation set with the last layer of each
    network."""
    every = summaries.layers(run)
    every = every[every["base"].isin(with_place(every["base"]))]
    cells: dict[str, list[str]] = {}
    for best in best_layers(every).itertuples():
        interval = points_interval(best.difference_low, best.difference_high)
        difference = f"{in_points(best.difference)} ({interval})"
        if best.layer == best.layers:  # compared with itself
            difference = "\N{EN DASH}"
        cells.setdefault(str(best.base), []).extend([f"{best.layer} of {best.layers}", difference])
    titles = [title for name in ("transformations", "content") for title in (f"selected layer, {name}", "difference")]
    return markdown_table(["model", *titles], [[code(base), *scores] for base, scores in cells.items()])


if __name__ == "__main__":
    main()

"""The "Methods" page: licenses, protocol, splits, probes and intervals, and folded sections with details."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.downloads import MAX_CSV_ROWS, fits_into_a_zip, zip_of
from dashboard.data.pictures import address_of
from dashboard.data.strip import CORRECT, strip_of
from dashboard.page import page
from dashboard.text import GLOSSARY, named, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import PERCENT, Figure, Theme, dots_chart, reliability_chart, splits_chart
from probing_core.compute.sampling.samples import has_splits
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title, model_titles, transform_title
from probing_core.measures.statistics import networks, with_place
from probing_core.probes import DEFINITIONS
from probing_core.results import FURTHER, PicturesMissing, Run, command_of, corpus_is_named
from probing_core.results.claim_sentences import PAPER
from probing_core.results.ranking import rows_of_probes
from probing_core.results.sentences import (
    ORIGIN,
    PROTOCOL,
    about_fits,
    about_images,
    about_probe_rows,
    about_selected_settings,
    about_training_data,
    about_visibility,
    entries_of,
    how_trained,
)
from probing_core.run import layout
from probing_core.run.run_files import first_rows
from probing_core.transforms import GROUPS, bank

UNCERTAINTY = """
**Confidence intervals** are 95% bootstrap intervals clustered by test photograph: all crops and samples of a
photograph count as one observation. With fewer than 20 photographs, t intervals are used; with fewer than 6, no
interval is computed. Near 0% and 100%, Wilson intervals are used. The interval of a difference between two models is
Tango's score interval for paired proportions (Tango 1998, *Statistics in Medicine* 17, 891\N{EN DASH}908), applied to
photographs, if fewer than half of the photographs differ between the models. The intervals indicate how much a score
would vary with other photographs from the same source. They do not account for variation between training runs, which
can be larger. Scores of additional seeds are shown separately.

**p-values** are from paired sign-flip tests of two models on the same photographs. They are adjusted for comparing
all pairs of models, because the best model is selected based on the scores. Tests of the claims are Holm-corrected
within each set of encoders. On all pages, *significant* means that the adjusted p-value is at most 0.05. Intervals
are not adjusted.
"""

ABOUT_TRUST = (
    "Each model predicts the probability that an image was edited. In this evaluation, clean and edited images have "
    "equal total weight, and all groups of edits have equal weight. On the diagonal of the reliability diagram, "
    "predicted probabilities equal observed fractions."
)
TRUST = {
    "kept": ("Clean, correct (%)", "Percentage of clean images with a predicted probability of at most 50%."),
    "found": ("Edited, correct (%)", "Percentage of edited images with a predicted probability above 50%."),
    "noticing": (
        "Balanced accuracy (%)",
        "Balanced accuracy over clean and edited images. Every edited image has the same weight.",
    ),
    "low": ("95% CI low (%)", "Lower limit of the 95% confidence interval over photographs."),
    "high": ("95% CI high (%)", "Upper limit of the 95% confidence interval over photographs."),
    "named": ("Group accuracy (%)", "Percentage of detected edits whose group is predicted correctly."),
    "error": (
        "Calibration error (%)",
        "Mean absolute difference between predicted probability and fraction of edited images, averaged over bins.",
    ),
}

VERSIONS = 3
"""Number of edited versions of a photograph in the protocol figure."""

IMAGE_WIDTH = 112
"""Width in pixels of an image in the protocol figure."""

SHORT = 12
"""Number of leading digits of a fingerprint that are shown in a caption."""

SHOWN = 200
"""Maximum number of rows of a table that the page shows."""

ROLES = {"train": "train: fit probes", "val": "val: select settings", "test": "test: compute scores"}
"""Split -> label in the chart of splits."""


PROBES = {"linear": "linear", "mlp": "MLP", "knn-20": "k-NN (20)"}
"""Kind of probe -> label in the chart of probes."""


@page("Methods")
def show() -> None:
    run = cache.current_run()
    messages.finding(cache.computed(run, _finding))
    sections = {
        "Licenses": _licenses_of_all,
        "Protocol": _protocol,
        "Splits": _splits,
        "Probes": _probes,
        "Intervals and p-values": _uncertainty,
    }
    anchors = {title: title.lower().replace(" ", "-") for title in sections}
    st.markdown(" \N{MIDDLE DOT} ".join(f"[{title}](#{anchor})" for title, anchor in anchors.items()))
    for title, show_section in sections.items():
        st.header(title, anchor=anchors[title])
        show_section(run)
    folded = {
        "Rules of the protocol": _details,
        "Calibration of answers": _trust,
        "Training data of the encoders": _training_data,
        "Models": _models,
        "Photographs": _data,
        "Glossary and measures": lambda _: _define(GLOSSARY | {m.title: m.definition for m in MEASURES} | DEFINITIONS),
        "Recipe": _recipe,
        "Tables": _export,
    }
    for title, show_section in folded.items():
        if box := pickers.fold(title, f"{state.FOLD}{title.split()[0].lower()}"):
            with box:
                show_section(run)


def _finding(run: Run) -> str:
    used = run.images[run.images["used"]]
    tested = used[used["split"] == "test"] if has_splits(run.images) else used
    return (
        f"Linear probes predict from an embedding which of {len(run.classes('fine')) - 1} transformations was applied, "
        f"and are scored on **{tested['base_id'].nunique():,}** test photographs."
    )


def _protocol(run: Run) -> None:
    _figure(run)
    st.markdown(ORIGIN.replace(PAPER, f"[{PAPER}](https://arxiv.org/abs/{PAPER.split()[1]})"))
    st.markdown(f"**In this run:** {how_trained(run)}")
    if run.fits.empty:
        messages.empty('This run has no probes yet. Resume the run on the "Evaluate your model" page.')


def _details(run: Run) -> None:
    st.markdown("\n".join(f"{number}. {rule}" for number, rule in enumerate(PROTOCOL, 1)))
    if run.sample_count:
        st.markdown(cache.computed(run, about_visibility))
    if not run.fits.empty:
        st.markdown(about_fits(run))


def _figure(run: Run) -> None:
    """Show the steps of the protocol with images of the run and the predictions of its best model."""
    board = cache.board(run)
    strip = cache.computed(run, strip_of, tuple(with_place(board["model"]))) if len(board) else None
    if strip is None:
        return
    samples, answers = strip
    samples = samples.iloc[[0, *range(-VERSIONS, 0)]]
    try:
        photograph, *edited = cache.pictures(run, samples)
    except PicturesMissing:
        return
    applied = [transform_title(str(truth)) for truth in samples["truth"].iloc[1:]]
    model, answer_of = next(iter(answers.items()))
    predicted = [transform_title(answer_of[sample]) for sample in samples["sample"].iloc[1:]]
    count, numbers = len(run.classes("fine")) - 1, int(board["dim"].iloc[0])
    first, second, third, fourth = st.columns([3, 7, 4, 4])
    with first:
        st.markdown("**1. Crop** of a photograph")
        _image(photograph, "Clean crop")
    with second:
        st.markdown(f"**2. {count} transformations** at random strengths")
        with st.container(horizontal=True, gap="small"):
            for image, title in zip(edited, applied, strict=True):
                _image(image, f"Transformed crop: {title}", title)
    with third:
        st.markdown("**3. Model**")
        st.markdown(f"{plain(model_title(model))} computes an embedding of {numbers:,} dimensions.")
    with fourth:
        st.markdown("**4. Probe** predicts the transformation")
        lines = zip(applied, predicted, strict=True)
        st.markdown(
            "  \n".join(
                f"{plain(model_name)}: {CORRECT if model_name == name else plain(name)}" for model_name, name in lines
            )
        )
        st.markdown(f"Accuracy over all test samples: {in_percent(float(board['value'].iloc[0]), 1)}.")


def _image(image: bytes, alt: str, caption: str = "") -> None:
    """Show a JPEG image as Markdown, which is visible before the scripts of charts and tables have loaded.

    ``st.image`` is drawn by such a script.
    """
    with st.container(width=IMAGE_WIDTH, gap="xxsmall"):
        st.markdown(f"![{plain(alt)}]({address_of(image, 'jpeg')})")
        if caption:
            st.caption(plain(caption), text_alignment="center")


def _splits(run: Run) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _photographs_by_split(run)
    with right:
        _folds(run)


def _photographs_by_split(run: Run) -> None:
    if has_splits(run.images):
        st.markdown("**Photographs by split**: each photograph is in one split")
        figure = cache.computed(run, _splits_figure, cache.theme())
        tables.chart(figure, "splits", cache.computed(run, _split_sizes), "Photographs and crops in each split.")
    else:
        used = run.images[run.images["used"]]
        st.markdown(
            f"This run has only {used['base_id'].nunique():,} photographs, which are too few for splits. Probes are "
            "cross-validated: each photograph is scored by a probe that was not trained on it."
        )


def _folds(run: Run) -> None:
    held_out = {(t.group, t.unseen_in): named(t.name) for t in bank() if t.unseen_in is not None}
    folds = sorted({fold for _, fold in held_out})
    if any(name.startswith("group-") for name in run.tasks):
        st.markdown(
            f"**Unseen transformations**: for the Generalization page, probes are trained {len(folds)} times, each "
            "time without one transformation of every group."
        )
        rows = {
            group: [held_out.get((group, fold), "") for fold in folds]
            for group in GROUPS
            if any((group, fold) in held_out for fold in folds)
        }
        table = pd.DataFrame(rows, index=[f"fold {fold + 1}" for fold in folds]).T
        st.table(table.rename_axis("group"), border="horizontal")


def _split_sizes(run: Run) -> pd.DataFrame:
    used = run.images[run.images["used"]]
    counts = used.groupby("split").agg(photographs=("base_id", "nunique"), crops=("image_id", "size"))
    counts = counts.reindex([split for split in ROLES if split in counts.index]).reset_index()
    counts.insert(0, "label", counts["split"].map(ROLES))
    return counts


def _splits_figure(run: Run, theme: Theme) -> Figure:
    return splits_chart(_split_sizes(run), theme)


def _training_data(run: Run) -> None:
    sentences = cache.computed(run, about_training_data)
    lines = [f"- **{plain(encoders)}** {plain(sentence)}" for encoders, sentence in sentences.items()]
    st.markdown("\n".join(lines))


def _recipe(run: Run) -> None:
    command = command_of(run.recipe)
    is_partial = FURTHER in command
    st.markdown(
        f"This command {'computed' if is_partial else 'reproduces'} the run. It contains the exact names of the "
        "models, which are also listed in the Models section."
    )
    st.code(command, language=None, wrap_lines=True)
    if not corpus_is_named(run.recipe):
        st.caption(
            "The recipe does not contain the location of the images. Replace CORPUS with the corpus whose fingerprint "
            f"starts with {run.recipe.fingerprint[:SHORT]}. The table contains the full fingerprint."
        )
    if is_partial:
        st.caption(
            f"Placeholders that begin with {FURTHER} stand for calibration photographs that are not available on this "
            "computer. The table contains the name and fingerprint of each corpus, and "
            f"`{layout.VERDICT_PHOTOGRAPHS}` lists the photographs."
        )
    tables.show_table(entries_of(run.recipe.to_toml()), "recipe")


def _models(run: Run) -> None:
    if run.models.empty:
        messages.empty('This run has no embeddings yet. Resume the run on the "Evaluate your model" page.')
        return
    table = run.models.drop(columns=["recipe", "license"])
    titles = model_titles(table["name"])
    table.insert(1, "exact name", table["name"])
    columns = {
        "name": st.column_config.TextColumn(width=280),
        "exact name": st.column_config.TextColumn(width=200),
        "family": st.column_config.TextColumn(width=90),
        "objective": st.column_config.TextColumn(width=235),
        "request": None,
        "dim": st.column_config.NumberColumn("dimensions", help="Number of dimensions of an embedding."),
        "input_size": st.column_config.NumberColumn("input size (px)", help="Side length of the square input."),
    }
    tables.show_table(table, "models", columns, written={"name": titles.__getitem__})
    st.markdown("**Preprocessing, pooling and weights of a model**")
    name = pickers.select("Model", "recorded-of", list(titles), names=titles)
    tables.show_table(entries_of(dict(zip(titles, run.models["recipe"], strict=True))[name]), "recorded")


def _trust(run: Run) -> None:
    with st.spinner("Reading answers", show_time=True):
        sets = cache.trust(run)
    if not sets:
        messages.empty(
            'This run has no calibrated answers for its test images. Resume the run on the "Evaluate your model" page.'
        )
        return
    st.markdown(ABOUT_TRUST)
    table = cache.computed(run, _answer_quality)
    tables.show_table(table, "trust", percent=TRUST, written={"model": model_title})
    names = list(dict.fromkeys(table["model"]))
    model = pickers.select("Model in the reliability diagram", "trust-model", names, names=model_titles(names))
    bins = pd.concat([models[model][1].assign(set=name) for name, models in sets.items() if model in models])
    tables.chart(
        reliability_chart(bins, cache.theme()),
        "reliability",
        bins,
        f"Reliability diagram of {model_title(model)}: fraction of edited images by predicted probability.",
    )


def _answer_quality(run: Run) -> pd.DataFrame:
    rows = [
        quality._asdict()
        | {"pictures": name, "model": model, "noticing": quality.accuracy.value, "low": quality.accuracy.low}
        | {"high": quality.accuracy.high}
        for name, models in cache.trust(run).items()
        for model, (quality, _) in models.items()
    ]
    return pd.DataFrame(rows)[["pictures", "model", *TRUST]]


def _licenses_of_all(run: Run) -> None:
    if run.models.empty:
        messages.empty('This run has no embeddings yet. Resume the run on the "Evaluate your model" page.')
        return
    titles = model_titles(run.models["name"])
    whole_networks = run.models[run.models["name"].isin(networks(run.models["name"]))]
    licenses = whole_networks["name"].map(titles).groupby(whole_networks["license"].replace("", "unknown"), sort=False)
    left, right = st.columns(2)
    left.markdown(
        "**Weights**\n"
        + "\n".join(f"- {plain(' · '.join(names))}: **{plain(license)}**" for license, names in licenses)
    )
    with right:
        st.markdown("**Photographs**")
        tables.show_table(cache.computed(run, _licenses), "licenses")


def _uncertainty(_: Run) -> None:
    for column, text in zip(st.columns(2, gap="medium"), UNCERTAINTY.strip().split("\n\n"), strict=True):
        column.markdown(text)


def _probes(run: Run) -> None:
    """Show the accuracy of each kind of probe for each model."""
    st.markdown("Linear probes are used for all results. The chart compares them with two other kinds of probes.")
    figure = cache.computed(run, _probes_figure, cache.theme())
    if figure is None:
        messages.empty('This run has no scores of other probes. Resume the run on the "Evaluate your model" page.')
        return
    rows = about_probe_rows(cache.computed(run, rows_of_probes), PROBES)
    st.markdown(f"{plain(rows)} {about_selected_settings(run)}")
    tables.chart(figure, "probes", lambda: run.probe_scores, "Accuracy of three kinds of probes for each model.")


def _probes_figure(run: Run, theme: Theme) -> Figure | None:
    scores = run.probe_scores
    if scores.empty:
        return None
    rows = scores[
        (scores["task"] == "fine")
        & (scores["subset"] == "seen")
        & (scores["measure"] == "balanced-accuracy")
        & scores["probe"].isin(PROBES)
        & scores["model"].isin(with_place(scores["model"]))
    ]
    if rows["probe"].nunique() < 2:
        return None
    order = rows[rows["probe"] == "linear"].sort_values("value", ascending=False)["model"].tolist()
    rows = rows[rows["model"].isin(order)].sort_values("model", key=lambda names: names.map(order.index), kind="stable")
    dots = tables.as_percent(rows).assign(name=rows["model"].map(model_title), series=rows["probe"].map(PROBES))
    return dots_chart(dots, theme, "accuracy (%)", ends=PERCENT, series=list(PROBES.values()), has_values=True)


def _data(run: Run) -> None:
    st.markdown(plain(about_images(run)))
    used = run.images["used"]
    if not used.all():
        unused = run.images.loc[~used, ["image_id", "why_not"]]
        st.markdown(f"**Excluded crops**: {len(unused):,}")
        columns = {"why_not": st.column_config.TextColumn("reason")}
        tables.show_table(unused["why_not"].value_counts().rename("crops").reset_index(), "why-left-out", columns)
        tables.download(unused, "left-out", "Download all as CSV")


def _licenses(run: Run) -> pd.DataFrame:
    used = run.images[run.images["used"]]
    return used.groupby("license")["base_id"].agg(photographs="nunique", crops="size").reset_index()


def _define(definitions: Mapping[str, str]) -> None:
    st.markdown("\n\n".join(f"**{term}** — {sentence}" for term, sentence in definitions.items()))


def _export(run: Run) -> None:
    st.caption('Parquet files of the run. The "Run format" page of the documentation describes every column.')
    names = run.table_names
    label = f"Download all {len(names)} tables (ZIP)"
    if fits_into_a_zip(run, names):
        tables.download_file(lambda: zip_of(run, names), "all", label, f"{run.name}-tables.zip", "application/zip")
    name = pickers.select("Table", "table", names)
    first, count = first_rows(run.store, name, SHOWN)
    st.caption(f"Showing {len(first):,} of {count:,} rows. The download contains all rows.")
    st.dataframe(first, hide_index=True, key="any-table")
    if count <= MAX_CSV_ROWS:
        tables.download(lambda: run.table(name), name.replace("/", "-").removesuffix(layout.PARQUET))


show()

"""Methods: the recipe, the sources of everything, how to read each measure, and every table."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.data.downloads import MAX_CSV_ROWS, MAX_ZIP_BYTES
from dashboard.data.strip import RIGHT, strip_of
from dashboard.page import page
from dashboard.text import GLOSSARY, TERMS, plain, unbroken
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import reliability_chart
from probing_core.compute.sampling.samples import has_splits
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, model_title, model_titles, transform_title
from probing_core.measures.statistics import with_place
from probing_core.probes import DEFINITIONS
from probing_core.results import FURTHER, PicturesMissing, Run, command_of, corpus_is_named
from probing_core.results.claim_sentences import PAPER
from probing_core.results.sentences import (
    ORIGIN,
    PROTOCOL,
    about_fits,
    about_images,
    about_visibility,
    entries_of,
    how_trained,
)
from probing_core.run import layout
from probing_core.run.columns import first_rows

ABOUT_TRUST = (
    "A model's answer is a probability that the picture was altered. Untouched pictures have half of the weight here, "
    "and each group of transformations has an equal part of the other half. In the diagram, answers on the line are "
    "right as often as they say."
)
ABOUT_UNTOUCHED = (
    "Untouched pictures are named right far more often here than on Models and in the matrix of Explore. There a "
    "model chooses one of {classes} equally likely classes, and untouched is one of them; here half of all pictures "
    "are untouched, and the answer, which is calibrated, says only whether a picture was altered."
)
TRUST = {
    "kept": ("untouched (%)", "Of untouched pictures, those called altered with a probability of at most 50 %."),
    "found": ("found (%)", "Of altered pictures, those called altered with more than 50 %."),
    "noticing": ("noticing (%)", "Balanced accuracy: the mean of the two shares before."),
    "low": ("from (%)", "Lower end of the 95 % interval of noticing, over photographs."),
    "high": ("to (%)", "Upper end of it."),
    "named": (
        "group right (%)",
        "Of altered pictures that are found, those of which the first answer's group is right.",
    ),
    "error": (
        "off by (%)",
        "Mean difference between the stated probability and the share of pictures that are altered.",
    ),
}

VERSIONS = 3
"""Altered versions of a photograph in the picture of the way to a score."""

SHORT = 12
"""Digits of a fingerprint in a sentence."""

SHOWN = 200
"""Largest number of rows that the page shows of a table."""


@page("Methods")
def show() -> None:
    run = cache.current_run()
    _way(run)
    st.markdown(in_short(run))
    parts = {
        "How far to trust the answers": ("show-trust", _trust),
        "Words: a glossary": ("show-words", lambda _: _define(GLOSSARY)),
        "Where the idea comes from, and the rules of the test": ("show-rules", _rules),
        "Measures and probes, and how to read them": ("show-measures", lambda _: _measures()),
        f"Models: {len(run.models):,}": ("show-models", _models),
        "Photographs and licenses": ("show-photographs", _data),
        "Recipe: the command that made this run, and every entry": ("show-recipe", _recipe),
        "Checks of this run": ("show-checks", _checks),
        "Every table, to look at and to download": ("show-tables", _export),
    }
    for title, (name, show_part) in parts.items():
        if box := pickers.fold(title, name):
            with box:
                show_part(run)


def _way(run: Run) -> None:
    """Show the way from a photograph to a score, with pictures of the run and the answers of its best model."""
    board = cache.board(run)
    found = cache.computed(run, strip_of, tuple(with_place(board["model"]))) if len(board) else None
    if found is None:
        return
    samples, answers = found
    samples = samples.iloc[[0, *range(-VERSIONS, 0)]]
    try:
        photograph, *altered = cache.pictures(run, cache.described(run, samples))
    except PicturesMissing:
        return
    done = [transform_title(str(truth)) for truth in samples["truth"].iloc[1:]]
    model, answer_of = next(iter(answers.items()))
    said = [transform_title(answer_of[sample]) for sample in samples["sample"].iloc[1:]]
    count, numbers = len(run.classes("fine")) - 1, int(board["dim"].iloc[0])
    first, second, third, fourth = st.columns([3, 6, 4, 4], border=True)
    with first:
        st.markdown("**1. A photograph**")
        st.image(photograph, width=96, alt="a photograph, untouched")
    with second:
        st.markdown(f"**2. Altered in {count} ways**, three of them here")
        st.image(altered, width=72, alt=[f"the same, {title}" for title in done])
    with third:
        st.markdown("**3. A model** makes an embedding")
        st.markdown(f"{plain(model_title(model))} turns each picture into {numbers:,} numbers.")
    with fourth:
        st.markdown("**4. A probe** reads these numbers alone")
        lines = zip(done, said, strict=True)
        st.markdown("  \n".join(f"{plain(it)}: {RIGHT if it == name else plain(name)}" for it, name in lines))
        st.markdown(f"Right in {unbroken(in_percent(float(board['value'].iloc[0]), 1))} of all pictures.")


def in_short(run: Run) -> str:
    """Return what was tested, on what, and how sure the numbers are, in three sentences."""
    used = run.images[run.images["used"]]
    photographs = used.groupby("split")["base_id"].nunique()
    images = used["split"].value_counts()
    tested = (
        f"Probes learn from {photographs['train']:,} of them and are scored on {photographs['test']:,} others; large "
        f"ones give more than one image, so these are {images['train']:,} and {images['test']:,} images."
        if has_splits(run.images)
        else "Each part of them is scored by probes that learned from the other parts."
    )
    return (
        f"- **What was tested:** whether a probe, which reads nothing but a model's embedding, names which of "
        f"{len(run.classes('fine')) - 1} transformations was applied to a picture, if any.\n"
        f"- **On what:** {photographs.sum():,} photographs, altered by each transformation. {tested}\n"
        "- **How sure:** a score has a 95\N{NO-BREAK SPACE}% interval for the choice of photographs. Training the same "
        "model again can move its score more."
    )


def _rules(run: Run) -> None:
    st.markdown(ORIGIN.replace(PAPER, f"[{PAPER}](https://arxiv.org/abs/{PAPER.split()[1]})"))
    st.markdown("\n".join(f"{number}. {rule}" for number, rule in enumerate(PROTOCOL, 1)))
    st.markdown(f"**In this run:** {how_trained(run)}")


def _recipe(run: Run) -> None:
    command = command_of(run.recipe)
    further = FURTHER in command
    st.markdown(
        f"The command that {'made this run' if further else 'makes this run again'}, with the exact names of its "
        "models; the part Models has their names for people."
    )
    st.code(command, language=None, wrap_lines=True)
    if not corpus_is_named(run.recipe):
        st.caption(
            "The recipe describes its pictures and not where they are: for CORPUS give a corpus with the "
            f"fingerprint {run.recipe.fingerprint[:SHORT]}..., which the table below has whole."
        )
    if further:
        st.caption(
            f"{FURTHER} stands for photographs that calibrate the answers and are not on this machine; the table below "
            f"has the name and the fingerprint of each collection, and `{layout.VERDICT_PHOTOGRAPHS}` its photographs."
        )
    tables.show_table(entries_of(run.recipe.to_toml()), "recipe")


def _models(run: Run) -> None:
    if run.models.empty:
        messages.empty("No model has been embedded yet; `probing run --out DIR` does it.")
        return
    table = run.models.drop(columns="recipe")
    titles = model_titles(table["name"])
    table.insert(1, "exact name", table["name"])
    columns = {
        "name": st.column_config.TextColumn(width=280),
        "exact name": st.column_config.TextColumn(width=200),
        "license": st.column_config.TextColumn(width=600),
        "family": st.column_config.TextColumn(width=90),
        "objective": st.column_config.TextColumn(width=235),
        "request": None,
        "dim": st.column_config.NumberColumn("dimensions", help="Numbers in an embedding."),
        "input_size": st.column_config.NumberColumn("input (pixels)", help="Side of the square that a model receives."),
    }
    tables.show_table(table, "models", columns, written={"name": titles.__getitem__})
    if box := pickers.fold("Preprocessing, pooling and weights of each, as recorded", "show-recipes"):
        with box:
            name = pickers.select("Recorded of", "recorded-of", list(titles), names=titles)
            tables.show_table(entries_of(dict(zip(titles, run.models["recipe"], strict=True))[name]), "recorded")


def _trust(run: Run) -> None:
    with st.spinner("Reading the answers", show_time=True):
        sets = cache.trust(run)
    if not sets:
        messages.empty("This run has no answers about pictures that it tested; `probing run --out DIR` makes them.")
        return
    st.markdown(f"{ABOUT_TRUST} {ABOUT_UNTOUCHED.format(classes=len(run.classes('fine')))}")
    rows = [
        one._asdict()
        | {"pictures": name, "model": model, "noticing": one.accuracy.value, "low": one.accuracy.low}
        | {"high": one.accuracy.high}
        for name, models in sets.items()
        for model, (one, _) in models.items()
    ]
    table = pd.DataFrame(rows)[["pictures", "model", *TRUST]]
    tables.show_table(table, "trust", percent=TRUST, written={"model": model_title})
    names = list(dict.fromkeys(table["model"]))
    model = pickers.select("Reliability of", "trust-model", names, names=model_titles(names))
    bins = pd.concat([models[model][1].assign(set=name) for name, models in sets.items() if model in models])
    tables.chart(
        reliability_chart(bins, cache.theme()),
        "reliability",
        bins,
        f"Share of pictures that are altered, by the probability with which {model_title(model)} calls them altered.",
    )


def _data(run: Run) -> None:
    st.markdown(plain(about_images(run)))
    used = run.images["used"]
    counts = run.images[used].groupby("license")["base_id"].agg(photographs="nunique", images="size").reset_index()
    tables.show_table(counts, "licenses")
    if not used.all():
        left_out = run.images.loc[~used, ["image_id", "why_not"]]
        st.markdown(f"{len(left_out):,} images are left out:")
        why = {"why_not": st.column_config.TextColumn("why")}
        tables.show_table(left_out["why_not"].value_counts().rename("images").reset_index(), "why-left-out", why)
        tables.download(left_out, "left-out", "Each of them, as CSV")


def _checks(run: Run) -> None:
    if run.sample_count:
        st.markdown(about_visibility(run))
    if run.fits.empty:
        messages.empty("This run has no probes yet; `probing run --out DIR` makes them.")
    else:
        st.markdown(f"{about_fits(run)} The table `{layout.FITS}` below has each.")


def _measures() -> None:
    terms = {term: sentence for term, sentence in TERMS.items() if term not in GLOSSARY}
    measures = {m.title: m.definition for m in MEASURES if m.name.replace("-", " ") not in TERMS}
    _define(terms | measures | DEFINITIONS)


def _define(words: Mapping[str, str]) -> None:
    st.markdown("\n\n".join(f"**{term}** — {sentence}" for term, sentence in words.items()))


def _export(run: Run) -> None:
    st.caption(
        "Parquet as in the run directory; with exact names; the documentation, page Run format, describes every column."
    )
    names = run.table_names
    label = f"All {len(names)} tables as one ZIP"
    if sum(run.store.path(name).stat().st_size for name in names) <= MAX_ZIP_BYTES:
        tables.download_file(lambda: _zip(run, names), "all", label, f"{run.name}-tables.zip", "application/zip")
    name = pickers.select("Show a table", "table", names)
    shown, count = first_rows(run.store, name, SHOWN)
    st.caption(f"{len(shown):,} of {count:,} rows shown; the download has all.")
    st.dataframe(shown, hide_index=True, key="any-table")
    if count <= MAX_CSV_ROWS:
        tables.download(lambda: run.table(name), name.replace("/", "-").removesuffix(layout.PARQUET))


def _zip(run: Run, names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, run.store.read_bytes(name))
    return buffer.getvalue()


show()

"""How the numbers of a report were made: protocol, recipe, models, transforms, images, probes, measures."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.samples import has_splits
from probing_core.measures import MEASURES
from probing_core.measures.notation import decimal
from probing_core.results import Run
from probing_core.results.report.page import More, Section, Table, Text

ORIGIN = (
    "The idea comes from “Substance or Style: What Does Your Image Embedding Know?” (arXiv 2307.05610). The protocol "
    "here is a reconstruction from its abstract; no number here is the paper's."
)
PROTOCOL = (
    "Every image is cut from a source larger than the view through one warp, for every class alike, so that neither "
    "resampling nor borders distinguish the classes.",
    "Each image appears once in every class, with a random strength from the transformation's documented range; the "
    "draw depends on the seed, the image and the transformation alone, and is the same for every model.",
    "Every model embeds the same pictures with its checkpoint's own preprocessing.",
    "All versions of a photograph are on one side of every split, and nothing is chosen on the pictures that are "
    "scored.",
    "Intervals are 95 %, clustered by photograph: a percentile bootstrap (B = 2000) from 20 photographs up, a t "
    "interval over photographs below, none under 6; next to 0 or 100 %, where these claim too much, Wilson's interval "
    "with the effective number of photographs. Models are compared with the best one by paired sign-flip tests by "
    "photograph with Holm's correction over all pairs, since the best was found by looking.",
)
MODES = {
    "cross-validation": "There are fewer than 30 photographs, so they are divided into groups, at most five, and each "
    "group is predicted by a linear probe that learned from the others. All probes of a model have the same penalty, "
    "which is fixed beforehand, in proportion to the embedding's dimensions.",
    "split": "Linear probes learn from the train split, choose their penalty on the val split and are scored on the "
    "test split.",
}


def how_trained(run: Run) -> str:
    """Say how the probes of ``run`` were trained."""
    return MODES["split" if has_splits(run.images) else "cross-validation"]


def methods(run: Run) -> list[Section]:
    """Return the sections on how a run was made."""
    return [
        Section("Methods", _protocol(run)),
        Section("Models", _models(run)),
        Section("Transformations", _transforms(run)),
        Section("Images and their provenance", _images(run)),
        Section("Recipe", [Table(recipe_table(run))]),
    ]


def about_fits(run: Run) -> str:
    """Say how many probes the run has, and how many of them are doubtful."""
    fits = run.fits
    return (
        f"{len(fits)} probes were fitted; {int(fits['at_edge'].sum())} have a penalty at the edge of the grid, "
        f"{int((~fits['converged']).sum())} did not converge."
    )


def about_visibility(run: Run) -> str:
    """Say how many transformed samples show no change."""
    samples = run.sample_columns("group", "visible")
    changed = samples[samples["group"] != "identity"]
    invisible = int((~changed["visible"]).sum())
    return (
        f"{invisible:,} of {len(changed):,} samples are marked as invisible (SSIM above 0.99 or a mean "
        "difference below 2 of 255); scores with the subset “visible” leave them out."
    )


def about_images(run: Run) -> str:
    """Say which corpus the run used, and how much of it."""
    used = run.images[run.images["used"]]
    return (
        f"Corpus {run.recipe.corpus}, fingerprint {run.recipe.fingerprint}: {len(used):,} images of "
        f"{used['base_id'].nunique():,} photographs are used, {len(run.images) - len(used):,} are left out."
    )


def recipe_table(run: Run) -> pd.DataFrame:
    """Return ``entry`` and ``value`` of the recipe."""
    entries = run.recipe.to_toml().items()
    rows = [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)) for name, value in entries]
    return pd.DataFrame(rows, columns=["entry", "value"])


def _protocol(run: Run) -> list:
    blocks: list = [Text(text) for text in (ORIGIN, *PROTOCOL, how_trained(run))]
    if not run.fits.empty:
        blocks += [Text(about_fits(run)), More("Every fit", [Table(run.fits)])]
    used = run.probe_scores["measure"].unique()
    definitions = [
        {"measure": m.title, "unit": m.unit, "definition": m.hint, "source": m.source}
        for m in MEASURES
        if m.name in used
    ]
    blocks.append(More("Measures", [Table(pd.DataFrame(definitions))]))
    return blocks


def _models(run: Run) -> list:
    recipes = [
        {"model": name, **{k: v for k, v in (recipe or {}).items() if k in ("pooling", "layer", "precision")}}
        | {"preprocessing": (recipe or {}).get("preprocessing"), "weights": (recipe or {}).get("weights")}
        for name, recipe in zip(run.models["name"], run.models["recipe"], strict=True)
    ]
    return [
        Table(run.models[["name", "family", "objective", "dim", "license", "weights", "data"]]),
        More("Preprocessing, pooling and weights as recorded", [Table(pd.DataFrame(recipes))]),
    ]


def _transforms(run: Run) -> list:
    from probing_core.transforms import resolve

    rows = [
        {
            "name": t.name,
            "group": t.group,
            "unseen in rotation": "never learned" if t.far else "" if t.unseen_in is None else str(t.unseen_in),
            "definition": t.definition,
            "strength": ""
            if t.name == "identity"
            else f"{t.parameter} {decimal(t.weakest)} to {decimal(t.strongest)} {t.unit}".strip(),
            "library": t.library,
            "source": t.source,
        }
        for t in map(resolve, run.transforms["transform"])
    ]
    return [Text(about_visibility(run)), Table(pd.DataFrame(rows))]


def _images(run: Run) -> list:
    used = run.images[run.images["used"]]
    left_out = run.images[~run.images["used"]]
    parts = used.groupby(["license", "split"], dropna=False)
    table = pd.DataFrame({"photographs": parts["base_id"].nunique(), "images": parts.size()}).reset_index()
    blocks: list = [Text(about_images(run)), Table(table)]
    if len(left_out):
        reasons = left_out["why_not"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        blocks.append(More("Left out, and why", [Table(reasons.rename_axis("why").rename("images").reset_index())]))
    return blocks

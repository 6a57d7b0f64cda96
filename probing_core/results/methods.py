"""How the numbers of a run were made, in sentences."""

from __future__ import annotations

import pandas as pd

from probing_core.compute.samples import has_splits
from probing_core.results.run import Run

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

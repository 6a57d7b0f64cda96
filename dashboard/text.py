"""The vocabulary of the dashboard: explanations of terms, the glossary, the pages, and strengths as text."""

from __future__ import annotations

from dataclasses import dataclass

from probing_core.errors import UnknownName
from probing_core.measures.notation import decimal, in_percent, minus, model_title, transform_title
from probing_core.transforms import resolve

TERMS = {
    "interval": "95% confidence interval over photographs: all crops and versions of a photograph count as one "
    "observation.",
    "against best": "Paired sign-flip test by photograph against the best model, adjusted for comparing all pairs "
    "of models. Not significantly different: p of at least 0.05.",
    "pair": "Paired sign-flip test by photograph, adjusted for comparing all pairs of models. It covers the choice of "
    "test photographs, but not the random seed of training, whose range is given here.",
    "selectivity": "Accuracy of a probe for the transformation minus the accuracy of a probe for random labels, in "
    "percentage points. Both probes are trained on fewer images than the accuracy on this page.",
    "fine": "Which of the transformations was applied? One class for each transformation, and clean.",
    "group": "Which group of transformations? In each fold, one member of every group is held out from training.",
    "visible": "Samples that the transformation visibly changes: SSIM of at most 0.99 and a mean difference of at "
    "least 2 of 255.",
    "recall": "Percentage of the samples of this class that the probe classifies correctly.",
    "ssim": "Structural similarity to the clean image: 1 means identical.",
    "difference": "Mean absolute difference of the pixel values, from 0 to 255.",
    "distance": "Perceptual distance by which the strengths of the classes are balanced.",
    "flag": "Notes on how the file was decoded, and on existing degradation of the image.",
    "probability": "Edited: probability that the image was edited, under the prior. Transformation: its probability "
    "given that the image was edited; these add up to 100%.",
    "shift": "Distance that the transformation moves an embedding, divided by the distance between two photographs: "
    "at 1, the transformed image is as far away as a different photograph.",
    "claim": "A statement of the paper's abstract, tested by contrasts that were specified before any result was seen.",
    "objective": "What the model was trained for: labels (supervised), masked reconstruction (MAE, CAN), matching two "
    "views of an image (SimCLR, CAN), or matching images with text (CLIP, ALIGN).",
    "crops": "Models receive the center square, reduced to the view size. For large images, they also receive tiles at "
    "full resolution, because reduction would erase blur, noise and compression.",
    "map": "UMAP of the embeddings: nearby points are similar to this model. Distances between clusters mean little.",
    "penalty": "Weight of the probe's L2 regularization, chosen on validation photographs. With fewer than 30 "
    "photographs it is fixed in proportion to the dimensions of the embedding.",
}
"""Term -> explanation in at most two sentences, shown as help."""


GLOSSARY = {
    "transformation": "An edit of a known kind, such as Gaussian blur. The thirty transformations form ten groups of "
    "three.",
    "strength": "Parameter of a transformation in its own unit. Probes are trained on a range of strengths; weaker "
    "strengths are tested to find detection thresholds.",
    "photograph": "The independent unit: all crops and samples of a photograph count as one observation.",
    "crop": "A square cut from a photograph before any transformation.",
    "sample": "A crop under one transformation at one random strength, or clean: what a model embeds.",
    "clean": "Without any transformation: one class of the probes.",
    "encoder": "A model that was trained on images and computes embeddings.",
    "baseline": "A reference that was not trained on images: handcrafted statistics, pixels, hashes, an untrained "
    "network.",
    "zoo": "The included encoders: one architecture, trained on the same images with the same budget, each with a "
    "different objective.",
    "embedding": "The vector that a model computes from an image.",
    "probe": "A small classifier that predicts the transformation from an embedding alone.",
    "fold": "One of three divisions of the bank: in each, probes are not trained on one transformation of every group.",
    "unseen": "Not part of the probe's training: an unseen transformation of a known group, or an unseen style.",
    "detection threshold": "Lowest strength at which a probe separates transformed from clean images with "
    "d\N{PRIME} = 1.",
    "prior": "Assumed fraction of edited images, 50% by default.",
}
"""Term -> definition, in pages, commands, tables and documentation."""


@dataclass(frozen=True)
class Page:
    """A page of the navigation.

    Attributes:
        file: relative to ``app.py``.
        icon: name of a Material symbol.
        address: path; empty for the first page.
        question: question that the page answers, displayed as its heading.
    """

    title: str
    file: str
    icon: str
    address: str
    question: str


PAGES = {
    "Results": (
        Page("Explore", "views/explore.py", "scatter_plot", "", "How do two models see the same images?"),
        Page(
            "Models",
            "views/models.py",
            "leaderboard",
            "models",
            "Which model encodes the most about transformations?",
        ),
        Page("Layers", "views/layers.py", "layers", "layers", "Where in the network are transformations encoded?"),
        Page(
            "Generalization",
            "views/generalization.py",
            "travel_explore",
            "generalization",
            "Do probes generalize to unseen transformations and styles?",
        ),
        Page("Retrieval", "views/retrieval.py", "search", "retrieval", "Which transformations break retrieval?"),
    ),
    "Your data": (
        Page("Try your images", "views/try_images.py", "add_a_photo", "try", "Has my image been edited?"),
        Page("Evaluate your model", "views/evaluate.py", "rocket_launch", "evaluate", "Where does my model stand?"),
    ),
    "How it works": (
        Page(
            "Transformations",
            "views/transformations.py",
            "auto_fix_high",
            "transformations",
            "At what strength do models detect each transformation?",
        ),
        Page("Methods", "views/methods.py", "menu_book", "methods", "How was this measured, and on what?"),
    ),
}
"""Heading of the navigation -> its pages."""

QUESTIONS = {page.title: page.question for under in PAGES.values() for page in under}
"""Title of a page -> its question."""

FORMER = {
    "overview": "models",
    "leaderboard": "models",
    "leaderboard?part=models": "models?part=ranking",
    "inside": "layers",
    "inside?part=blocks": "layers",
    "inside?part=unseen": "generalization",
    "inside?part=shift": "generalization?part=shift",
    "geometry": "generalization?part=shift",
    "explore": "transformations",
    "map": "",
    "confusion": "",
    "new-run": "evaluate",
    "game": "try?part=game",
    "scan": "try?part=folder",
}
"""Address of a former page or tab -> its replacement."""

STYLES = {
    "style-3": "bold strokes",
    "style-16": "colored hatching",
    "style-19": "blue and yellow",
}
"""Style (a number of the network) -> description."""


def named(transform: str) -> str:
    """Return the display name of a transformation, with a description if it is a style."""
    title = transform_title(transform)
    return f"{title} ({STYLES[transform]})" if transform in STYLES else title


def hint(term: str) -> str:
    return TERMS[term] if term in TERMS else GLOSSARY[term]


def with_strength(transform: str, strength: float, digits: int = 2) -> str:
    """Return ``JPEG, quality 20 of 100``, or only the name if there is no strength."""
    return ", ".join(filter(None, [transform_title(transform), strength_in_words(transform, strength, digits)]))


def strength_in_words(transform: str, strength: float, digits: int = 2, places: int | None = None) -> str:
    """Return a strength with its unit: ``sigma 1.2 px``, ``blend 60%``, ``240 streaks``; empty for NaN.

    Args:
        digits: significant digits.
        places: decimals, instead of ``digits``, of the number or percentage.
    """
    number = decimal(strength, digits)
    if not number:
        return ""
    if places is not None:
        number = minus(f"{strength:,.{places}f}")
    try:
        entry = resolve(transform)
    except UnknownName:  # of a plug-in that is not loaded
        return number
    if entry.unit == "in a square view":  # a count
        return f"{number} {entry.parameter}"
    if entry.unit.startswith("fraction"):
        return f"{entry.parameter} {in_percent(strength, places or 0)}"
    if entry.unit in ("power", "times"):  # the number is an exponent or a factor and has no unit
        return f"{entry.parameter} {number}"
    measured = f"{number} {unit_title(entry.unit)}"
    return measured if entry.unit.startswith(f"{entry.parameter} ") else f"{entry.parameter} {measured}"


def unit_title(unit: str) -> str:
    """Return the unit of a transformation for display: ``bits per channel``, and ``px`` for all lengths."""
    return "px" if unit.startswith("px") else unit.replace(" a ", " per ")


def strength_axis(transform: str) -> str:
    """Return the parameter of a transformation with its unit: ``sigma, px``, ``blend, %``, ``streaks``."""
    try:
        entry = resolve(transform)
    except UnknownName:  # of a plug-in that is not loaded
        return "strength"
    if entry.unit == "in a square view" or entry.unit in ("power", "times"):
        return entry.parameter
    unit = "%" if entry.unit.startswith("fraction") else unit_title(entry.unit)
    return unit if unit.startswith(f"{entry.parameter} ") else f"{entry.parameter}, {unit}"


def strength_number(transform: str, strength: float, digits: int = 2) -> str:
    """Return a strength without its unit, which `strength_axis` includes: ``1.2``, ``60%``, ``240``."""
    try:
        is_fraction = resolve(transform).unit.startswith("fraction")
    except UnknownName:  # of a plug-in that is not loaded
        is_fraction = False
    return f"{decimal(100 * strength, digits)}%" if is_fraction else decimal(strength, digits)


def strengths_in_words(transform: str, low: float, high: float, digits: int = 2) -> str:
    """Return a range of strengths with its unit once: ``sigma 1.5–3 px``, ``blend 60%–100%``."""
    first, last = (strength_in_words(transform, strength, digits) for strength in (low, high))
    parts, ends = first.split(" "), last.split(" ")
    differs = [i for i, pair in enumerate(zip(parts, ends, strict=True)) if pair[0] != pair[1]]
    if not differs:
        return first
    at = differs[0]
    return " ".join([*parts[:at], f"{parts[at]}\N{EN DASH}{ends[at]}", *ends[at + 1 :]])


def plain(text: str) -> str:
    """Return ``text`` escaped for Markdown, since file names must not act as markup."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+!|~<>$:&-" else c for c in text)


def in_bold(model: str) -> str:
    return f"**{plain(model_title(model))}**"

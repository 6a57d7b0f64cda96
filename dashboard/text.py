"""Help texts, the glossary, the list of pages, and formatting of strengths."""

from __future__ import annotations

from dataclasses import dataclass

from probing_core.errors import UnknownName
from probing_core.measures.notation import decimal, in_percent, minus, model_title, transform_title
from probing_core.measures.statistics import SIGNIFICANT
from probing_core.transforms import resolve

TERMS = {
    "interval": "95% confidence interval over photographs. All crops and samples of a photograph count as one "
    "observation.",
    "against best": "Result of a paired sign-flip test by photograph against the best model, adjusted for comparing "
    f"all pairs of models. Differences with {SIGNIFICANT} are significant.",
    "pair": "Paired sign-flip test by photograph, adjusted for comparing all pairs of models. The test accounts for "
    "the random selection of test photographs, but not for the random seed of training.",
    "selectivity": "Accuracy of a probe for transformations minus accuracy of a probe for random labels, in "
    "percentage points. Both probes are trained on fewer images than the probes in the ranking.",
    "fine": 'Predicts the transformation. The classes are the transformations and "clean".',
    "group": "Predicts the group of the transformation. In each fold, one transformation of every group is held out "
    "from training.",
    "visible": "Samples that the transformation visibly changes: SSIM of at most 0.99 and a mean absolute difference "
    "of at least 2 (out of 255).",
    "recall": "Percentage of the samples of this class that the probe classifies correctly.",
    "ssim": "Structural similarity to the original image. A value of 1 means that the images are identical.",
    "difference": "Mean absolute difference of the pixel values, from 0 to 255.",
    "distance": "1 \N{MINUS SIGN} SSIM, averaged over four scales. A value of 0 means that the images are identical.",
    "flag": "Notes on how the file was decoded and on existing degradation, such as blur or noise.",
    "probability": "Edited: probability that the image was edited, given the prior. Transformation: probability of the "
    "transformation if the image was edited; these probabilities add up to 100%.",
    "shift": "Distance between the embeddings of the original and the transformed image, divided by the mean distance "
    "between two photographs. At 1, the transformed image is as far from the original as a different photograph.",
    "claim": "A claim in the abstract of the paper. It is tested by contrasts that were specified before any result "
    "was seen.",
    "objective": "Training objective: labels (supervised), masked reconstruction (MAE, CAN), matching two views of an "
    "image (SimCLR, CAN), or matching images with text (CLIP, ALIGN).",
    "crops": "Models receive the center square, resized to the view size. For large images, they also receive tiles at "
    "full resolution, because resizing removes traces of blur, noise and compression.",
    "map": "UMAP projection of the embeddings. The model considers nearby images similar; distances between clusters "
    "are not meaningful.",
    "penalty": "Weight of the probe's L2 regularization, selected on validation photographs. With fewer than 30 "
    "photographs, it is proportional to the number of embedding dimensions.",
}
"""Term -> explanation in at most two sentences, shown as help text."""


GLOSSARY = {
    "transformation": "An image operation with one strength parameter, such as Gaussian blur. The bank contains thirty "
    "transformations in ten groups of three.",
    "strength": "Value of the parameter of a transformation. Probes are trained on a range of strengths; weaker "
    "strengths are used to measure detection thresholds.",
    "photograph": "The unit of statistical analysis: all crops and samples of a photograph count as one observation.",
    "crop": "A square region of a photograph, cut out before transformations are applied.",
    "sample": "An image that models embed: a clean crop, or a crop with one transformation at a random strength.",
    "clean": 'Not transformed. "Clean" is also one of the classes of a probe.',
    "encoder": "A model that was trained on images and computes embeddings.",
    "baseline": "A model that was not trained on images: handcrafted statistics, pixels, a perceptual hash or an "
    "untrained network.",
    "zoo": "The included encoders. They share one architecture and were trained on the same images with the same "
    "compute budget, but with different objectives.",
    "embedding": "The vector that a model computes from an image.",
    "probe": "A small classifier that predicts a class, such as the transformation, from an embedding alone.",
    "fold": "One of three train\N{EN DASH}test splits of the bank. In each fold, one transformation of every group is "
    "held out from training.",
    "unseen": "Not used to train the probe. The term applies to transformations of a seen group, and to styles.",
    "detection threshold": "Lowest strength at which a probe separates transformed from clean images with "
    "d\N{PRIME} = 1.",
    "prior": "Assumed fraction of edited images, 50% by default.",
}
"""Term -> definition, shown on the Methods page and in the documentation."""


@dataclass(frozen=True)
class Page:
    """A page in the navigation.

    Attributes:
        title: title in the navigation.
        file: path of the script, relative to ``app.py``.
        icon: name of a Material symbol.
        address: URL path, or an empty string for the first page.
        question: question that the page answers, shown as its heading.
        scripts: names of the Streamlit scripts that draw the first chart, which are loaded with the page.
    """

    title: str
    file: str
    icon: str
    address: str
    question: str
    scripts: tuple[str, ...] = ()


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
        Page(
            "Layers",
            "views/layers.py",
            "layers",
            "layers",
            "Where in the network are transformations encoded?",
            ("ArrowVegaLiteChart",),
        ),
        Page(
            "Generalization",
            "views/generalization.py",
            "travel_explore",
            "generalization",
            "Do probes generalize, and how far do transformations shift embeddings?",
            ("PlotlyChart",),
        ),
        Page(
            "Retrieval",
            "views/retrieval.py",
            "search",
            "retrieval",
            "Which transformations break retrieval?",
            ("PlotlyChart",),
        ),
    ),
    "Your data": (
        Page("Try your images", "views/try_images.py", "add_a_photo", "try", "Has my image been edited?"),
        Page(
            "Before and after",
            "views/before_after.py",
            "compare",
            "before-after",
            "What did my pipeline do, and what does it do to embeddings?",
            ("PlotlyChart",),
        ),
        Page(
            "Evaluate your model",
            "views/evaluate.py",
            "rocket_launch",
            "evaluate",
            "How does my model compare?",
            ("PlotlyChart",),
        ),
    ),
    "How it works": (
        Page(
            "Transformations",
            "views/transformations.py",
            "auto_fix_high",
            "transformations",
            "At what strength do models detect each transformation?",
        ),
        Page("Methods", "views/methods.py", "menu_book", "methods", "How were the results measured?"),
    ),
}
"""Navigation section -> its pages."""

QUESTIONS = {page.title: page.question for under in PAGES.values() for page in under}
"""Page title -> question that the page answers."""

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
"""URL of a former page or tab -> URL of the replacement."""

STYLES = {
    "style-3": "bold strokes",
    "style-16": "colored hatching",
    "style-19": "blue and yellow",
}
"""Name of a style in the bank -> description."""


def named(transform: str) -> str:
    """Return the display name of a transformation, with a description if it is a style."""
    title = transform_title(transform)
    return f"{title} ({STYLES[transform]})" if transform in STYLES else title


def hint(term: str) -> str:
    return TERMS[term] if term in TERMS else GLOSSARY[term]


def with_strength(transform: str, strength: float, digits: int = 2) -> str:
    """Format a transformation with its strength: ``JPEG, quality 20 of 100``, or ``JPEG`` if the strength is NaN."""
    return ", ".join(filter(None, [transform_title(transform), strength_in_words(transform, strength, digits)]))


def strength_in_words(transform: str, strength: float, digits: int = 2, places: int | None = None) -> str:
    """Format a strength with its unit: ``sigma 1.2 px``, ``blend 60%``, ``240 streaks``. NaN becomes ``""``.

    Args:
        transform: name of the transformation.
        strength: value of the transformation's parameter.
        digits: number of significant digits. Percentages are rounded to integers by default.
        places: number of decimal places. If it is given, ``digits`` is ignored.
    """
    number = decimal(strength, digits)
    if not number:
        return ""
    if places is not None:
        number = minus(f"{strength:,.{places}f}")
    try:
        entry = resolve(transform)
    except UnknownName:  # the plug-in that defines it is not loaded
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
    """Format the unit of a transformation, such as ``bits per channel``. The unit of all lengths is ``px``."""
    return "px" if unit.startswith("px") else unit.replace(" a ", " per ")


def strength_axis(transform: str) -> str:
    """Format the parameter of a transformation with its unit: ``sigma, px``, ``blend, %``, ``streaks``."""
    try:
        entry = resolve(transform)
    except UnknownName:  # the plug-in that defines it is not loaded
        return "strength"
    if entry.unit == "in a square view" or entry.unit in ("power", "times"):
        return entry.parameter
    unit = "%" if entry.unit.startswith("fraction") else unit_title(entry.unit)
    return unit if unit.startswith(f"{entry.parameter} ") else f"{entry.parameter}, {unit}"


def strength_number(transform: str, strength: float, digits: int = 2) -> str:
    """Format a strength without its unit: ``1.2``, ``60%``, ``240``. `strength_axis` returns the unit."""
    try:
        is_fraction = resolve(transform).unit.startswith("fraction")
    except UnknownName:  # the plug-in that defines it is not loaded
        is_fraction = False
    return f"{decimal(100 * strength, digits)}%" if is_fraction else decimal(strength, digits)


def strengths_in_words(transform: str, low: float, high: float, digits: int = 2) -> str:
    """Format a range of strengths with one unit: ``sigma 1.5–3 px``, ``blend 60%–100%``."""
    first, last = (strength_in_words(transform, strength, digits) for strength in (low, high))
    parts, ends = first.split(" "), last.split(" ")
    differs = [i for i, pair in enumerate(zip(parts, ends, strict=True)) if pair[0] != pair[1]]
    if not differs:
        return first
    at = differs[0]
    return " ".join([*parts[:at], f"{parts[at]}\N{EN DASH}{ends[at]}", *ends[at + 1 :]])


def plain(text: str) -> str:
    """Escape Markdown characters in ``text``, such as a file name."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+!|~<>$:&-" else c for c in text)


def in_bold(model: str) -> str:
    return f"**{plain(model_title(model))}**"

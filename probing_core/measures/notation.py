"""Formatting of numbers and names for display: 240, 0.012, 12,400, 17%, SimCLR (zoo), Gaussian blur."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probing_core.catalog import OPTION_START

if TYPE_CHECKING:
    import pandas as pd

ZOO = "zoo/"
"""Name prefix of zoo encoders."""

BASELINE = "baseline/"
"""Name prefix of baselines."""

OWN = "my/"
"""Name prefix of functions, modules and arrays that are passed by users."""

GROUP_SUBSET = "group:"
"""Name prefix of score subsets that contain the samples of one group."""

MAX_PLAIN = 1e15
"""Absolute value at and above which numbers are written with an exponent."""

MIN_PLAIN = 1e-6
"""Smallest nonzero absolute value that is written without an exponent."""


def decimal(value: float, digits: int = 3) -> str:
    """Format ``value`` with ``digits`` significant digits, without trailing zeros.

    Digits before the decimal point are never rounded. Thousands are separated by commas. NaN becomes ``""``.
    """
    if not math.isfinite(value):
        return "" if math.isnan(value) else f"{value:g}"
    if value and not MIN_PLAIN <= abs(value) < MAX_PLAIN:
        return ("\N{MINUS SIGN}" if value < 0 else "") + f"{abs(value):.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return minus(text)


def counted(count: int, noun: str) -> str:
    """Format a number of things. The plural of ``noun`` must end in "s" only.

    Examples:
        >>> counted(1, "submitted model")
        '1 submitted model'
        >>> counted(1200, "image")
        '1,200 images'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_percent(share: float, places: int = 0) -> str:
    """Format a fraction as a percentage, ``17%`` for 0.17, with ``places`` decimals."""
    return minus(f"{100 * share:.{places}f}%")


def exactly_in_percent(share: float) -> str:
    """Format a fraction as a percentage with all of its digits, ``2.5%`` for 0.025."""
    return minus(f"{100 * share:.9g}%")


def in_points(difference: float) -> str:
    """Format a difference between two fractions in percentage points with a sign, ``+1.2`` for 0.012."""
    return minus(f"{100 * difference:+.1f}")


TOO_FEW = "no interval: too few photographs"


def interval_text(low: float, high: float, write: Callable[[float], str], missing: str = "none") -> str:
    """Format an interval, ``64.0–66.1``, or with "to" if a bound has a sign, ``−1.8 to −0.4``.

    Args:
        write: function that formats a bound.
        missing: text if a bound is NaN.
    """
    if math.isnan(low) or math.isnan(high):
        return missing
    bounds = [minus(write(bound)) for bound in (low, high)]
    has_sign = any(bound.startswith(("\N{MINUS SIGN}", "+")) for bound in bounds)
    return (" to " if has_sign else "\N{EN DASH}").join(bounds)


def percent_interval(low: float, high: float, places: int = 1, missing: str = "none") -> str:
    """Format an interval of a fraction in percent without the percent sign, ``64.0–66.1``."""
    return interval_text(low, high, lambda share: f"{100 * share:.{places}f}", missing)


def points_interval(low: float, high: float, missing: str = "none") -> str:
    """Format an interval of a difference between fractions in percentage points, ``−1.8 to +0.4``."""
    return interval_text(low, high, in_points, missing)


def interval_in_percent(low: float, high: float, places: int = 1, missing: str = "no interval") -> str:
    """Format a confidence interval of a fraction in percent, ``95% CI 64.0–66.1``. NaN becomes ``missing``."""
    text = percent_interval(low, high, places, "")
    return f"95% CI {text}" if text else missing


def p_value(p: float) -> str:
    """Format a p-value: ``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def minus(number: str) -> str:
    """Replace the hyphen in a formatted number with a minus sign, and remove the sign of zero."""
    return number.lstrip("-+") if not number.strip("-+0., %") else number.replace("-", "\N{MINUS SIGN}", 1)


_ZOO = {
    "supervised": "Supervised",
    "simclr": "SimCLR",
    "mae": "MAE",
    "can": "CAN",
    "clip": "CLIP",
    "align": "ALIGN",
    "simclr-matched": "SimCLR, crop only",
    "clip-plain": "CLIP, style-free captions",
    "align-plain": "ALIGN, style-free captions",
}
_KNOWN = {
    "baseline/handcrafted": "Handcrafted statistics",
    "baseline/pixels": "Pixels",
    "baseline/random-vit": "Untrained network",
    "baseline/phash": "Image hash (phash)",
    "baseline/dhash": "Image hash (dhash)",
    "timm:tf_efficientnet_lite0": "EfficientNet-Lite0",
}
_CLEAN = "clean"
_TRANSFORMS = {
    "identity": _CLEAN.capitalize(),
    "jpeg": "JPEG",
    "crop-90": "Crop, 90% of area",
    "crop-75": "Crop, 75% of area",
    "crop-50": "Crop, 50% of area",
}
_LIBRARIES = {
    "timm": "timm",
    "open_clip": "open_clip",
    "hf": "Hugging Face",
    "torchvision": "torchvision",
    "onnx": "ONNX",
}


def model_title(model: str) -> str:
    """Return the display name of a model.

    For Hugging Face and ONNX models, the name contains only the last part of the path.

    Examples:
        >>> model_title("zoo/simclr")
        'SimCLR (zoo)'
    """
    base, *options = OPTION_START.split(model)
    if base in _KNOWN:
        title = _KNOWN[base]
    elif base.startswith(OWN):
        title = f"{base.removeprefix(OWN)} (yours)"
    elif base.startswith("zoo/"):
        title = f"{_ZOO.get(base.removeprefix('zoo/'), base.removeprefix('zoo/'))} (zoo)"
    else:
        library, _, name = base.rpartition(":")
        short = name.rsplit("/", 1)[-1] if library in ("hf", "onnx") else name.replace("/", ", ")
        title = f"{short} ({_LIBRARIES[library]})" if library in _LIBRARIES else short or base
    return ", ".join([title, *map(_option_title, options)])


def _option_title(option: str) -> str:
    name, _, value = option.partition("=")
    if name == "layer":
        return f"layer {value}"
    if name == "seed":
        return f"seed {value}"
    if name == "weights":
        return value.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{name} {value}"


def transform_title(transform: str) -> str:
    """Return the display name of a transformation: ``Gaussian blur`` for ``gaussian-blur``."""
    return _TRANSFORMS.get(transform, (transform[:1].upper() + transform[1:]).replace("-", " "))


def group_title(group: str) -> str:
    """Return the display name of a group of transformations: ``clean`` for ``identity``, otherwise its name."""
    return _CLEAN if group == "identity" else group


def model_titles(models: Iterable[str]) -> dict[str, str]:
    """Return the display name of each model, or its full name if several models have the same display name."""
    titles = {model: model_title(model) for model in models}
    counts = Counter(titles.values())
    return {model: title if counts[title] == 1 else model for model, title in titles.items()}


def text_table(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> str:
    """Format rows as a text table with a header and aligned columns. The text is empty if there are no rows."""
    if not isinstance(rows, Sequence):
        rows = [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False)]
    if not rows:
        return ""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return decimal(value)
    return "" if value is None else " ".join(str(value).splitlines())  # a name may contain line breaks

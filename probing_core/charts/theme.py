"""Colorblind-safe colors and symbols for the light and dark themes.

Each group of transformations has a color, and its transformations have shades of this color. Eleven hues cannot all be
distinguished, so charts also contain names or symbols, and hover text.
"""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from probing_core.measures.notation import BASELINE, ZOO
from probing_core.measures.statistics import seed_of

T = TypeVar("T")

# Colors for the light and dark themes, based on Paul Tol's "bright" and "muted" schemes (personal.sron.nl/~pault). The
# lightness was adjusted to separate similar colors. No group is gray, because gray means "not selected".
_GROUPS = {
    "identity": ("#1f2933", "#f5f7fa"),
    "color": ("#cc3311", "#ff7a5c"),
    "tone": ("#b38600", "#e6c229"),
    "blur": ("#0077bb", "#4aa8ff"),
    "noise": ("#117733", "#4cc26a"),
    "codec": ("#1f94b8", "#88dcf2"),
    "overlay": ("#882255", "#f07fb5"),
    "geometry": ("#2f9e8f", "#45d0bd"),
    "artistic": ("#e8702a", "#ffab66"),
    "weather": ("#7a8c00", "#c3e04a"),
    "style": ("#7550b5", "#b79cff"),
}
# Colors for content labels, based on Okabe and Ito (2008).
_SERIES = (
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b08900", "#111827", "#5b4a9c", "#6b7280"),
    ("#56b4e9", "#ff8a3d", "#2fd3a2", "#f0a3cb", "#f0d542", "#f5f7fa", "#b7a6f5", "#a4abb5"),
)

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x", "cross", "star", "triangle-down", "pentagon", "hexagram")
BASELINE_SYMBOLS = ("hourglass", "bowtie", "star-square", "diamond-wide", "star-triangle-up", "diamond-tall")
MEMBER_SHADES = (0.0, 0.28, -0.22, 0.5, -0.4)
"""Amounts by which a group color is lightened (positive) or darkened (negative) for each transformation."""

# Colors of the objectives in the zoo. Other encoders are dark, and baselines are gray.
_OBJECTIVES = {
    "supervised": ("#111827", "#f5f7fa"),
    "simclr": ("#0072b2", "#56b4e9"),
    "mae": ("#d55e00", "#ff8a3d"),
    "can": ("#b08900", "#f0d542"),
    "clip": ("#009e73", "#2fd3a2"),
    "align": ("#c0508f", "#f0a3cb"),
}
_OTHERS = (("#5b4a9c", "#b7a6f5"), ("#4a5461", "#cbd1d8"), ("#7a6a5c", "#c9b8a6"), ("#384250", "#e0e5ea"))

VARIANT_SHADES = (0.0, 0.35, -0.35, 0.2, -0.2, 0.5, -0.5, 0.1, -0.1, -0.65)
"""Amounts by which the color of a model is lightened (positive) or darkened (negative) in the light theme."""

MIN_CONTRAST = 3.0
"""Minimum contrast between a mark and the background (WCAG 2.2, 1.4.11)."""

_PLACES = {objective: place for place, objective in enumerate(_OBJECTIVES)}
_FREE = len(_OBJECTIVES)
"""Index of the first symbol that is not assigned to an objective."""


class ModelStyle(NamedTuple):
    """Style of a model: the color and symbol of its marks, and the dash pattern of its lines."""

    color: str
    symbol: str
    dash: str


class _Both(Generic[T]):
    """Descriptor that returns the value for the light or dark theme."""

    def __init__(self, light: T, dark: T) -> None:
        self.both = light, dark

    def __get__(self, theme: Theme, _: type[Theme]) -> T:
        return self.both[theme.dark]


@dataclass(frozen=True)
class Theme:
    """Colors of a page.

    Attributes:
        dark: whether the theme is dark.
        models: models whose style is the same in every chart.
    """

    dark: bool = False
    models: tuple[str, ...] = ()

    text = _Both("#1f2933", "#e6e9ee")
    muted = _Both("#6b7280", "#9aa3ae")
    grid = _Both("rgba(31,41,51,0.12)", "rgba(255,255,255,0.13)")
    background = _Both("#ffffff", "#12161c")
    accent = _Both("#0072b2", "#56b4e9")
    warning = _Both("#d55e00", "#ff8a3d")

    sequential = _Both(
        ("#f4f7fa", "#c5dff0", "#6fb1d9", "#1f76a8", "#0a2f4d"), ("#171c24", "#123c5c", "#1f76a8", "#56b4e9", "#d8f1ff")
    )
    diverging = _Both(("#d55e00", "#f4f7fa", "#0072b2"), ("#d55e00", "#171c24", "#56b4e9"))

    def group(self, group: str) -> str:
        return _GROUPS[group][self.dark] if group in _GROUPS else self.muted

    def series(self, index: int) -> str:
        """Return the color of the label with this index. Colors repeat after eight labels."""
        colors = _SERIES[self.dark]
        return colors[index % len(colors)]

    def model_styles(self, models: Iterable[str]) -> dict[str, ModelStyle]:
        """Return the style of each model. Every model has a different color if possible.

        Zoo encoders have the hue of their objective, other encoders have the hue of their network, and baselines are
        gray. Models with the same hue have different shades. Variants (``zoo/clip-plain``) have hollow symbols and
        dashed lines. Additional seeds have the style of the first seed. Baselines have dotted lines and separate
        symbols.
        """
        names = list(dict.fromkeys([*self.models, *models]))
        first = dict(zip(names, seed_of(names), strict=True))
        styles: dict[str, ModelStyle] = {}
        used: set[str] = set()
        baselines = foreign = 0
        hues: dict[str, int] = {}
        for model in (model for model in names if not first[model]):
            network = model.split("@")[0]
            objective, _, variant = network.removeprefix(ZOO).partition("-")
            if model.startswith(BASELINE):
                color, symbol, dash = self.muted, BASELINE_SYMBOLS[baselines % len(BASELINE_SYMBOLS)], "dot"
                baselines += 1
            elif model.startswith(ZOO) and objective in _OBJECTIVES:
                color, symbol, dash = _OBJECTIVES[objective][self.dark], SYMBOLS[_PLACES[objective]], "solid"
                if variant:
                    symbol, dash = f"{symbol}-open", "dash"
            else:
                hue = hues.setdefault(network, len(hues)) % len(_OTHERS)
                color, symbol, dash = _OTHERS[hue][self.dark], SYMBOLS[(_FREE + foreign) % len(SYMBOLS)], "solid"
                foreign += 1
            color = self._unused(color, used)
            used.add(color)
            styles[model] = ModelStyle(color, symbol, dash)
        return {model: styles[first[model] or model] for model in names}

    def _unused(self, color: str, used: set[str]) -> str:
        """Return a shade of ``color`` that has enough contrast with the background and is not in ``used``.

        If no shade fits, ``color`` is returned.
        """
        shades = (shade(color, -amount if self.dark else amount) for amount in VARIANT_SHADES)
        fitting = (
            candidate
            for candidate in shades
            if candidate not in used and contrast(candidate, self.background) >= MIN_CONTRAST
        )
        return next(fitting, color)

    def members(self, transforms: Sequence[str], groups: Sequence[str]) -> dict[str, str]:
        """Return the color of each transformation, which is a shade of the color of its group."""
        place = Counter[str]()
        shades = {}
        for transform, group in zip(transforms, groups, strict=True):
            shades[transform] = shade(self.group(group), MEMBER_SHADES[place[group] % len(MEMBER_SHADES)])
            place[group] += 1
        return shades


def shade(color: str, amount: float) -> str:
    """Lighten ``color`` (#rrggbb) by ``amount`` (from 0 to 1), or darken it if ``amount`` is negative."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    light = light + (1 - light) * amount if amount > 0 else light * (1 + amount)
    return "#" + "".join(f"{round(v * 255):02x}" for v in colorsys.hls_to_rgb(hue, light, saturation))


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio between two colors (#rrggbb) as defined in WCAG 2.2, from 1 (equal) to 21."""
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

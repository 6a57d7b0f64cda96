"""Recipes: what differs between two trainings, as data. One TOML file each, in ``recipes/``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lab.pretraining.views import Views
from probing_core.catalog import suggest
from probing_core.errors import BadConfig, UnknownName

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """One training, less the corpus and the seed.

    Attributes:
        name: of the encoder, ``zoo/<name>``.
        objective: which file of the package holds the loss.
        summary: what is trained, in one phrase.
        learning_rate, weight_decay, betas: of AdamW; the rate is the peak.
        options: arguments of the objective.
        views: arguments of `Views`.
        batch: pictures of one step.
        warm_up: share of the steps over which the rate rises to its peak; then it falls by a cosine to 0.
        clip: largest norm of the gradient.
    """

    name: str
    objective: str
    summary: str
    learning_rate: float
    weight_decay: float
    betas: tuple[float, float]
    options: Mapping[str, Any]
    views: Views
    batch: int = 256
    warm_up: float = 0.05
    clip: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def recipe_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name: str) -> PretrainingRecipe:
    """Read the recipe called ``name``.

    Raises:
        UnknownName: there is none of that name.
        BadConfig: its file has entries that no recipe has, or lacks some.
    """
    if name not in recipe_names():
        raise UnknownName(
            f"There is no recipe called '{name}'.{suggest(name, recipe_names())} "
            f"There are: {', '.join(recipe_names())}."
        )
    return parse_recipe(name, (FOLDER / f"{name}.toml").read_text())


def parse_recipe(name: str, text: str) -> PretrainingRecipe:
    content = tomllib.loads(text)
    unknown = sorted(set(content) - {field.name for field in fields(PretrainingRecipe)})
    if unknown:
        raise BadConfig(f"The recipe '{name}' has unknown entries: {', '.join(unknown)}.")
    try:
        views = Views(**_with_tuples(content.pop("views")))
        return PretrainingRecipe(name=name, views=views, **_with_tuples(content))
    except (TypeError, KeyError) as error:
        raise BadConfig(f"The recipe '{name}' is incomplete or has unknown entries: {error}.") from error


def _with_tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}

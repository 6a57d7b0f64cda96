"""Recipes: the settings of training runs, each in a TOML file in ``recipes/``."""

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
    """Settings of a training run, without the corpus and the seed.

    Attributes:
        name: name of the encoder, ``zoo/<name>``.
        objective: name of the objective.
        summary: short description of the objective.
        learning_rate, weight_decay, betas: arguments of AdamW. The learning rate is the peak.
        options: arguments of the objective.
        views: arguments of `Views`.
        batch: number of images per step.
        warm_up: fraction of the steps with linear warm-up, which is followed by cosine decay to 0.
        clip: maximum norm of the gradient.
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
    """Read the recipe ``name``.

    Raises:
        UnknownName: the recipe does not exist.
        BadConfig: the file has unknown or missing entries.
    """
    if name not in recipe_names():
        raise UnknownName(
            f"There is no recipe called '{name}'.{suggest(name, recipe_names())} "
            f"There are: {', '.join(recipe_names())}."
        )
    return parse_recipe(name, (FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


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

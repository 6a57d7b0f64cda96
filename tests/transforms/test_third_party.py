"""A transform from another package: the worked example of the README, found through its entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from probing_core import catalog as catalog_module
from probing_core.catalog import Catalog
from probing_core.transforms import CATALOG, Transform, bank, generator
from tests.transforms.pictures import photograph

EXAMPLE = """
from probing_core.transforms import Transform


def invert(image, strength, rng):
    return (image * (1 - strength) + (255 - image) * strength).round().astype("uint8")


INVERT = Transform(
    name="invert", group="tone", parameter="blend", unit="share", weakest=0.6, strongest=1.0,
    definition="Blended with its own negative.", library="NumPy", source="own", pixels=invert,
)
"""


def joined(monkeypatch: pytest.MonkeyPatch, loaded: Any) -> Catalog[Transform]:
    """A catalog as ours in an environment where a package lists ``loaded``."""

    class Point:
        name, group = "mine", "probing.transforms"

        def load(self) -> Any:
            return loaded

    def points(group: str) -> list[Point] | list[EntryPoint]:
        return [Point()] if group == "probing.transforms" else []

    monkeypatch.setattr(catalog_module, "entry_points", points)
    return Catalog("transform", CATALOG.own, entry_point_group=CATALOG.entry_point_group)


def example() -> Transform:
    names: dict[str, Any] = {}
    exec(EXAMPLE, names)
    return names["INVERT"]


def test_the_example_joins_the_catalog_but_not_the_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = joined(monkeypatch, example())
    assert catalog.names[-1] == "invert"
    assert "invert" not in {t.name for t in bank()}
    image = photograph()[:64, :64]
    inverted = catalog.get("invert").apply(image, 1.0, generator(0, "x", "invert"))
    assert (inverted == 255 - image).all()
    assert inverted.dtype == np.uint8


def test_a_name_of_the_bank_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = joined(monkeypatch, CATALOG.get("sepia"))
    assert catalog.names.count("sepia") == 1
    (problem,) = catalog.problems
    assert "'sepia'" in problem
    assert "rename" in problem
    assert len(EXAMPLE.strip().splitlines()) < 20


def test_wrong_entries_say_why() -> None:
    good = {"name": "x", "parameter": "p", "unit": "u", "weakest": 0, "strongest": 1, "definition": "", "library": "",
            "source": ""}  # fmt: skip
    with pytest.raises(ValueError, match="group must be one of"):
        Transform(group="colour", pixels=lambda image, strength, rng: image, **good)
    with pytest.raises(ValueError, match="either `pixels` or `warp`"):
        Transform(group="color", **good)

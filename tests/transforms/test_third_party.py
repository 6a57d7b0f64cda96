"""A transform from another package: the worked example of the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probing_core.transforms import CATALOG, Transform, generator
from tests.transforms.pictures import photograph

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "transformation.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLE = next(block for block in BLOCKS if "INVERT = " in block)


def test_the_example_is_a_transformation() -> None:
    names: dict[str, Any] = {}
    exec(EXAMPLE, names)
    image = photograph()[:64, :64]
    inverted = names["INVERT"].apply(image, 1.0, generator(0, "x", "invert"))
    assert (inverted == 255 - image).all()
    assert inverted.dtype == np.uint8
    assert CATALOG.entry_point_group == "probing.transforms"


def test_wrong_entries_say_why() -> None:
    good = {"name": "x", "parameter": "p", "unit": "u", "weakest": 0, "strongest": 1, "definition": "", "library": "",
            "source": ""}  # fmt: skip
    with pytest.raises(ValueError, match="group must be one of"):
        Transform(group="colour", pixels=lambda image, strength, rng: image, **good)
    with pytest.raises(ValueError, match="exactly one of pixels and warp"):
        Transform(group="color", **good)

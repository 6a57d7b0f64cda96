"""The examples in the docstrings of the public names."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import probing_core
from probing_core.models import CATALOG


@pytest.mark.parametrize("name", sorted(set(probing_core.__all__) - {"transforms"}))
def test_public_name_has_an_example_that_runs(name, monkeypatch):
    names = {"probing_core": probing_core, "np": np}
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(probing_core, name), name, globs=names)
    assert example.examples
    monkeypatch.setattr(CATALOG, "_added", dict(CATALOG._added))  # what an example registers does not stay
    assert doctest.DocTestRunner().run(example).failed == 0

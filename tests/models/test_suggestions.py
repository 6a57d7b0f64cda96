"""Names of models that the installed libraries know."""

from __future__ import annotations

import sys

import pytest

from probing_core.models import CATALOG, suggestions


@pytest.mark.slow
def test_suggestions_name_models_of_every_library_and_what_is_on_disk():
    for library in ("timm", "torchvision", "open_clip"):
        pytest.importorskip(library)
    found = suggestions.suggestions()
    everything = {*found.on_disk, *found.published}
    assert {"timm:resnet50.a1_in1k", "torchvision:resnet50", "open_clip:ViT-B-32/laion2b_s34b_b79k"} <= everything
    assert set(found.on_disk).isdisjoint(found.published)
    here = {spec.name for spec in CATALOG if spec.check().available}
    assert here <= set(found.on_disk)


def test_suggestions_leave_out_a_library_that_is_missing(monkeypatch):
    for library in ("timm", "torchvision", "open_clip"):
        monkeypatch.setitem(sys.modules, library, None)
    found = suggestions.suggestions()
    names = {*found.on_disk, *found.published}
    assert names <= {spec.name for spec in CATALOG}
    assert "baseline/pixels" in found.on_disk

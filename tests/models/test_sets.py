"""Names that stand for several models."""

from __future__ import annotations

from pathlib import Path

import pytest

from probing_core.corpora import open_corpus
from probing_core.models import CATALOG, MODEL_SETS, bundled, download_summary, expand
from probing_core.run.options import Options
from probing_core.run.setup import _new_recipe
from tests.models.published import put_snapshot

PUBLISHED = expand(["published"])


def test_sets_hold_what_they_are_called():
    assert expand(["bundled"]) == bundled()
    assert expand(["zoo"]) == tuple(name for name in CATALOG.names if name.startswith("zoo/"))
    assert expand(["baselines"]) == (
        "baseline/pixels",
        "baseline/handcrafted",
        "baseline/dhash",
        "baseline/phash",
        "baseline/random-vit",
    )
    roles = [CATALOG.get(name).role for name in PUBLISHED]
    assert roles == ["supervised", "SimCLR", "MAE", "CLIP", "ALIGN"]
    assert not set(MODEL_SETS) & set(CATALOG.names)


def test_sets_mix_with_single_names_and_nothing_is_there_twice():
    assert expand(["zoo/mae", "baselines", "baseline/pixels", "timm:x"]) == (
        "zoo/mae",
        *expand(["baselines"]),
        "timm:x",
    )


def test_the_size_of_what_is_not_on_disk_is_stated(tmp_path, monkeypatch):
    monkeypatch.setattr("probing_core.models.providers.huggingface.find_spec", lambda name: True)
    said = download_summary([*PUBLISHED, "zoo/mae", f"{PUBLISHED[0]}@layer=3"])
    assert all(f"{name} {CATALOG.get(name).download_mb:,.0f} MB" in said for name in PUBLISHED if name[:3] != "hf:")
    assert said.count(PUBLISHED[0]) == 1
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = put_snapshot(tmp_path, "timm/vit_base_patch16_224.mae")
    (snapshot / "model.safetensors").touch()
    less = download_summary(PUBLISHED)
    assert "patch16_224.mae" not in less
    total, fewer = (float(text.rsplit("; ", 1)[1].split(" MB")[0].replace(",", "")) for text in (said, less))
    assert total - fewer == 343
    assert download_summary(["zoo/mae", "baseline/pixels", f"{PUBLISHED[2]}@weights=a.pth", "timm:resnet50"]) == ""


@pytest.mark.parametrize(
    ("models", "view", "expected"),
    [
        (("published",), None, 224),
        (("zoo/mae", "published"), None, 224),
        (("published",), 96, 96),
        (("zoo",), None, 128),
    ],
)
def test_published_encoders_get_the_view_that_they_were_trained_on(models, view, expected):
    recipe = _new_recipe(Options(models=models, view=view), open_corpus("photos"), (), expand(models))
    assert recipe.view == expected
    assert recipe.models == expand(models)
    assert not Path("published").exists()

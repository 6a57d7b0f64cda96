from __future__ import annotations

import pytest

from probing_core.errors import BadConfig
from probing_core.models.model_names import parse, with_layer


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("timm:resnet50", "timm:resnet50"),
        (" zoo/mae@layer=06@pool=mean ", "zoo/mae@pool=mean@layer=6"),
        ("baseline/random-vit@seed=0", "baseline/random-vit"),
        ("timm:a@weights=/x/y@z/w.pth@pool=cls", "timm:a@pool=cls@weights=/x/y@z/w.pth"),
        ("hf:org/repo@layer=all", "hf:org/repo@layer=all"),
    ],
)
def test_a_name_has_one_canonical_spelling(name, full):
    assert parse(name).full == full
    assert parse(full) == parse(name)


@pytest.mark.parametrize(
    "name", ["", "@pool=mean", "a@pol=mean", "a@pool=max", "a@layer=0", "a@layer=-1", "a@seed=x", "a@weights=",
             "a@pool=cls@pool=mean", "a@layer=" + "9" * 5000, "a@seed=" + "9" * 5000, f"a@seed={2**64}"],
)  # fmt: skip
def test_bad_names_are_refused(name):
    with pytest.raises(BadConfig):
        parse(name)


def test_a_close_option_is_suggested():
    with pytest.raises(BadConfig, match="Did you mean 'pool'"):
        parse("a@pol=mean")


def test_layer_of_a_name():
    assert with_layer("a@pool=cls@layer=all", 3) == "a@pool=cls@layer=3"
    assert (parse("open_clip:ViT-B-16/openai").provider, parse("open_clip:ViT-B-16/openai").model) == (
        "open_clip",
        "ViT-B-16/openai",
    )

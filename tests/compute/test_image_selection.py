from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probing_core.compute.image_selection import choose_images
from probing_core.corpora import open_corpus
from probing_core.corpora.base import NOT_FOR_PROBES
from probing_core.errors import BadCorpus
from probing_core.images import encode_png
from tests.compute.test_samples import recipe_of, silent
from tests.conftest import scene


def test_what_is_left_out_is_told(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    gray = np.repeat(scene(1, 64)[:, :, :1], 3, axis=2)
    for name, image in {"good": scene(0, 64), "gray": gray, "small": scene(2, 40)}.items():
        (folder / f"{name}.png").write_bytes(encode_png(image))
    corpus = open_corpus(f"folder:{folder}")
    images = choose_images(recipe_of(corpus).design, corpus, silent)
    reasons = {image_id.split(".")[0]: why for image_id, why in zip(images["image_id"], images["why_not"], strict=True)}
    assert reasons == {"good": "", "gray": "near gray", "small": "smaller than 44 pixels"}
    assert images["used"].tolist() == [why == "" for why in images["why_not"]]


def test_a_corpus_of_small_pictures_is_refused_with_the_way_out(few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}")
    with pytest.raises(BadCorpus, match="Try a smaller --view: sources must have 176 pixels"):
        choose_images(recipe_of(corpus, view=128).design, corpus, silent)


@pytest.mark.parametrize("limit", [None, 5])
def test_a_corpus_without_color_is_refused_for_that(few_scenes, limit):
    corpus = open_corpus(f"folder:{few_scenes}")
    corpus.rows = corpus.rows.assign(color=False, why_not="near gray")
    with pytest.raises(BadCorpus, match="most often: near gray"):
        choose_images(replace(recipe_of(corpus), limit=limit).design, corpus, silent)


@pytest.fixture(scope="module")
def half_too_small(tmp_path_factory):
    """Sixty pictures, the odd ones too small for a view of 32 pixels."""
    folder = tmp_path_factory.mktemp("half")
    for i in range(60):
        (folder / f"{i:02d}.png").write_bytes(encode_png(scene(i, 40 if i % 2 else 64)))
    return open_corpus(f"folder:{folder}")


@pytest.mark.parametrize("limit", [1, 10, 20])
def test_the_limit_counts_images_that_can_be_used(half_too_small, limit):
    told = []
    images = choose_images(
        recipe_of(half_too_small, limit=limit).design, half_too_small, lambda done, total: told.append((done, total))
    )
    used = images[images["used"]]
    assert len(used) == limit
    assert images["image_id"].is_unique
    assert set(images.loc[~images["used"], "why_not"]) <= {"smaller than 44 pixels"}
    if limit == 20:
        assert used["split"].value_counts()["train"] == 12
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {limit}
    assert max(done) <= limit


def test_a_limit_beyond_what_can_be_used_takes_all_of_it(half_too_small):
    every = choose_images(recipe_of(half_too_small).design, half_too_small, silent)
    limited = choose_images(recipe_of(half_too_small, limit=59).design, half_too_small, silent)
    assert set(limited.loc[limited["used"], "image_id"]) == set(every.loc[every["used"], "image_id"])


@pytest.mark.parametrize("split", NOT_FOR_PROBES)
def test_rows_that_serve_encoders_or_verdicts_alone_are_never_probe_images(few_scenes, monkeypatch, split):
    corpus = open_corpus(f"folder:{few_scenes}")
    splits = ["train", "val", "test", split]
    monkeypatch.setattr(corpus, "rows", corpus.rows.assign(split=[splits[i % 4] for i in range(len(corpus.rows))]))
    images = choose_images(recipe_of(corpus).design, corpus, silent)
    others = corpus.rows.loc[corpus.rows["split"] != split, "image_id"]
    assert images["image_id"].tolist() == others.tolist()
    assert set(images["split"]) == {"train", "val", "test"}
    monkeypatch.setattr(corpus, "rows", corpus.rows.assign(split=split))
    with pytest.raises(BadCorpus, match="it has no probe images"):
        choose_images(recipe_of(corpus).design, corpus, silent)

"""The photographs that ship: what they are, that they can be used whole, and what is said where they are missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab.scripts import shipped_photographs
from probing_core.cli import main
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.corpora.parquet import REFERENCE as KIND
from probing_core.corpora.parquet import ReferenceCorpus
from probing_core.errors import BadCorpus
from probing_core.images.quality import NEAR_GRAY
from probing_core.paths import PHOTOGRAPHS_FILE, PHOTOGRAPHS_LICENSE, reference_run
from probing_core.run.directory import RunDirectory
from probing_core.run.options import Options
from probing_core.run.setup import open_or_start

SMALLEST = 176


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return open_corpus("reference")


def test_the_splits_have_their_sizes(corpus):
    assert corpus.rows["split"].value_counts().to_dict() == {"train": 436, "test": 327, "val": 125}
    assert corpus.rows["label"].nunique() == 21
    assert (corpus.rows.groupby(["label", "split"]).size().unstack() > 0).all(axis=None)  # every class in every split
    assert corpus.description.startswith("888 color photographs of 21 classes")


def test_no_encoder_learned_from_them(corpus):
    """Their classes are apart from those of pretraining; the cards of the zoo say of what the encoders learned."""
    assert corpus.rows["held_out_class"].all()
    assert not corpus.rows["split"].isin(["pretrain", "calibrate", ""]).any()


def test_each_states_source_and_license(corpus):
    assert corpus.rows["license"].str.match(r"CC BY 4\.0, https://data\.caltech\.edu/records/\S+$").all()
    assert corpus.rows["source"].str.contains("Caltech 101").all()
    assert corpus.rows["source"].str.endswith("https://doi.org/10.22002/D1.20086").all()
    assert PHOTOGRAPHS_LICENSE in KIND.license
    assert (reference_run() / PHOTOGRAPHS_LICENSE).is_file()


def test_nobody_and_nothing_that_was_left_out_is_there(corpus):
    rows = corpus.rows
    assert not rows["label"].isin([*shipped_photographs.PEOPLE, *shipped_photographs.TRADEMARKS]).any()
    left = [image_id for ids in shipped_photographs.EXCLUDED.values() for image_id in ids]
    assert len(left) == len(set(left))
    assert not rows["image_id"].isin(left).any()
    assert rows["image_id"].is_unique
    assert rows["image_id"].str.fullmatch(r"caltech101/[0-9a-f]{12}").all()


def test_what_shows_one_photograph_shares_base_and_split(corpus):
    rows = corpus.rows.set_index("image_id")
    assert (rows.groupby("base_id")["split"].nunique() == 1).all()
    listed = [image_id for photograph in shipped_photographs.SAME_PHOTOGRAPH for image_id in photograph]
    assert len(listed) == len(set(listed))
    sharing = 0
    for photograph in shipped_photographs.SAME_PHOTOGRAPH:
        there = sorted(rows.index.intersection(photograph))
        assert there, photograph  # one of them ships
        assert rows.loc[there, "base_id"].tolist() == [there[0]] * len(there)
        sharing += len(there) - 1
    assert set(shipped_photographs.COPIES) <= set(listed)
    assert rows["base_id"].nunique() == len(rows) - sharing  # every other picture is a photograph by itself


def test_every_picture_can_be_used_at_the_default_view(corpus):
    seen = set()
    for row in corpus.rows.itertuples():
        image = corpus.load(row.image_id)
        assert image.shape == (row.height, row.width, 3), row.image_id
        assert min(image.shape[:2]) >= SMALLEST, row.image_id
        chroma = (image.max(2).astype(int) - image.min(2)).mean()
        assert chroma >= NEAR_GRAY, row.image_id
        seen.add(image.tobytes())
    assert len(seen) == len(corpus.rows)
    assert corpus.rows["color"].all()
    assert corpus.rows["geometry"].all()


def test_two_openings_are_one_corpus_wherever_the_file_lies(corpus, tmp_path, monkeypatch):
    (tmp_path / PHOTOGRAPHS_FILE).write_bytes((reference_run() / PHOTOGRAPHS_FILE).read_bytes())
    monkeypatch.setattr("probing_core.corpora.parquet.reference_run", lambda: tmp_path)
    moved = ReferenceCorpus()
    assert moved.fingerprint == corpus.fingerprint
    assert np.array_equal(moved.load(moved.rows["image_id"][7]), corpus.load(corpus.rows["image_id"][7]))


def test_a_missing_file_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("probing_core.corpora.parquet.reference_run", lambda: tmp_path)
    with pytest.raises(BadCorpus, match=re.escape(f"{tmp_path / PHOTOGRAPHS_FILE}")):
        open_corpus("reference")
    assert main(["run", "--out", str(tmp_path / "run"), "--corpus", "reference", "--models", "baseline/pixels"]) == 2
    printed = capsys.readouterr().err
    assert [line for line in printed.splitlines() if line.startswith("error:")] == printed.splitlines()
    assert "included photographs is missing" in printed


def test_the_reference_run_is_whole_beside_them(capsys):
    assert Path(reference_run() / PHOTOGRAPHS_FILE).is_file()
    assert main(["verify", "--run", str(reference_run())]) == 0


def test_a_run_over_it_is_that_of_the_reference_unless_asked_otherwise(tmp_path) -> None:
    for number, (options, repetitions, far) in enumerate(
        ((Options(), 3, True), (Options(repetitions=1, transforms=("fog",)), 1, False))
    ):
        recipe, *_ = open_or_start(RunDirectory(tmp_path / str(number)), replace(options, corpus="reference"))
        assert recipe.repetitions == repetitions
        assert ("style-arbitrary-1" in recipe.transforms) == far
        assert recipe.transforms[0] == "identity"

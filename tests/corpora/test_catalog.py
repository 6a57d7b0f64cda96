"""Every kind of corpus passes the same checks, whoever lists it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probing_core.corpora import (
    COLUMNS,
    KINDS,
    CorpusKind,
    absolute_name,
    open_corpus,
)
from probing_core.corpora import corpus as table
from probing_core.corpora.corpus import SPLITS, content_digest, fingerprint, make_rows
from probing_core.errors import BadCorpus, UnknownName
from tests.corpora.pictures import made_png
from tests.corpora.test_hub import write


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """kind -> a name that opens; a kind without one here fails the tests."""
    (tmp_path / "folder" / "a").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "folder" / "a" / f"{number}.png").write_bytes(made_png(number))
    pq.write_table(pa.table({"image": [made_png(n) for n in range(3)], "label": ["a"] * 3}), tmp_path / "x.parquet")
    write(tmp_path / "hub/train.parquet", [0, 1, 2])
    return {
        "photos": "photos",
        "reference": "reference",
        "folder": f"folder:{tmp_path / 'folder'}",
        "parquet": f"parquet:{tmp_path / 'x.parquet'}",
        "hub": f"hub:{tmp_path / 'hub'}",
    }


@pytest.mark.parametrize("kind", KINDS.own, ids=lambda kind: kind.name)
def test_every_corpus_keeps_the_contract(kind: CorpusKind, examples: dict[str, str]) -> None:
    corpus, again = open_corpus(examples[kind.name]), open_corpus(examples[kind.name])
    rows = corpus.rows
    assert list(rows)[: len(COLUMNS)] == list(COLUMNS)
    assert rows["image_id"].is_unique
    assert rows["base_id"].ne("").all()
    assert rows["split"].isin([*SPLITS, ""]).all()
    assert rows.groupby("base_id")["split"].nunique().eq(1).all()
    assert rows[["color", "geometry"]].dtypes.eq(bool).all()
    assert (rows["why_not"].eq("") == (rows["color"] & rows["geometry"])).all()
    assert rows.index.equals(pd.RangeIndex(len(rows)))
    assert corpus.name == examples[kind.name]
    assert "/" not in corpus.description
    assert list(corpus.skipped) == []
    assert re.fullmatch("[0-9a-f]{32}", corpus.fingerprint)
    assert corpus.fingerprint == again.fingerprint
    pd.testing.assert_frame_equal(rows, again.rows)
    for image_id in rows["image_id"].iloc[[0, -1]]:
        image = corpus.load(image_id)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert np.array_equal(image, again.load(image_id))


def test_listing_opens_nothing_and_imports_no_framework() -> None:
    assert KINDS.entry_point_group == "probing.corpora"
    assert [kind.usage for kind in KINDS] == [
        "photos", "reference", "folder:PATH", "parquet:FILE", "hub:NAME",
    ]  # fmt: skip
    script = (
        "import sys; from probing_core.corpora import KINDS; list(KINDS)\n"
        "print([m for m in ('torch', 'datasets', 'skimage', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("phtos", UnknownName, "Did you mean 'photos'"),
        ("/home/me/photos", UnknownName, "Use 'folder:/home/me/photos'"),
        ("photos:x", BadCorpus, "does not take an argument"),
        ("reference:x", BadCorpus, "does not take an argument"),
        ("folder", BadCorpus, "Use 'folder:PATH'"),
        ("folder:", BadCorpus, "Use 'folder:PATH'"),
        ("parquet:/nowhere.parquet", BadCorpus, "does not exist"),
    ],
)
def test_a_wrong_name_gets_one_sentence(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        open_corpus(name)


def test_a_path_becomes_absolute_and_other_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("folder:a", "folder:a/", "folder:./a", f"folder:{tmp_path}/a", "folder:b/../a"):
        (tmp_path / "b").mkdir(exist_ok=True)
        assert absolute_name(name) == f"folder:{tmp_path}/a", name
    for name in ("folder:nowhere", "folder:s3://bucket/a", "hub:me/mine", "photos", "folder:"):
        assert absolute_name(name) == name
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute_name("parquet:~/a") == f"parquet:{tmp_path}/a"


@pytest.mark.parametrize("count", [0, 1, 4, 8, 9])
def test_the_fingerprint_digests_rows_in_pieces_as_if_at_once(count, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 4)
    columns = {"image_id": [f'"{i}", [é]' for i in range(count)], "label": ["a"] * count, "width": range(count)}
    rows = make_rows(columns)
    digests = [content_digest(bytes([i])) for i in range(count)]
    whole = hashlib.blake2b(digest_size=16)
    stated = rows.drop(columns=["license", "why_not"])
    whole.update(json.dumps([list(stated.columns), stated.astype(object).values.tolist()]).encode())
    whole.update(b"".join(digests))
    assert fingerprint(rows, digests) == whole.hexdigest()


def test_what_is_said_of_a_picture_is_no_part_of_the_fingerprint():
    columns = {"image_id": ["a", "b"], "label": ["x", "y"]}
    digests = [b"1", b"2"]
    plain = fingerprint(make_rows(columns), digests)
    said = {"license": ["CC0", "CC0"], "why_not": ["", "near gray"], "source": ["a book", "a book"]}
    assert fingerprint(make_rows(columns | said), digests) == plain
    assert fingerprint(make_rows(columns | {"label": ["x", "z"]}), digests) != plain
    assert fingerprint(make_rows(columns | {"color": [True, False]}), digests) != plain

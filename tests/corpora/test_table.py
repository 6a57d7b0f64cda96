from __future__ import annotations

import hashlib
import json

import pytest

from probing_core.corpora import base as table
from probing_core.corpora.base import content_digest, fingerprint, make_rows


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

"""The tables of how far to trust the answers, on made answers."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from lab.evidence import answers
from probing_core.answers.answer import Posterior
from probing_core.answers.calibration import model_posteriors
from tests.api.test_model_answers import made


def test_markdown_has_one_row_per_model():
    text = answers.markdown(pd.concat([made(), made().assign(model="other", altered=0.5)]))
    assert [line.split(" |")[0] for line in text.splitlines()[2:]] == ["| `m`", "| `other`"]


def test_the_diagram_has_a_line_a_model_and_a_panel_a_set():
    ET.fromstring(answers.picture({"one": made(), "two": pd.concat([made(), made().assign(model="other")])}))
    assert answers.picture({"one": made()}) == answers.picture({"one": made()})


def scored_views() -> pd.DataFrame:
    """Those of two sources; the pictures of ``b`` score higher by 5."""
    rng, parts = np.random.default_rng(0), []
    for source, shift in (("a", 0.0), ("b", 5.0)):
        for group, mean in (("identity", 0.0), ("blur", 3.0)):
            ids = [f"{source}/{i}" for i in range(60)]
            scores = rng.normal(mean + shift, 1, len(ids))
            parts.append(pd.DataFrame({"image_id": ids, "base_id": ids, "group": group, "whole_score": scores}))
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(
        corpus=1, no_color=False, size="view", role="calibrate", score=rows["whole_score"],
        maker=np.where(rows["group"] == "identity", "as it is", "bank"),
    )  # fmt: skip


def test_a_source_is_answered_by_numbers_of_the_others(monkeypatch):
    views = scored_views()
    monkeypatch.setattr(answers, "has_scored_views", lambda store, model: True)
    monkeypatch.setattr(answers, "read_posteriors", lambda store, model: {"direct": Posterior(1.0, 100.0)})

    class Predictor:
        class store:
            read_table = staticmethod(lambda path: views)

    rows = pd.DataFrame({"source": ["a", "b", "c"], "score": 4.0, "group": "blur"})
    found = answers.judged(Predictor(), "m", rows)
    of_a, of_b = (model_posteriors(views[views["image_id"].str.startswith(one)])["direct"] for one in "ab")
    np.testing.assert_allclose(found["altered"][:2], [of_b.probability([4.0])[0], of_a.probability([4.0])[0]])
    assert found["altered"][0] < 0.5 < found["altered"][1]


def test_what_was_asked_is_kept(tmp_path, monkeypatch):
    calls = []

    def altered(library, given):
        calls.append(library)
        return {f"{name}|blur|blur": image for name, image in given.items()}

    monkeypatch.setattr(answers, "altered", altered)
    photograph = {"a/1": np.full((8, 8, 3), 3, np.uint8)}
    first, again = (answers.pictures("imgaug", photograph, tmp_path) for _ in range(2))
    assert calls == ["imgaug"]
    assert list(first) == list(again) == ["a/1|blur|blur"]
    np.testing.assert_array_equal(first["a/1|blur|blur"], again["a/1|blur|blur"])
    answers.pictures("imgaug", {"a/1": photograph["a/1"] + 1}, tmp_path)
    assert len(calls) == 2


def test_packaged_photographs_are_named_by_their_source_and_have_the_size_of_a_view():
    found = answers.load_photographs(64, limit=2)
    assert {name.partition("/")[0] for name in found} == {answers.PACKAGED}
    assert {image.shape for image in found.values()} == {(64, 64, 3)}
    assert len(found) == 2

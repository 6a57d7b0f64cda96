from __future__ import annotations

from probing_core.api.rank import ValidationCorpus
from probing_core.corpora import open_corpus
from tests.conftest import write_scenes


def test_no_photograph_of_test_is_read(tmp_path):
    whole, seen = open_corpus("photos"), ValidationCorpus(open_corpus("photos"))
    split = whole.rows.set_index("image_id")["split"]
    assert set(split[seen.rows["image_id"]]) == {"train", "val"}
    tested = seen.rows.loc[seen.rows["split"] == "test", "image_id"]
    assert set(split[tested]) == {"val"}
    assert len(tested) == (split == "val").sum()
    assert seen.fingerprint != whole.fingerprint
    corpus = open_corpus(f"folder:{write_scenes(tmp_path / 'photos', 60, 64)}")
    divided = ValidationCorpus(corpus, seed=3)
    assert set(divided.rows["split"]) == {"train", "val", "test"}
    assert set(ValidationCorpus(corpus, seed=4).rows["image_id"]) != set(divided.rows["image_id"])

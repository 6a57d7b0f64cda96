"""`probing_core.check`: a model beside its scorecard, on photographs of ``val`` alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

import probing_core
from probing_core.api import score as scoring
from probing_core.api.check import RETRIEVAL, Scorecard
from probing_core.cli import main
from probing_core.corpora import open_corpus
from probing_core.corpora.selection import ValidationCorpus
from probing_core.errors import BadConfig
from tests.conftest import write_scenes

TRANSFORMS = ("brighten", "contrast", "gaussian-blur", "motion-blur")


def colors(images):
    """Mean, deviation and sharpness of each channel."""
    rows = []
    for image in images:
        numbers = image.astype(np.float32) / 255
        rows.append(
            np.concatenate([numbers.mean((0, 1)), numbers.std((0, 1)), np.abs(np.diff(numbers, axis=0)).mean((0, 1))])
        )
    return np.stack(rows)


def blind(images):
    """Nothing of a picture but its mean."""
    return np.stack([np.repeat(image.mean() / 255, 9) for image in images])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check") / "photos"
    return f"folder:{write_scenes(folder, 60, 64)}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache_here(cache, monkeypatch):
    monkeypatch.setattr(scoring, "user_cache_path", lambda *a, **k: cache)


@pytest.fixture
def card(corpus):
    """A second call is answered from what was kept."""
    return probing_core.scorecard(colors, corpus, transforms=TRANSFORMS, view=32, progress=False)


def test_no_photograph_of_test_is_read(corpus):
    whole, seen = open_corpus("photos"), ValidationCorpus(open_corpus("photos"))
    split = whole.rows.set_index("image_id")["split"]
    assert set(split[seen.rows["image_id"]]) == {"train", "val"}
    tested = seen.rows.loc[seen.rows["split"] == "test", "image_id"]
    assert set(split[tested]) == {"val"}
    assert len(tested) == (split == "val").sum()
    assert seen.fingerprint != whole.fingerprint
    divided = ValidationCorpus(open_corpus(corpus), seed=3)
    assert set(divided.rows["split"]) == {"train", "val", "test"}
    assert set(ValidationCorpus(open_corpus(corpus), seed=4).rows["image_id"]) != set(divided.rows["image_id"])


def test_the_scorecard_holds_scores_with_intervals_and_sums_by_photograph(card):
    names = [row.name for row in card.rows]
    assert names[0] == ("fine", "all", "balanced-accuracy")
    assert ("fine", "group:blur", "recall") in names
    assert names[-1] == RETRIEVAL
    for row in card.rows:
        assert row.low <= row.value <= row.high
        assert row.photographs == len(row.bases) == len(row.sums)
        half = row.sums.shape[1] // 2
        hits, there = row.sums[:, :half].sum(0), row.sums[:, half:].sum(0)
        of_class, ends = hits / there, np.cumsum(row.parts or (half,))
        assert row.value == pytest.approx(np.mean([one.mean() for one in np.split(of_class, ends[:-1])]))


@pytest.fixture
def run(corpus, card):
    """The run that the card was made of."""
    chosen = probing_core.samples(ValidationCorpus(open_corpus(corpus)), transforms=TRANSFORMS, view=32)
    return probing_core.open(probing_core.score(colors, chosen, progress=False).path)


def test_members_of_groups_that_a_probe_has_not_seen_are_a_row_of_the_card(card, run):
    (row,) = (row for row in card.rows if row.task == "group")
    assert (row.subset, row.measure) == ("unseen", "group-hit-rate")
    of_rotation = []
    for rotation in range(3):
        tested = run.predictions("my/encoder", f"group-{rotation}")
        if tested.empty:
            continue
        groups = {}
        for one in tested[(tested["split"] == "test") & ~tested["seen"]].itertuples():
            groups.setdefault(one.truth, []).append(one.predicted == one.truth)
        of_rotation.append(np.mean([np.mean(hits) for hits in groups.values()]))
    assert len(of_rotation) > 1
    assert row.value == pytest.approx(np.mean(of_rotation))
    assert row.low < row.value < row.high


def test_retrieval_is_the_share_of_altered_photographs_whose_nearest_is_their_original(card, run):
    rows, X = run.samples, run.embeddings("my/encoder")
    rows = rows.assign(row=np.arange(len(rows)))[rows["split"] == "test"]
    gallery = rows[(rows["transform"] == "identity") & (rows["draw"] == 0)]
    hits = []
    for query in rows[rows["transform"] != "identity"].itertuples():
        cosine = [X[query.row] @ X[i] / np.linalg.norm(X[i]) for i in gallery["row"]]
        hits.append(gallery["image_id"].iloc[int(np.argmax(cosine))] == query.image_id)
    assert card.rows[-1].value == pytest.approx(np.mean(hits))


def test_a_scorecard_is_read_as_it_was_written(card, tmp_path):
    card.write(tmp_path / "card.json")
    again = Scorecard.read(tmp_path / "card.json")
    assert (again.model, again.recipe, again.measured) == (card.model, card.recipe, card.measured)
    for one, other in zip(card.rows, again.rows, strict=True):
        assert one.name == other.name
        assert one.bases == other.bases
        assert one.parts == other.parts
        assert np.array_equal(one.sums, other.sums)
        assert other.value == pytest.approx(one.value, abs=1e-6)
    for content in ("no json", "{}", '{"format": 99, "rows": []}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(BadConfig, match="cannot be read as a scorecard"):
            Scorecard.read(tmp_path / "bad.json")
    with pytest.raises(BadConfig, match="There is no scorecard"):
        Scorecard.read(tmp_path / "none.json")


def test_the_same_model_passes_and_a_blind_one_fails(card, tmp_path):
    card.write(tmp_path / "card.json")
    same = probing_core.check(colors, tmp_path / "card.json", progress=False)
    assert same.worse == ()
    assert all(row.drop == 0 for row in same.rows)
    probing_core.assert_no_drop(colors, card, progress=False)
    with pytest.raises(AssertionError, match=r"my/encoder is worse than the baseline in \d+ scores:\nworse  fine, all"):
        probing_core.assert_no_drop(blind, card, progress=False)
    worse = probing_core.check(blind, card, progress=False).worse
    assert worse[0].low > 0
    assert not probing_core.check(blind, card, max_drop=1.0, progress=False).worse


def test_a_baseline_of_other_photographs_is_refused(card, tmp_path):
    other = write_scenes(tmp_path / "others", 40, 64)
    with pytest.raises(BadConfig, match=r"of other photographs than 'folder:.*others' holds now"):
        probing_core.check(colors, card, corpus=f"folder:{other}", progress=False)


def test_the_command_writes_a_scorecard_and_checks_against_it(corpus, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from tests.api.test_check import blind, colors\n"  # functions of a user's file
    )
    path, mine = str(tmp_path / "card.json"), str(tmp_path / "mine.py")
    chosen = ["--corpus", corpus, "--transforms", ",".join(TRANSFORMS), "--limit", "50", "--view", "32"]
    assert main(["check", f"{mine}:colors", "--write", path, *chosen]) == 0
    assert "fine, all, balanced-accuracy: " in capsys.readouterr().out
    assert main(["check", f"{mine}:colors", "--baseline", path]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("ok     fine, all, balanced-accuracy: ")
    assert printed[-1] == f"my/encoder is worse in 0 of {len(printed) - 1} scores."
    assert main(["check", f"{mine}:blind", "--baseline", path, "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(printed) - 1
    assert rows[0]["worse"]
    assert main(["check", f"{mine}:blind", "--baseline", path, "--max-drop", "1"]) == 0
    assert main(["check", f"{mine}:colors", "--baseline", path, "--limit", "9"]) == 2
    assert "leave --transforms, --limit and --view out" in capsys.readouterr().err
    assert main(["check", f"{mine}:colors", "--baseline", str(tmp_path / "none.json")]) == 2
    (tmp_path / "mine.py").write_text("def broken(images):\n    raise RuntimeError('out of order')\n")
    assert main(["check", f"{mine}:broken", "--baseline", path]) == 3

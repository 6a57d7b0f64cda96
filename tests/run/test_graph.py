"""The table of a run: keys hold every input, a row is all that a further file takes, a revision stands for its rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from probing_core.compute import maps, series, train
from probing_core.compute.names import DETECTOR, LAYERS, OTHER_PROBES, STRENGTH
from probing_core.compute.studies import STUDIES
from probing_core.compute.tasks import CONTENT
from probing_core.detector import detector, learning
from probing_core.images import encode_png
from probing_core.measures import classification, statistics
from probing_core.probes import mlp, optimizer
from probing_core.run import graph, layout, stages
from probing_core.run.engine import Given, Plan, Reads, Row, State
from probing_core.run.graph import TABLE
from probing_core.run.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.run.manifest import Manifest
from probing_core.run.options import Options
from probing_core.run.recipe import read_recipe
from probing_core.run.stages import run
from probing_core.run.store import Store
from probing_core.run.why import why
from tests.conftest import in_few_pixels, scene, write_scenes
from tests.plans import plan_of

pytestmark = pytest.mark.slow

MODELS = ("baseline/pixels", "baseline/handcrafted")
TRANSFORMS = ("identity", "gaussian-noise", "gaussian-blur", "motion-blur")
"""Few that have all: a group with a member that is not seen, alternatives."""

QUICK: Sequence[tuple[Any, str, Any]] = (
    (maps, "umap_points", lambda embeddings, seed: embeddings[:, :2] + seed),
    (classification, "RESAMPLES", 20),
    (statistics, "RESAMPLES", 20),
    (train, "SEEDS", (0,)),
    (mlp, "WIDTH", 8),
    (mlp, "EPOCHS", 2),
    (optimizer, "MAX_ITERATIONS", 4),
    (detector, "WIDTH", 8),
    (detector, "SEEDS", (0,)),
    (learning, "MIN_PHOTOGRAPHS", {"learn": 4, "choose": 2}),
    (learning, "CLEAN", 1),
    (learning, "WIDER_CLEAN", 1),
    (learning, "BY_BANK", 2),
    (learning, "BY_ALTERNATIVES", 2),
    (series, "SERIES_IMAGES", 3),
    (series, "RENDERED_IMAGES", 12),
)
"""Of what takes long, less, which changes nothing of what a file is made from: a whole run takes three seconds."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, in_few_pixels():
        for module, name, value in QUICK:
            patch.setattr(module, name, value)
        yield


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, str]:
    """32 pictures that are split, others that are named alike, and two corpora to calibrate on."""
    folder = tmp_path_factory.mktemp("corpora")
    scenes, other = write_scenes(folder / "scenes", 32, 56), write_scenes(folder / "other", 32, 56)
    for i, picture in enumerate(sorted(other.rglob("*.png"))):
        picture.write_bytes(encode_png(scene(100 + i, 56)))
    few, fewer = write_scenes(folder / "few", 4, 40), write_scenes(folder / "fewer", 3, 40)
    named = {"scenes": scenes, "other": other, "few": few, "fewer": fewer}
    return {name: f"folder:{path}" for name, path in named.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory, corpora) -> tuple[Store, Options]:
    """A whole run, with a detector and verdicts."""
    options = Options(
        corpus=corpora["scenes"],
        calibrate_on=(corpora["few"],),
        view=32,
        transforms=TRANSFORMS,
        models=MODELS,
        device="cpu",
        precision="float32",
    )
    out = tmp_path_factory.mktemp("made") / "run"
    run(out, options)
    return Store(out), options


def states(store: Store) -> set[State]:
    plan = plan_of(store)
    return {plan.state(artifact) for artifact in plan.artifacts.values()}


@pytest.fixture
def copy(made, tmp_path) -> Store:
    return Store(shutil.copytree(made[0].root, tmp_path / "copy"))


def test_the_run_holds_what_every_row_of_the_table_makes(made):
    """So that what the next tests state of all files is stated of each kind: but those of
    networks, and of claims on named models."""
    assert states(made[0]) == {State.MADE}
    plan = plan_of(made[0])
    lacking = {row.path for row in TABLE.rows} - {artifact.row.path for artifact in plan.artifacts.values()}
    names = [study.name for study in STUDIES if study.series == LAYERS]
    of_layers = {
        layout.series_table(LAYERS),
        layout.embeddings_folder(ANY_MODEL, LAYERS),
        *(layout.study_path(ANY_MODEL, name) for name in names),
        *(layout.table_path(name) for name in names),
    }
    assert lacking == of_layers | {layout.CLAIMS}


def option(name: str, value: Any) -> Callable[[Options, Mapping[str, str]], Options]:
    return lambda options, corpora: replace(options, **{name: value})


CHANGES: Mapping[str, tuple[Callable[[Options, Mapping[str, str]], Options], str]] = {
    "view": (option("view", 36), layout.SAMPLES),
    "limit": (option("limit", 31), layout.IMAGES),
    "seed": (option("seed", 1), layout.SAMPLES),
    "repetitions": (option("repetitions", 2), layout.SAMPLES),
    "transforms": (option("transforms", TRANSFORMS[:-1]), layout.SAMPLES),
    "order of transforms": (option("transforms", (TRANSFORMS[0], *TRANSFORMS[:0:-1])), layout.SAMPLES),
    "models": (option("models", MODELS[1:]), layout.SCORES),
    "calibrate_on": (
        lambda options, corpora: replace(options, calibrate_on=(corpora["fewer"],)),
        "models/baseline-pixels/verdicts.parquet",
    ),
    "corpus": (lambda options, corpora: replace(options, corpus=corpora["other"]), layout.SAMPLES),
}
"""What is asked for otherwise -> how, and a file that is then another."""


@pytest.mark.parametrize("change", CHANGES)
def test_where_the_bytes_of_a_file_differ_between_two_runs_its_key_differs(made, corpora, tmp_path, change):
    """Both are made from nothing: what is in one of them was never taken for the other's."""
    before, options = made
    changed, another = CHANGES[change]
    run(tmp_path / "run", changed(options, corpora))
    after = Store(tmp_path / "run")
    there, here = before.entries(""), after.entries("")
    differ = {name for name in there.keys() & here.keys() if there[name]["sha256"] != here[name]["sha256"]}
    assert another in differ
    assert {name for name in differ if there[name]["key"] == here[name]["key"]} == set()


def count_labels(files: Reads, given: Given) -> pd.DataFrame:
    scores = files.read_table(layout.scores_path(given.binding["model"]))
    images = files.table(layout.IMAGES)
    counts = {"images": len(images), "scores": len(scores), "seed": given.options["seed"]}
    return pd.DataFrame([counts])


COUNTS = Row(
    path="models/{model}/counts.parquet",
    holds="how many images and scores there are",
    stage="evaluate",
    each=lambda scope: ({"model": name} for name in scope.entries),
    reads=(layout.IMAGES, layout.scores_path(ANY_MODEL)),
    options=("seed",),
    make=count_labels,
    doing="Counting",
)


def make(plan: Plan) -> list[str]:
    """Make what is missing of a plan; return its paths."""
    written: list[str] = []
    plan.make(list(plan.artifacts.values()), lambda artifact: written.append(artifact.path))
    return written


def test_a_row_that_is_added_is_made_checked_and_explained_as_the_others_are(copy):
    longer, recipe = TABLE.with_rows((*TABLE.rows, COUNTS)), read_recipe(copy)
    names = [f"models/{layout.slug(model)}/counts.parquet" for model in MODELS]
    plan = plan_of(copy, table=longer)
    assert why(plan, names[0]) == [f"'{names[0]}' is missing: it was not made yet, or it was removed."]
    assert make(plan) == names
    scores = layout.scores_path(MODELS[0])
    counted = {"images": [32], "scores": [len(copy.read_table(scores))], "seed": [0]}
    assert copy.read_table(names[0]).to_dict("list") == counted
    assert make(plan_of(copy, table=longer)) == []
    assert copy.damage() == []

    path = copy.path(names[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert Store(copy.root).damage() == [
        f"'{names[0]}' does not have the checksum of the manifest: it was changed or damaged."
    ]
    path.unlink()
    assert Store(copy.root).damage() == [f"'{names[0]}' is in the manifest but missing."]
    assert make(plan_of(copy, table=longer)) == names[:1]
    assert path.read_bytes() == whole

    seeded = plan_of(copy, replace(recipe, seed=7), table=longer)
    assert why(seeded, names[0]) == [f"'{names[0]}' is made again: seed was 0 and is 7."]
    raised = TABLE.with_rows((*TABLE.rows, replace(COUNTS, revision=2)))
    (reasons,) = why(plan_of(copy, table=raised), names[1])
    assert reasons == f"'{names[1]}' is made again: how it is made changed (revision 1, now 2)."
    entry = copy.entry(scores)
    copy.write_table(scores, copy.read_table(scores).iloc[1:], entry["key"])
    assert why(plan_of(copy, table=longer), names[0]) == [f"'{names[0]}' is made again: '{scores}' changed."]


LEARNED = {layout.predictions_path(ANY_MODEL, name) for name in ("fine", ANY_TASK, CONTENT, OTHER_PROBES)}
SCORED_VIEWS = {layout.scored_views_path(name) for name in (DETECTOR, ANY_MODEL)}
STUDIED = {layout.study_path(ANY_MODEL, study.name) for study in STUDIES if study.series != LAYERS}
OF_STRENGTH = {layout.study_path(ANY_MODEL, study.name) for study in STUDIES if study.series == STRENGTH}

REVISIONS: Mapping[str, tuple[set[str], set[str]]] = {
    "training": (LEARNED, set()),
    "verdicts": ({layout.VERDICT_PHOTOGRAPHS, *SCORED_VIEWS}, set()),
    # The same detector comes out, so that its scores calibrate it as before.
    "detector": ({DETECTOR_FILE}, set()),
    "scoring": ({layout.scores_path(ANY_MODEL)}, set()),
    "studies": (STUDIED, set()),
    # Embeddings are known by their keys, so that what reads them is made again too.
    "strengths": (
        {layout.series_table(STRENGTH), layout.embeddings_folder(ANY_MODEL, STRENGTH)},
        OF_STRENGTH,
    ),
}
"""Name -> paths of the rows that share the revision, and of those that are made again with them."""


@pytest.mark.parametrize("name", REVISIONS)
def test_a_raised_revision_makes_again_what_it_stands_for_and_only_that(made, copy, monkeypatch, name):
    stands_for, beside = REVISIONS[name]
    before = {path: copy.checksum(path) for path in copy.names()}
    rows = [replace(row, revision=row.revision + 1) if row.path in stands_for else row for row in TABLE.rows]
    raised = TABLE.with_rows(rows)
    plan = plan_of(copy, table=raised)
    assert {one.row.path for one in plan.left(plan.artifacts.values())} >= stands_for
    monkeypatch.setattr(stages, "build", lambda scope, table: graph.build(scope, raised))
    written, enter = set(), Manifest.enter

    def watched(self, entries):
        entries = list(entries)
        enter(self, entries)
        written.update(name for name, entry in entries if entry is not None)

    monkeypatch.setattr(Manifest, "enter", watched)
    run(copy.root, made[1])
    plan = plan_of(Store(copy.root), table=raised)
    of_run = {path for path in written if not path.startswith(layout.UNITS)}
    assert {plan.artifact(path).path for path in of_run} == {
        artifact.path for artifact in plan.artifacts.values() if artifact.row.path in stands_for | beside
    }
    assert plan.left(plan.artifacts.values()) == []
    assert {path: plan.files.checksum(path) for path in plan.files.names()} == before

"""The assets of a run: cache keys, assets added by tests, and code versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from probing_core.compute import maps
from probing_core.compute.sampling import series
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.compute.sampling.series import strengths_of
from probing_core.compute.task_names import DETECTOR, LAYERS, OTHER_PROBES, STRENGTH
from probing_core.compute.training import probe_training as train
from probing_core.detector import detector, learning
from probing_core.images import encode_png
from probing_core.measures import classification, statistics
from probing_core.probes import mlp, optimizer
from probing_core.run import embed, evaluate, layout, stages
from probing_core.run.asset_options import SEED
from probing_core.run.assets import AssetGraph, Context, InputFiles, Stage
from probing_core.run.definitions import GRAPH
from probing_core.run.engine import Plan, State
from probing_core.run.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.run.manifest import Manifest
from probing_core.run.options import Options
from probing_core.run.partitions import loaded_models
from probing_core.run.recipe import read_recipe
from probing_core.run.stages import run
from probing_core.run.store import Store
from probing_core.run.studies import STUDIES
from probing_core.run.why import why
from probing_core.transforms import bank
from tests.conftest import in_few_pixels, scene, write_scenes
from tests.plans import plan_of

pytestmark = pytest.mark.slow

MODELS = ("baseline/pixels", "baseline/dhash")
TRANSFORMS = ("identity", "gaussian-noise", "gaussian-blur", "motion-blur")
"""A small selection that includes a complete group and alternative implementations."""

QUICK: Sequence[tuple[Any, str, Any]] = (
    (maps, "umap_points", lambda embeddings, seed: embeddings[:, :2] + seed),
    (classification, "THRESHOLD_RESAMPLES", 20),
    (statistics, "RESAMPLES", 20),
    (train, "MLP_SEEDS", (0,)),
    (mlp, "HIDDEN_UNITS", 8),
    (mlp, "EPOCHS", 2),
    (optimizer, "MAX_ITERATIONS", 4),
    (detector, "DETECTOR_UNITS", 8),
    (detector, "DETECTOR_SEEDS", (0,)),
    (learning, "MIN_BY_PURPOSE", {"learn": 4, "choose": 2}),
    (learning, "CLEAN_VIEWS", 1),
    (learning, "WIDER_CLEAN_VIEWS", 1),
    (learning, "BANK_VIEWS", 2),
    (learning, "ALTERNATIVE_VIEWS", 2),
    (series, "SERIES_IMAGES", 3),
    (series, "RENDERED_IMAGES", 12),
)
"""Module, constant, smaller value: a complete run then takes three seconds. No cache key contains these constants."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, in_few_pixels():
        for module, name, value in QUICK:
            patch.setattr(module, name, value)
        yield


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, str]:
    """Return four corpora: 32 images, 32 different images with the same names, and two corpora to calibrate on."""
    folder = tmp_path_factory.mktemp("corpora")
    scenes, other = write_scenes(folder / "scenes", 32, 56), write_scenes(folder / "other", 32, 56)
    for i, picture in enumerate(sorted(other.rglob("*.png"))):
        picture.write_bytes(encode_png(scene(100 + i, 56)))
    few, fewer = write_scenes(folder / "few", 4, 40), write_scenes(folder / "fewer", 3, 40)
    named = {"scenes": scenes, "other": other, "few": few, "fewer": fewer}
    return {name: f"folder:{path}" for name, path in named.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory, corpora) -> tuple[Store, Options]:
    """Return a complete run with a detector and verdicts."""
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
    return {plan.state(partition) for partition in plan.partitions.values()}


@pytest.fixture
def copy(made, tmp_path) -> Store:
    return Store(shutil.copytree(made[0].root, tmp_path / "copy"))


def test_every_study_has_a_table_of_all_models():
    assert [study.table.path for study in STUDIES] == [layout.table_path(study.name) for study in STUDIES]


def test_run_contains_every_asset_except_layers_and_claims(made):
    assert states(made[0]) == {State.MATERIALIZED}
    plan = plan_of(made[0])
    missing = {asset.path for asset in GRAPH.assets} - {one.asset.path for one in plan.partitions.values()}
    names = [study.name for study in STUDIES if study.series == LAYERS]
    of_layers = {
        layout.series_table(LAYERS),
        layout.embeddings_folder(ANY_MODEL, LAYERS),
        *(layout.study_path(ANY_MODEL, name) for name in names),
        *(layout.table_path(name) for name in names),
    }
    assert missing == of_layers | {layout.CLAIMS}


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
"""Name of a change -> function that changes the options, and a file whose bytes then differ."""


@pytest.mark.parametrize("change", CHANGES)
def test_key_differs_between_two_runs_if_the_bytes_of_a_file_differ(made, corpora, tmp_path, change):
    # Both runs are computed from scratch, so neither reuses files of the other one.
    before, options = made
    changed, another = CHANGES[change]
    run(tmp_path / "run", changed(options, corpora))
    after = Store(tmp_path / "run")
    there, here = before.entries(""), after.entries("")
    differ = {name for name in there.keys() & here.keys() if there[name]["sha256"] != here[name]["sha256"]}
    assert another in differ
    assert {name for name in differ if there[name]["key"] == here[name]["key"]} == set()


def test_thresholds_depend_on_every_field_of_transformations_that_they_read():
    # The option `CLASSES` has none of these fields; see its docstring.
    (rows,) = [study.rows for study in STUDIES if study.name == "thresholds"]
    assert embed.strength_embeddings in rows.dependencies
    assert embed.strength_embeddings.identified_by_key
    assert {"transforms", "strengths"} <= {option.name for option in embed.strength_embeddings.options}
    for one in bank()[1:]:
        middle = (one.weakest + one.strongest) / 2
        changes: list[dict[str, Any]] = [{"weakest": middle}, {"strongest": middle}]
        changes += [{"distribution": other} for other in ("linear", "log", "integer") if other != one.distribution]
        if one.neutral is not None:
            changes += [{"neutral": None}, {"neutral": 2 * one.neutral - one.weakest}]
        for change in changes:
            changed = replace(one, **change)
            assert changed.key != one.key or strengths_of(changed) != strengths_of(one), (one.name, change)


counting = Stage("evaluate")


@counting.asset(
    "models/{model}/counts.parquet",
    partitions=loaded_models,
    dependencies=(embed.images, evaluate.model_scores),
    options=(SEED,),
    message="Counting",
)
def counts(files: InputFiles, context: Context) -> pd.DataFrame:
    """Count images and scores."""
    scores = files.read_table(layout.scores_path(context.model))
    images = files.table(layout.IMAGES)
    return pd.DataFrame([{"images": len(images), "scores": len(scores), "seed": context.options["seed"]}])


def materialize(plan: Plan) -> list[str]:
    """Materialize the missing partitions of a plan; return their paths."""
    written: list[str] = []
    plan.materialize(list(plan.partitions.values()), lambda partition: written.append(partition.path))
    return written


def test_added_asset_is_computed_verified_and_explained(copy):
    longer, recipe = AssetGraph((*GRAPH.assets, counts)), read_recipe(copy)
    names = [f"models/{layout.slug(model)}/counts.parquet" for model in MODELS]
    plan = plan_of(copy, graph=longer)
    assert why(plan, names[0]) == [f"'{names[0]}' is missing: it has not been computed yet, or it was removed."]
    assert materialize(plan) == names
    scores = layout.scores_path(MODELS[0])
    counted = {"images": [32], "scores": [len(copy.read_table(scores))], "seed": [0]}
    assert copy.read_table(names[0]).to_dict("list") == counted
    assert materialize(plan_of(copy, graph=longer)) == []
    assert copy.damage() == []

    path = copy.path(names[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert Store(copy.root).damage() == [
        f"'{names[0]}' does not match its checksum in the manifest; it was modified or corrupted."
    ]
    path.unlink()
    assert Store(copy.root).damage() == [f"'{names[0]}' is in the manifest but missing."]
    assert materialize(plan_of(copy, graph=longer)) == names[:1]
    assert path.read_bytes() == whole

    seeded = plan_of(copy, replace(recipe, seed=7), graph=longer)
    assert why(seeded, names[0]) == [f"'{names[0]}' is stale: seed changed from 0 to 7."]
    raised = longer.replacing(replace(counts, code_version=2))
    (reasons,) = why(plan_of(copy, graph=raised), names[1])
    assert reasons == f"'{names[1]}' is stale: code version changed from 1 to 2."
    entry = copy.entry(scores)
    copy.write_table(scores, copy.read_table(scores).iloc[1:], entry["key"])
    assert why(plan_of(copy, graph=longer), names[0]) == [f"'{names[0]}' is stale: '{scores}' changed."]


LEARNED = {layout.predictions_path(ANY_MODEL, name) for name in ("fine", ANY_TASK, CONTENT, OTHER_PROBES)}
SCORED_VIEWS = {layout.scored_views_path(name) for name in (DETECTOR, ANY_MODEL)}
STUDIED = {layout.study_path(ANY_MODEL, study.name) for study in STUDIES if study.series != LAYERS}
OF_STRENGTH = {layout.study_path(ANY_MODEL, study.name) for study in STUDIES if study.series == STRENGTH}

CODE_VERSIONS: Mapping[str, tuple[set[str], set[str]]] = {
    "training": (LEARNED, set()),
    "verdicts": ({layout.VERDICT_PHOTOGRAPHS, *SCORED_VIEWS}, set()),
    # The new detector is the same, so its scores calibrate it as before.
    "detector": ({DETECTOR_FILE}, set()),
    "scoring": ({layout.scores_path(ANY_MODEL)}, set()),
    "studies": (STUDIED, set()),
    # Embeddings are identified by their cache keys, so their dependents are recomputed too.
    "strengths": (
        {layout.series_table(STRENGTH), layout.embeddings_folder(ANY_MODEL, STRENGTH)},
        OF_STRENGTH,
    ),
}
"""Name -> paths of the assets whose code version is raised, and of those that are recomputed with them."""


@pytest.mark.parametrize("name", CODE_VERSIONS)
def test_raised_code_version_recomputes_its_assets_alone(made, copy, monkeypatch, name):
    stands_for, others = CODE_VERSIONS[name]
    before = {path: copy.checksum(path) for path in copy.names()}
    raised = GRAPH.replacing(*(replace(one, code_version=one.code_version + 1) for one in map(GRAPH.asset, stands_for)))
    plan = plan_of(copy, graph=raised)
    assert {one.asset.path for one in plan.pending(plan.partitions.values())} >= stands_for
    written, enter = set(), Manifest.enter

    def watched(self, entries):
        entries = list(entries)
        enter(self, entries)
        written.update(name for name, entry in entries if entry is not None)

    monkeypatch.setattr(Manifest, "enter", watched)
    stages.run(copy.root, made[1], graph=raised)
    plan = plan_of(Store(copy.root), graph=raised)
    of_run = {path for path in written if not path.startswith(layout.UNITS)}
    assert {plan.partition(path).path for path in of_run} == {
        one.path for one in plan.partitions.values() if one.asset.path in stands_for | others
    }
    assert plan.pending(plan.partitions.values()) == []
    assert {path: plan.store.checksum(path) for path in plan.store.names()} == before

"""Runs from top to bottom: inputs of all steps, killed processes, and what is computed again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from probing_core.compute import maps
from probing_core.compute.sampling import series
from probing_core.compute.task_names import LAYERS, MAIN, STRENGTH
from probing_core.compute.training import other_probes
from probing_core.detector import detector, learning
from probing_core.errors import BadConfig, BadRun
from probing_core.measures import classification, statistics
from probing_core.probes import mlp, optimizer
from probing_core.run import calibrate, directory, embed, evaluate, pipeline, project, studies
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import embeddings_folder, is_embeddings_step, map_path, probe_path, record_path
from probing_core.run.options import STAGES, Options
from probing_core.run.pipeline import complete_with, run, score_model
from probing_core.run.progress import SILENT
from probing_core.run.recipe import read_recipe
from probing_core.run.run_files import RECIPE_STEP, Record, RunFiles
from probing_core.run.setup import Corpora
from probing_core.run.work import Work, samples_step
from tests.conftest import in_few_pixels, write_scenes
from tests.plans import pending

pytestmark = pytest.mark.slow

MODELS = ("baseline/pixels", "baseline/random-vit")
"""A model without layers, and a network."""

TRANSFORMS = ("identity", "gaussian-noise", "gaussian-blur", "motion-blur")
"""A small selection that includes a complete group and alternative implementations."""

QUICK: Sequence[tuple[Any, str, Any]] = (
    (maps, "umap_points", lambda embeddings, seed: embeddings[:, :2] + seed),
    (classification, "THRESHOLD_RESAMPLES", 20),
    (statistics, "RESAMPLES", 20),
    (other_probes, "MLP_SEEDS", (0,)),
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
    (series, "LAYER_IMAGES", {"train": 12, "val": 3, "test": 4}),
    (project, "maps_at_once", lambda samples, dim, jobs: 1),
)
"""Module, constant, smaller value: a complete run then takes a few seconds. No key contains these constants."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, in_few_pixels():
        for module, name, value in QUICK:
            patch.setattr(module, name, value)
        yield


def contents(root: Path) -> dict[str, bytes]:
    """Return the content of all files but the log, by path."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    named = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in named.items() if not name.startswith("log/")}


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


# Inputs


@dataclass
class Recorder:
    """Files that are read while steps are computed.

    Attributes:
        entered: steps during which reading was recorded.
        reads: pairs of steps and a file. Several steps are computed at once from the samples of an experiment.
    """

    entered: set[str] = field(default_factory=set)
    reads: set[tuple[frozenset[str], str]] = field(default_factory=set)
    current: frozenset[str] = frozenset()

    @contextmanager
    def computing(self, *steps: str) -> Iterator[None]:
        before, self.current = self.current, frozenset(steps)
        self.entered |= self.current
        try:
            yield
        finally:
            self.current = before

    def undeclared(self, run: RunFiles) -> set[tuple[str, str]]:
        """Return steps and files that they read although they do not have the key of the file's step as an input."""
        found = set()
        for steps, path in self.reads:
            owner = run.step_of(path)
            if owner is None and path.startswith("units/"):
                owner = next((step for step in steps if run.key(step) == path.split("/")[1]), None)
            inputs = [run.records[step].inputs for step in steps]
            is_declared = owner is not None and any(each.get(owner) == run.key(owner) for each in inputs)
            if owner not in steps and not is_declared:
                found.add((min(steps), path))
        return found


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record which files are read by which steps, in this process."""
    recorder = Recorder()

    def watch_reads(read: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: RunFiles, name: str, *arguments: Any) -> Any:
            if recorder.current:
                recorder.reads.add((recorder.current, name))
            return read(self, name, *arguments)

        return watched

    def during(function: Callable[..., Any], steps: Callable[..., Sequence[str]]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            with recorder.computing(*steps(*arguments, **options)):
                return function(*arguments, **options)

        return watched

    step, work_step = RunDirectory.step, Work.step

    def watched_step(self: RunDirectory, name: str, inputs: Any, compute: Callable[[], Any]) -> None:
        step(self, name, inputs, during(compute, lambda: [name]))

    def watched_work_step(
        self: Work, stage: str, name: str, inputs: Any, message: str, compute: Callable[[], Any], model: str = ""
    ) -> None:
        work_step(self, stage, name, inputs, message, during(compute, lambda: [name]), model)

    def one_by_one(work: Work, model: str) -> None:  # studies of one call share what they have read
        for study in studies.STUDIES:
            studies.compute_studies(work, model, [study.name])

    def scored(work: Work, planned: Any, missing: Mapping[int, list[str]], units: Any) -> list[str]:
        return [calibrate.views_step(name) for names in missing.values() for name in names]

    watched = [
        (RunFiles, "path", watch_reads(RunFiles.path)),
        (RunFiles, "table", watch_reads(RunFiles.table)),
        (RunDirectory, "step", watched_step),
        (Work, "step", watched_work_step),
        (
            embed,
            "_compute",
            during(embed._compute, lambda work, executor, of, steps, requests: [s.name for s in steps]),
        ),
        (project, "_compute", during(project._compute, lambda root, projection: [projection.step])),
        (calibrate, "learn_detector", during(calibrate.learn_detector, lambda *_: [calibrate.DETECTOR_STEP])),
        (calibrate, "_score_missing", during(calibrate._score_missing, scored)),
        (calibrate, "_predictor", during(calibrate._predictor, lambda work, name, _: [calibrate.views_step(name)])),
        (pipeline, "compute_studies", one_by_one),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, function in watched:
            patch.setattr(owner, name, function)
        yield recorder


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("corpora")
    named = {
        "scenes": write_scenes(folder / "scenes", 32, 56),
        "few": write_scenes(folder / "few", 4, 40),
        "tiny": write_scenes(folder / "tiny", 6, 48),
    }
    return {name: f"folder:{path}" for name, path in named.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory, corpora) -> tuple[Path, Options, Recorder]:
    """Return a complete run with splits, all experiments, studies, maps and a detector, and what its steps read."""
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
    with recording() as recorder:
        run(out, options)
    return out, options, recorder


def test_run_has_steps_of_every_kind(made):
    steps = RunFiles(made[0]).records.keys()
    expected = {samples_step(name) for name in (MAIN, STRENGTH, LAYERS, "rendering", "framing")}
    expected |= {f"tables/{study.name}" for study in studies.STUDIES} | {"tables/scores", "tables/fits", "tables/quick"}
    expected |= {calibrate.DETECTOR_STEP, *map(calibrate.views_step, MODELS)}
    expected |= {map_path(model).removesuffix(".parquet") for model in MODELS}
    assert steps >= expected


def test_steps_read_only_files_of_their_inputs(made):
    root, _, recorder = made
    run = RunFiles(root)
    assert recorder.entered == run.records.keys() - {RECIPE_STEP}
    assert len({path for _, path in recorder.reads}) > 50
    assert recorder.undeclared(run) == set()


def test_missing_input_is_noticed(made, tmp_path, monkeypatch):
    # Proves that the previous test can fail.
    run = RunDirectory(shutil.copytree(made[0], tmp_path / "run"))
    work, keys = Work(run, read_recipe(run)), RunDirectory.keys

    def without_samples(self: RunDirectory, *steps: str) -> dict[str, str]:
        return keys(self, *(step for step in steps if step != samples_step(MAIN)))

    monkeypatch.setattr(RunDirectory, "keys", without_samples)
    with recording() as recorder:
        evaluate.score(work, MODELS[0])
    step = evaluate.scores_step(MODELS[0])
    assert recorder.undeclared(run) == {(step, "samples.parquet")}


# Code versions and damage


@contextmanager
def computed_steps() -> Iterator[list[str]]:
    """Return a context manager that provides the names of the steps that are computed."""
    names: list[str] = []
    finish = RunDirectory.finish

    def noted(self: RunDirectory, step: str, *arguments: Any) -> None:
        names.append(step)
        finish(self, step, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "finish", noted)
        yield names


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "copy"))


def test_run_that_is_complete_computes_nothing(made, copy):
    before = contents(copy)
    assert pending(copy) == []
    with computed_steps() as names:
        run(copy, made[1])
    assert names == []
    assert contents(copy) == before


def test_raised_code_version_recomputes_the_study_and_its_table(made, copy, monkeypatch):
    (i,) = [i for i, study in enumerate(studies.STUDIES) if study.name == "strength"]
    raised = replace(studies.STUDIES[i], code_version=studies.STUDIES[i].code_version + 1)
    monkeypatch.setattr(studies, "STUDIES", [*studies.STUDIES[:i], raised, *studies.STUDIES[i + 1 :]])
    expected = [*(studies.study_step(model, "strength") for model in MODELS), "tables/strength"]
    before = RunFiles(copy)
    assert sorted(pending(copy)) == sorted(expected)
    with computed_steps() as names:
        run(copy, made[1])
    assert sorted(names) == sorted(expected)
    assert pending(copy) == []
    after = RunFiles(copy)
    assert {name: after.checksum(name) for name in after.names()} == {n: before.checksum(n) for n in before.names()}


def test_corrupted_files_are_recomputed_by_their_steps_alone(made, copy):
    before = contents(copy)
    run_files = RunFiles(copy)
    shard = run_files.names(embeddings_folder(MODELS[0]))[0]
    damaged = [
        shard,
        probe_path(MODELS[0], "fine"),
        map_path(MODELS[1]),
        "tables/fits.parquet",
        "series/strength.parquet",
    ]
    steps = {run_files.step_of(name) for name in damaged} | {"tables/quick"}
    for name in damaged[:-1]:
        flip_last_byte(copy / name)
    (copy / damaged[-1]).unlink()
    (copy / record_path("tables/quick")).write_bytes(b"{")
    with computed_steps() as names:
        run(copy, made[1])
    assert sorted(names) == sorted(steps)
    assert contents(copy) == before


def test_unknown_stage_is_refused_before_anything_is_written(made, tmp_path):
    with pytest.raises(BadConfig, match=f"'training' is not a known stage.*{', '.join(STAGES)}"):
        run(tmp_path / "run", made[1], until="training")
    assert not (tmp_path / "run").exists()


def test_published_run_is_refused_in_one_sentence(made, copy):
    for step, record in RunFiles(copy).records.items():
        if is_embeddings_step(step):
            shutil.rmtree(copy / f"{step}/")
            published = Record(step, record.key, record.inputs, {})
            (copy / record_path(step)).write_bytes(published.to_json())
    before = contents(copy)
    with pytest.raises(BadRun, match="was published without its embeddings"):
        run(copy, made[1])
    assert contents(copy) == before


# Kills


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed_after(count: int) -> Iterator[None]:
    """Let the process change ``count`` files or folders of runs, and no more."""
    left = [count]

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            is_counted = "log" not in path.parts[-2:-1] and path.exists()
            if left[0] == 0:
                raise Killed  # whatever ``finally`` clauses would still do
            result = operation(path, *arguments, **options)
            left[0] -= is_counted
            if left[0] == 0:
                raise Killed
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        patch.setattr(shutil, "rmtree", dying(shutil.rmtree))
        patch.setattr(directory, "link_or_copy", dying(directory.link_or_copy))
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, corpora) -> tuple[Path, Options]:
    """Return a complete run without splits that takes less than a second."""
    options = Options(
        corpus=corpora["tiny"],
        view=32,
        transforms=("identity", "brighten"),
        models=("baseline/pixels",),
        device="cpu",
        precision="float32",
    )
    out = tmp_path_factory.mktemp("tiny") / "run"
    run(out, options)
    return out, options


def plain(tiny: tuple[Path, Options], out: Path) -> None:
    run(out, tiny[1])


def based(tiny: tuple[Path, Options], out: Path) -> None:
    run(out, replace(tiny[1], base=str(tiny[0]), models=("baseline/dhash",)))


def scored(tiny: tuple[Path, Options], out: Path) -> None:
    recipe = read_recipe(RunFiles(tiny[0]))
    work = Work(RunDirectory(out), recipe, tiny[1], SILENT, Corpora(recipe), (MAIN,))
    complete_with(partial(score_model, studies=False, maps=True), work)


@pytest.mark.parametrize(("first", "more"), [(1, 8), (5, 13)])
@pytest.mark.parametrize("start", [plain, based, scored])
def test_run_that_is_killed_again_and_again_resumes_to_the_same_bytes(tiny, tmp_path, start, first, more):
    start(tiny, tmp_path / "whole")
    expected, operations, kills = contents(tmp_path / "whole"), first, 0
    while True:
        try:
            with killed_after(operations):
                start(tiny, tmp_path / "killed")
            break
        except Killed:
            operations, kills = operations + more, kills + 1
    assert kills > 1
    assert contents(tmp_path / "killed") == expected

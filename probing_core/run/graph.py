"""One row for each kind of file that a run can hold: its path, over what it is repeated (models, tasks), what it is
made from, and its maker; and the values of the options that rows name.

Another file of a run is a row here and a function in `probing_core.run.makers`; studies bring their own rows. Raise
the revision of a row where its bytes change though its inputs do not: it enters the key, as the package's version does
not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from probing_core.compute.claim_tests import FINE
from probing_core.compute.claims import GROUP_TASKS, described, models_of_claims
from probing_core.compute.maps import LANDMARKS, NEIGHBORS
from probing_core.compute.model_samples import most_to_learn
from probing_core.compute.names import (
    DEPLOYMENT,
    DONE,
    EVERYTHING,
    LAYERS,
    MAIN,
    ORACLE,
    OTHER_PROBES,
    RENDERING,
    STRENGTH,
)
from probing_core.compute.scores import UNSCORED
from probing_core.compute.series import strengths_of, swept
from probing_core.compute.studies import STUDIES
from probing_core.compute.studies.data import FIT_IMAGES, PENALTIES, STUDY_IMAGES
from probing_core.compute.tasks import CONTENT
from probing_core.compute.train import train_content, train_others
from probing_core.measures import MEASURES
from probing_core.measures.statistics import with_place
from probing_core.run import layout
from probing_core.run.engine import Binding, Given, Option, Plan, Reads, Row, Table
from probing_core.run.layout import ANY_MODEL, ANY_TASK, DETECTOR_FILE
from probing_core.run.makers import (
    DETECTOR_VIEWS,
    LIVE,
    choose_images_of,
    choose_verdict_photographs,
    decide_claims,
    draw,
    embed_units,
    join,
    join_fits,
    learn_detector_of,
    make_study,
    measure_for_detector,
    score,
    score_views,
    train,
    train_task,
)
from probing_core.run.models import embeds_pictures
from probing_core.run.options import EMBED, EVALUATE, PROJECT, TRAIN
from probing_core.run.scope import Scope
from probing_core.transforms.base import Transform

ONE: Sequence[Binding] = ({},)


def _models(scope: Scope, series: str = "") -> Sequence[Binding]:
    return [{"model": name} for name in scope.entries if scope.covers(name, series)]


def _series(scope: Scope, series: str) -> Sequence[Binding]:
    there = series in scope.sample_sets and (series != LAYERS or _models(scope, series))
    return ONE if there else ()


def _units(scope: Scope, binding: Binding, series: str) -> int:
    return len(scope.sample_sets[series].units)


def _verdict_models(scope: Scope) -> Iterable[Binding]:
    if not scope.recipe.calibrate_on or not scope.sample_sets:
        return ()
    own = set(scope.files.own_names())
    paths = {name: layout.model_path(name) for name, entry in scope.entries.items() if embeds_pictures(entry)}
    # Files of a run that is only read are as they are; what is in none yet, is foreseen.
    return ({"model": name} for name, path in paths.items() if path in own or not scope.files.has(path))


def _studied(scope: Scope, study: str) -> Sequence[Binding]:
    return [{"model": model} for model in scope.studies.get(study, ())]


def _any_studied(scope: Scope, study: str) -> Sequence[Binding]:
    return ONE if scope.studies.get(study) else ()


EACH: Mapping[str, Callable[[Scope], Iterable[Binding]]] = {
    "model": lambda s: [{"model": name} for name in s.entries],
    # all but repeated trainings of another one
    "mapped": lambda s: [{"model": name} for name in with_place(s.entries) if s.covers(name, "")],
    "group": lambda s: [{**one, "task": task} for one in _models(s) for task in s.tasks if task in GROUP_TASKS],
    "content": lambda s: [one for one in _models(s) if CONTENT in s.tasks],
    "split": lambda s: [one for one in _models(s) if s.has_splits],
    "any": lambda s: ONE if _models(s) else (),
    "calibrated": lambda s: ONE if s.recipe.calibrate_on else (),
    "claimed": lambda s: ONE if s.has_splits and models_of_claims(list(s.entries)) else (),
}
"""Over what a row is repeated, or in which runs it is."""


def _transforms(scope: Scope, binding: Binding) -> Sequence[Transform]:
    return scope.transforms


def _train_samples(scope: Scope, binding: Binding) -> int | None:
    """Return how many samples a probe learns from, where memory holds fewer than there are."""
    most = most_to_learn(scope.entries[binding["model"]]["dim"])
    return most if most < len(scope.sample_sets[""]) else None


def _calibrating(scope: Scope, binding: Binding) -> list[str]:
    """Return the fingerprints of the corpora of ``--calibrate-on``, marked where photographs are identified within
    their corpus alone."""
    named = zip(scope.recipe.calibrate_on, scope.recipe.calibrate_fingerprints, strict=True)
    has_global_ids = ("parquet", "reference")
    return [digest if name.partition(":")[0] in has_global_ids else f"{digest} own ids" for name, digest in named]


OPTIONS: Mapping[str, Option] = {
    "fingerprint": Option(lambda s, b: s.recipe.fingerprint, given=lambda s, b: s.corpora),
    "view": Option(lambda s, b: s.recipe.view),
    "limit": Option(lambda s, b: s.recipe.limit),
    "seed": Option(lambda s, b: s.recipe.seed),
    "repetitions": Option(lambda s, b: s.recipe.repetitions),
    "warps": Option(lambda s, b: any(t.warp is not None for t in s.transforms), given=_transforms),
    "transforms": Option(
        lambda s, b: {"order": ",".join(s.recipe.transforms)} | {t.name: t.key for t in s.transforms},
        given=_transforms,
    ),
    "alternatives": Option(lambda s, b: {t.name: t.alternative_key for t in s.transforms if not t.far}),
    "classes": Option(lambda s, b: [[t.name, t.group, t.far, t.unseen_in] for t in s.transforms], given=_transforms),
    "strengths": Option(lambda s, b: {t.name: strengths_of(t) for t in swept(s.design)}),
    "train_samples": Option(_train_samples),
    "calibrate_on": Option(_calibrating),
    "unscored": Option(lambda s, b: list(UNSCORED.get(s.entries[b["model"]]["objective"], ()))),
    "measures": Option(lambda s, b: [measure.name for measure in MEASURES if measure.score is not None]),
    "studies": Option(lambda s, b: [STUDY_IMAGES, FIT_IMAGES, list(PENALTIES)]),
    "models": Option(lambda s, b: list(s.entries)),
    "map": Option(lambda s, b: [NEIGHBORS, LANDMARKS]),
    "claims": Option(lambda s, b: described(list(s.entries)), given=lambda s, b: list(s.entries)),
}
"""What rows depend on in addition to files. The recipe alone decides it, except for ``train_samples``, which memory may
decide, and ``models``, ``unscored`` and ``claims``, which the models decide."""


MODEL = layout.model_path(ANY_MODEL)
EMBEDDINGS = layout.embeddings_folder(ANY_MODEL)
VIEWS = layout.scored_views_path(ANY_MODEL)
SCORES_OF_MODEL = layout.scores_path(ANY_MODEL)

_probe = partial(layout.probe_path, ANY_MODEL)
_predictions = partial(layout.predictions_path, ANY_MODEL)
_fits = partial(layout.fits_path, ANY_MODEL)
_folder = partial(layout.embeddings_folder, ANY_MODEL)


PROBED = (layout.SAMPLES, layout.IMAGES, EMBEDDINGS)
VERSIONS = ("fingerprint", "transforms", "view", "seed")
LEARNING = ("classes", "seed", "train_samples")
VERDICT_OPTIONS = (*VERSIONS, "calibrate_on", "alternatives")


def _embed_rows() -> Iterator[Row]:
    yield Row(
        path=layout.IMAGES,
        holds="one row an image that the run considered",
        stage=EMBED,
        options=("fingerprint", "view", "limit", "seed", "warps"),
        revision=2,
        make=choose_images_of,
        doing="Reading images",
    )
    yield Row(
        path=MODEL,
        holds="name, family, objective, dimension and recipe of a model",
        each=EACH["model"],
        by_key=True,
    )
    of_series = "one row a sample of a series: "
    for name, holds, options, revision in (
        (MAIN, "one row a transformed image", ("repetitions",), 2),
        (STRENGTH, f"{of_series}tested images under every transformation at seven strengths", ("strengths",), 2),
        (RENDERING, f"{of_series}images of every split as other programs alter them", ("alternatives",), 4),
        (LAYERS, f"{of_series}images of every split, of which every block of a network is embedded", (), 1),
    ):
        shared: dict[str, Any] = {
            "stage": EMBED,
            "options": (*VERSIONS, *options),
            "revision": revision,
            "units": partial(embed_units, series=name),
        }
        yield Row(
            path=layout.series_table(name),
            holds=holds,
            each=partial(_series, series=name),
            reads=(layout.IMAGES,),
            **shared,
        )
        yield Row(
            path=_folder(name),
            holds="embeddings of these samples"
            if name
            else "embeddings of the samples, in files of about 64 MiB that are named by their first and last unit",
            each=partial(_models, series=name),
            reads=(layout.IMAGES, MODEL),
            count=partial(_units, series=name),
            by_key=True,
            **shared,
        )


def _train_rows() -> Iterator[Row]:
    shared: dict[str, Any] = {
        "stage": TRAIN,
        "revision": 8,
        "doing": "Training probes of {model}",
    }
    rendered = (layout.series_table(RENDERING), _folder(RENDERING))
    for task, each, live, further in ((FINE, _models, LIVE, rendered), (ANY_TASK, EACH["group"], (), ())):
        yield Row(
            path=_predictions(task),
            holds="predictions of tested samples by a linear probe",
            each=each,
            reads=(*PROBED, *further),
            options=LEARNING,
            beside=(_fits(task), *(_probe(name) for name in (task, *live))),
            make=train_task,
            **shared,
        )
    yield Row(
        path=_predictions(CONTENT),
        holds="predictions of what is in the picture, by probes that learned from untouched images and from images "
        "that were transformed alike",
        each=EACH["content"],
        reads=PROBED,
        options=LEARNING,
        beside=(_fits(CONTENT), _predictions(ORACLE), _probe(CONTENT)),
        make=partial(train, name=CONTENT, fit=train_content),
        **shared,
    )
    yield Row(
        path=_predictions(OTHER_PROBES),
        holds="predictions of the fine task by the other probes",
        each=EACH["split"],
        reads=PROBED,
        options=LEARNING,
        beside=(_fits(OTHER_PROBES),),
        make=partial(train, name=OTHER_PROBES, fit=train_others),
        **shared,
    )


def _verdict_rows() -> Iterator[Row]:
    shared: dict[str, Any] = {"stage": TRAIN, "revision": 4}
    yield Row(
        path=layout.VERDICT_PHOTOGRAPHS,
        holds="photographs that the detector learns from, and that calibrate verdicts and report on them",
        each=EACH["calibrated"],
        reads=(layout.IMAGES,),
        options=VERDICT_OPTIONS,
        make=choose_verdict_photographs,
        doing="Choosing photographs for verdicts",
        **shared,
    )
    yield Row(
        path=DETECTOR_FILE,
        holds="the detector of alterations",
        stage=TRAIN,
        each=EACH["calibrated"],
        reads=(layout.VERDICT_PHOTOGRAPHS,),
        options=VERDICT_OPTIONS,
        revision=3,
        units=measure_for_detector,
        make=learn_detector_of,
        doing="Measuring views for the detector of alterations",
    )
    yield Row(
        path=DETECTOR_VIEWS,
        holds="scores of the detector on views that calibrate verdicts and report on them",
        each=EACH["calibrated"],
        reads=(layout.VERDICT_PHOTOGRAPHS, DETECTOR_FILE),
        options=VERDICT_OPTIONS,
        units=score_views,
        doing="Scoring photographs for verdicts",
        **shared,
    )
    yield Row(
        path=VIEWS,
        holds="scores of a model on the same views, which calibrate its answers",
        each=_verdict_models,
        reads=(layout.VERDICT_PHOTOGRAPHS, MODEL, _probe(DEPLOYMENT)),
        options=VERDICT_OPTIONS,
        units=score_views,
        **shared,
    )


def _score_rows() -> Iterator[Row]:
    tasks = (FINE, ANY_TASK, CONTENT)
    predictions = tuple(_predictions(name) for name in (*tasks, ORACLE, OTHER_PROBES))
    fits = tuple(_fits(name) for name in (*tasks, OTHER_PROBES))
    yield Row(
        path=SCORES_OF_MODEL,
        holds="every score of a model",
        each=_models,
        reads=(layout.SAMPLES, layout.IMAGES, *predictions, *fits, *(_probe(name) for name in (FINE, ANY_TASK))),
        options=("classes", "measures", "unscored"),
        revision=7,
        make=score,
        doing="Scoring {model}",
        stage=EVALUATE,
    )
    yield _joined(layout.SCORES, "the scores of all models", EACH["any"], (SCORES_OF_MODEL,))
    yield _joined(layout.FITS, "one row a fitted probe, of all models", EACH["any"], fits, join_fits)


def _joined(
    path: str,
    holds: str,
    each: Callable[[Scope], Iterable[Binding]],
    reads: Sequence[str],
    make: Callable[[Reads, Given], Any] = join,
) -> Row:
    about: dict[str, Any] = {"stage": EVALUATE, "options": ("models",), "doing": "Joining tables"}
    return Row(path=path, holds=holds, each=each, reads=reads, make=make, **about)


def _study_rows() -> Iterator[Row]:
    for study in STUDIES:
        series = (layout.series_table(study.series), _folder(study.series)) if study.series else ()
        yield Row(
            path=layout.study_path(ANY_MODEL, study.name),
            holds="the rows of a model of the table of the same name",
            each=partial(_studied, study=study.name),
            reads=(*PROBED, *series, *((_probe(FINE),) if study.probe else ())),
            options=("classes", "seed", "studies"),
            revision=4 + study.revision,  # of all studies, and of this one
            group="studies",
            make=partial(make_study, study=study),
            doing=f"{study.name.capitalize()} of {{model}}",
            stage=EVALUATE,
        )
    for study in STUDIES:
        reads = (layout.study_path(ANY_MODEL, study.name),)
        each = partial(_any_studied, study=study.name)
        yield _joined(layout.table_path(study.name), f"the study of {study.name}, of all models", each, reads)


def _claim_rows() -> Iterator[Row]:
    yield Row(
        path=layout.CLAIMS,
        holds="results of the claims, with the roles that were tested, their contrasts and the ablations",
        each=EACH["claimed"],
        reads=(layout.SAMPLES, *map(_predictions, (FINE, ANY_TASK, CONTENT))),
        options=("classes", "claims"),
        revision=10,
        beside=(layout.ROLES, layout.CONTRASTS, layout.ABLATIONS),
        make=decide_claims,
        doing="Testing claims",
        stage=EVALUATE,
    )


def _map_rows() -> Iterator[Row]:
    shared: dict[str, Any] = {"stage": PROJECT, "each": EACH["mapped"], "reads": PROBED, "units": draw}
    embeddings = {
        DONE: "what was done to each picture: embeddings less the mean of the versions of each image",
        EVERYTHING: "the embeddings themselves",
    }
    for reading, of in embeddings.items():
        yield Row(
            path=layout.map_path(ANY_MODEL, reading),
            holds=f"`sample`, `x`, `y`: UMAP coordinates of the tested samples, by {of}",
            options=("seed", "map"),
            revision=3,
            doing="Drawing the map of {model}",
            **shared,
        )
        yield Row(
            path=layout.neighbors_path(ANY_MODEL, reading),
            holds="`sample`, `among`, `near_1` to `near_5`: the nearest tested samples of other photographs, by "
            f"{of}; numbers of rows of this table, counted from 0, the largest number of the type for none. `among` "
            "is -1, or 0 in further rows of the first repetition, of neighbors within it",
            options=("classes", "map"),
            doing="Finding neighbors of {model}",
            **shared,
        )


TABLE = Table(
    (
        Row(path=layout.RECIPE, holds="`format` and the recipe"),
        *_embed_rows(),
        *_train_rows(),
        *_verdict_rows(),
        *_score_rows(),
        *_study_rows(),
        *_claim_rows(),
        *_map_rows(),
    ),
    OPTIONS,
)


def build(scope: Scope, table: Table = TABLE) -> Plan:
    """Return the plan of a run as far as it is known: before its images are chosen, these alone; then what is made of
    them; and what is made with a model after that was loaded."""
    return Plan(table, scope, scope.files, _in_path, scope.means)


def _in_path(name: str, value: str) -> str:
    return layout.slug(value) if name == "model" else value

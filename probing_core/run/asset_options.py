"""Options on which assets depend in addition to files.

The value of an option is part of the cache key of each asset that depends on it. The function of the asset receives the
value, or the object that the value describes (`corpora_of`, `transforms_of`). Values are determined by the recipe and
the code. `TRAIN_SAMPLES`, `MODELS`, `UNSCORED` and `CLAIMS` also depend on the loaded models, and `TRAIN_SAMPLES` also
depends on the size of the machine's memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from probing_core.compute.evaluation.claims import described
from probing_core.compute.evaluation.score_rows import UNSCORED_BY_OBJECTIVE
from probing_core.compute.maps import LANDMARKS, MAP_NEIGHBORS
from probing_core.compute.sampling.samples import Design
from probing_core.compute.sampling.series import strengths_of, swept
from probing_core.compute.studies.study_data import FIT_IMAGES, PENALTIES, STUDY_IMAGES
from probing_core.compute.training.model_samples import most_to_learn
from probing_core.measures import MEASURES as ALL_MEASURES
from probing_core.run.assets import Context, Option, PartitionKey
from probing_core.run.setup import Corpora
from probing_core.run.snapshot import RunSnapshot
from probing_core.transforms.transformation import Transform


def _transforms(run: RunSnapshot, key: PartitionKey) -> Sequence[Transform]:
    return run.transforms


def _train_samples(run: RunSnapshot, key: PartitionKey) -> int | None:
    """Return the maximum number of training samples for a probe, or None if all samples fit into memory."""
    max_samples = most_to_learn(run.models[key["model"]]["dim"])
    return max_samples if max_samples < len(run.sample_sets[""]) else None


def _calibrating(run: RunSnapshot, key: PartitionKey) -> list[str]:
    """Return the fingerprints of the calibration corpora.

    The suffix " own ids" marks corpora whose photograph IDs are only unique within the corpus.
    """
    named = zip(run.recipe.calibrate_on, run.recipe.calibrate_fingerprints, strict=True)
    has_global_ids = ("parquet", "reference")
    return [digest if name.partition(":")[0] in has_global_ids else f"{digest} own ids" for name, digest in named]


FINGERPRINT = Option("fingerprint", lambda run, key: run.recipe.fingerprint, argument=lambda run, key: run.corpora)
"""Fingerprint of the corpus. Functions receive the corpora of the run instead (`corpora_of`)."""

VIEW = Option("view", lambda run, key: run.recipe.view)
LIMIT = Option("limit", lambda run, key: run.recipe.limit)
SEED = Option("seed", lambda run, key: run.recipe.seed)
REPETITIONS = Option("repetitions", lambda run, key: run.recipe.repetitions)

WARPS = Option(
    "warps", lambda run, key: any(transform.warp is not None for transform in run.transforms), argument=_transforms
)
"""Whether any transformation is geometric. Functions receive all transformations (`transforms_of`)."""

TRANSFORMS = Option(
    "transforms",
    lambda run, key: {"order": ",".join(run.recipe.transforms)} | {t.name: t.key for t in run.transforms},
    argument=_transforms,
)
"""Names, code versions and strength ranges of the transformations."""

ALTERNATIVES = Option("alternatives", lambda run, key: {t.name: t.alternative_key for t in run.transforms if not t.far})
"""Code versions of the alternative implementations of the transformations."""

CLASSES = Option(
    "classes", lambda run, key: [[t.name, t.group, t.far, t.unseen_in] for t in run.transforms], argument=_transforms
)
"""Transformation fields that determine the labels of samples.

Functions receive `Transform` objects, although the cache key only contains these four fields. Only the ``thresholds``
study reads other fields: the strength range, the distribution and the neutral strength. A change to these fields makes
the study stale, because it depends on the embeddings of the strength experiment. The cache key of these embeddings
contains the range and the distribution (`TRANSFORMS`), and the strengths below the range, which depend on the neutral
strength (`STRENGTHS`). However, integer strengths are rounded, so a new neutral strength may not change any of them.
``thresholds`` then requires a new code version.
"""

STRENGTHS = Option("strengths", lambda run, key: {t.name: strengths_of(t) for t in swept(run.design)})
"""Strengths of each transformation in the strength experiment."""

TRAIN_SAMPLES = Option("train_samples", _train_samples)
CALIBRATE_ON = Option("calibrate_on", _calibrating)

UNSCORED = Option(
    "unscored", lambda run, key: list(UNSCORED_BY_OBJECTIVE.get(run.models[key["model"]]["objective"], ()))
)
"""Groups of transformations on which the model is not scored because of its objective."""

MEASURES = Option("measures", lambda run, key: [measure.name for measure in ALL_MEASURES if measure.score is not None])
STUDY_SIZES = Option("studies", lambda run, key: [STUDY_IMAGES, FIT_IMAGES, list(PENALTIES)])
"""Maximum numbers of images in studies, and the penalty grid of their probes."""

MODELS = Option("models", lambda run, key: list(run.models))
MAP = Option("map", lambda run, key: [MAP_NEIGHBORS, LANDMARKS])
CLAIMS = Option("claims", lambda run, key: described(list(run.models)), argument=lambda run, key: list(run.models))
"""Inputs of the claim tests other than predictions. Functions receive the names of the models."""

PREPARATION = (FINGERPRINT, TRANSFORMS, VIEW, SEED)
"""Options on which transformed images depend."""

CALIBRATION = (*PREPARATION, CALIBRATE_ON, ALTERNATIVES)
"""Options on which the detector and the calibration of answers depend."""

DESIGN = (VIEW, SEED, REPETITIONS, LIMIT)


def corpora_of(context: Context) -> Corpora:
    """Return the corpora of the run. The asset must have the option `FINGERPRINT`."""
    corpora: Corpora = context.options[FINGERPRINT.name]
    return corpora


def transforms_of(context: Context) -> tuple[Transform, ...]:
    """Return the transformations of the run. The asset must have the option `TRANSFORMS`, `CLASSES` or `WARPS`."""
    options = (TRANSFORMS, CLASSES, WARPS)
    transforms: tuple[Transform, ...] = next(context.options[o.name] for o in options if o.name in context.options)
    return transforms


def design_of(context: Context) -> Design:
    """Return the `Design` specified by the options of an asset, with default values for missing options."""
    named = {option.name: context.options[option.name] for option in DESIGN if option.name in context.options}
    return Design(transforms=transforms_of(context), threads=context.resources.threads, **named)

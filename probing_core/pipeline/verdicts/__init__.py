"""What verdicts need of a run: a detector of alterations, and scores of untouched and altered photographs.

Runs that name corpora to calibrate on have it; runs that take their probes from another take this over, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from probing_core.corpora.base import Corpus
from probing_core.pipeline.verdicts.learning import can_learn, detector_key, learn_detector
from probing_core.pipeline.verdicts.photographs import choose_photographs
from probing_core.pipeline.verdicts.scoring import score_views
from probing_core.prediction.predictor import Predictor
from probing_core.runs import layout, revisions
from probing_core.runs.layout import DEPLOYMENT, DETECTOR, DETECTOR_FILE, fusion_path, probe_path, scored_views_path
from probing_core.runs.models import embeds_pictures, model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import load_transforms, sample_key
from probing_core.runs.store import Store, digest


def make_verdicts(
    store: Store,
    recipe: Recipe,
    corpora: Sequence[Corpus],
    device: str,
    precision: str,
    progress: Progress,
) -> None:
    """Makes whatever is missing of the detector and of every model's scored views.

    Args:
        corpora: the run's own, then those to calibrate on.
    """
    key = verdict_key(recipe)
    if not store.has(layout.VERDICT_PHOTOGRAPHS, key):
        photographs = choose_photographs(recipe, store.read_table(layout.IMAGES), corpora[0], corpora[1:])
        store.write_table(layout.VERDICT_PHOTOGRAPHS, photographs, key)
    photographs = store.read_table(layout.VERDICT_PHOTOGRAPHS)
    learn_detector(store, recipe, corpora, photographs, key, progress)
    predictor = Predictor(store.root, device, precision)
    score_views(store, recipe, corpora, photographs, predictor, scored_keys(store, recipe), progress)


def is_complete(store: Store, recipe: Recipe) -> bool:
    """Whether nothing is missing."""
    key, keys = verdict_key(recipe), scored_keys(store, recipe)
    if not (keys and store.has(layout.VERDICT_PHOTOGRAPHS, key)):
        return False
    if DETECTOR not in keys and can_learn(store.read_table(layout.VERDICT_PHOTOGRAPHS)):
        return False
    return all(store.has(scored_views_path(model), key) for model, key in keys.items())


def scored_keys(store: Store, recipe: Recipe) -> dict[str, str]:
    """Key of the scored views of the detector and of each model that predicts live."""
    key = verdict_key(recipe)
    learned = store.has(DETECTOR_FILE, detector_key(key))
    keys = {DETECTOR: digest([key, store.checksum(DETECTOR_FILE)])} if learned else {}
    for entry in model_entries(store):
        probe = probe_path(entry["name"], DEPLOYMENT)
        if embeds_pictures(entry) and store.has(probe):
            fusion = fusion_path(entry["name"])
            rule = store.checksum(fusion) if store.has(fusion) else ""
            keys[entry["name"]] = digest([key, entry["recipe"], store.checksum(probe), rule])
    return keys


def verdict_key(recipe: Recipe) -> str:
    """Return the key of the photographs of verdicts, and of everything that is altered for them."""
    alternatives = [transform.alternative_key for transform in load_transforms(recipe) if not transform.far]
    return digest([sample_key(recipe), recipe.calibrate_fingerprints, alternatives, revisions.VERDICTS])


def adopt_verdicts(store: Store, source: Store) -> None:
    """Takes over what verdicts need of the run whose probes are used."""
    models = [DETECTOR, *(entry["name"] for entry in model_entries(store))]
    for name in [DETECTOR_FILE, *map(scored_views_path, models)]:
        if source.has(name):
            key = digest(["adopted", source.checksum(name)])
            if not store.has(name, key):
                store.adopt(name, source, key)

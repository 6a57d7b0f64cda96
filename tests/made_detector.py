"""A small detector of alterations for the made run, learned from the packaged photographs, and its calibration.

Learned from 40 views of eight photographs and calibrated on 120 views of two others, it finds plain blur and little
else; a detector that is worth something is learned in a run. What reads it cannot see the difference.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.run_edits import put
from probing_core.answers.answer import score_of
from probing_core.answers.crops import Crops
from probing_core.answers.reference_sets import AS_IT_IS, TURNED_GRAY
from probing_core.compute.task_names import DETECTOR
from probing_core.corpora import open_corpus
from probing_core.detector.detector import Detector, detect, fit_detector
from probing_core.detector.features import features
from probing_core.detector.learning import make_views, plan_views
from probing_core.images.quality import has_no_color, turned_gray
from probing_core.run.layout import DETECTOR_FILE, scored_views_path
from probing_core.run.run_files import RunFiles
from probing_core.transforms import bank, resolve
from probing_core.transforms.alternatives import clean
from probing_core.transforms.transformation import Image, generator

VIEW = 128
LEARNED, CHOSEN, CALIBRATED, DRAWS = 30, 10, 40, 3
"""Pictures, of `splits` train, val and test; and untouched draws of each that calibrates."""


def with_detector(run: Path, out: Path) -> Path:
    """A copy of the made ``run`` in ``out``, whose detector answers."""
    shutil.copytree(run, out)
    store = RunFiles(out)
    detector = learned()
    put(store, {DETECTOR_FILE: detector.to_bytes()})
    put(store, {scored_views_path(DETECTOR): scored(detector)})
    return out


def pictures(split: str, count: int) -> dict[str, Image]:
    """Of the packaged corpus, evenly from its photographs."""
    corpus = open_corpus("photos")
    ids = corpus.rows.loc[corpus.rows["split"] == split, "image_id"]
    return {image_id: corpus.load(image_id) for image_id in ids.iloc[:: len(ids) // count][:count]}


def learned() -> Detector:
    transforms = sorted(bank(), key=lambda t: t.name != "identity")
    names = [t.name for t in transforms]
    sets = []
    for split, count in (("train", LEARNED), ("val", CHOSEN)):
        X, y = [], []
        for image_id, picture in pictures(split, count).items():
            planned = plan_views(names[1:], image_id, seed=0)
            by_name = {t.name: t.for_split(split) for t in transforms}
            X.append(features(list(make_views(picture, VIEW, planned, by_name, image_id, seed=0))))
            y += [names.index(one.transform) for one in planned]
        sets.append((np.concatenate(X), np.array(y)))
    return fit_detector(*sets[0], sets[1], classes=names, groups=[t.group for t in transforms])


def scored(detector: Detector) -> pd.DataFrame:
    """The table of scored views (docs/run-format.md) of photographs that nothing was learned from."""
    rows = []
    blur = resolve("gaussian-blur")
    for image_id, picture in pictures("test", CALIBRATED).items():
        for draw in range(DRAWS):
            view = clean(picture, VIEW, generator(0, image_id, "calibrates", draw=draw))
            for maker, image in ((AS_IT_IS, view), (TURNED_GRAY, turned_gray(view))):
                rows.append((image_id, f"{image_id}-{draw}", "calibrate", maker, "identity", "identity", image))
            rng = generator(0, image_id, "is reported on", draw=draw)
            image = blur.apply(view, blur.draw_strength(rng), rng)
            rows.append((image_id, f"{image_id}-{draw}-blurred", "report", "bank", blur.name, blur.group, image))
    table = pd.DataFrame(rows, columns=["image_id", "base_id", "role", "maker", "transform", "group", "image"])
    table["no_color"] = [has_no_color(image) for image in table["image"]]
    predictions = detect(detector, [Crops(image) for image in table["image"]])
    gray = table["no_color"]
    table["score"] = [score_of(one, no_color, whole_only=True) for one, no_color in zip(predictions, gray, strict=True)]
    return table.drop(columns="image").assign(corpus=1, size="view", whole_score=table["score"])

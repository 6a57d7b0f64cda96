"""Where everything lies in a run: every path and file name of it, once. It needs NumPy and torch for nothing."""

from __future__ import annotations

import hashlib
import re

RECIPE = "run.toml"
MANIFEST = "manifest.json"
IMAGES = "images.parquet"
SAMPLES = "samples.parquet"
CROPS = "looks.parquet"
"""Which of the large pictures belong together: the whole and the tiles of one transformed image."""

STRENGTH = "strength"
COMPOSITION = "composition"
RENDERING = "rendering"
LAYERS = "layers"

DEPLOYMENT = "deployment"
CALIBRATED = "fine-calibrated"
"""The probe of the fine task at its temperature, for runs that adopt it; live predictions have one of their own."""

FUSION = "look"
NOVELTY = "familiarity"
ORACLE = "content-oracle"
"""Predictions of the content by probes that learned from images transformed alike."""

OTHER_PROBES = "fine-mlp-knn"
"""Predictions of the fine task by the probes that are scored beside the linear one."""


def slug(name: str) -> str:
    """A model's name as a folder name: ``zoo-mae``, ``timm_resnet50``; a short hash keeps longer ones apart."""
    simple = re.fullmatch(r"([A-Za-z0-9]+)([/:])([A-Za-z0-9._-]+)", name)
    if simple:  # the first character that is no letter or digit tells the separator: no two names meet
        return simple[1] + {"/": "-", ":": "_"}[simple[2]] + simple[3]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:80]}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def table_path(name: str) -> str:
    return f"tables/{name}.parquet"


def series_table(name: str) -> str:
    return f"series/{name}.parquet"


def facts_path(folder: str, unit: str) -> str:
    """The rows of one unit until its table is complete."""
    return f"units/{folder}/{unit}.parquet"


MODELS = "models/"


def model_folder(model: str) -> str:
    return f"{MODELS}{slug(model)}/"


def model_path(model: str) -> str:
    return f"{model_folder(model)}model.toml"


def embeddings_folder(model: str, series: str = "") -> str:
    """Of the main samples, or of a series."""
    return model_folder(model) + (f"series/{series}/" if series else "embeddings/")


def crops_path(model: str) -> str:
    """Embeddings of the large pictures."""
    return f"{model_folder(model)}looks.safetensors"


def probe_path(model: str, task: str) -> str:
    return f"{model_folder(model)}probes/{task}.safetensors"


def fusion_path(model: str) -> str:
    return probe_path(model, FUSION)


def novelty_path(model: str) -> str:
    return probe_path(model, NOVELTY)


def predictions_path(model: str, task: str) -> str:
    return f"{model_folder(model)}predictions/{task}.parquet"


def fits_path(model: str, task: str) -> str:
    return f"{model_folder(model)}fits/{task}.parquet"


def study_path(model: str, name: str) -> str:
    return f"{model_folder(model)}studies/{name}.parquet"


def map_path(model: str) -> str:
    return f"{model_folder(model)}map.parquet"

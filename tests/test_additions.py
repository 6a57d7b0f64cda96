"""An invented transformation, provider, measure, study and page work when added to a copy of the packages.

They are added where CONTRIBUTING.md says. The study is the example in the docstring of `probing_core.run.studies`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from probing_core.run import studies

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]

TRANSFORM = """
from probing_core.transforms.transformation import Transform


def tint(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return np.clip(image + np.array([amount, 0, 0]), 0, 255).astype(np.uint8)


TRANSFORMS = (
    *TRANSFORMS,
    Transform(
        name="tint",
        group="tone",
        parameter="amount",
        unit="of 255",
        weakest=40.0,
        strongest=80.0,
        definition="Red raised by the amount.",
        library="NumPy",
        source="a test",
        pixels=tint,
    ),
)
"""

PROVIDER = """
import numpy as np

from probing_core.models.embedder import EmbedderSpec
from probing_core.models.model_names import ModelName
from probing_core.models.providers.callables import from_callable

PREFIXES = ("mine",)


def make_spec(name: ModelName) -> EmbedderSpec:
    def statistics(images):
        return np.array([[*image.mean((0, 1)), *image.std((0, 1))] for image in images], np.float32)

    return from_callable(name.base, statistics, 6)
"""

MEASURE = """

MEASURES = (
    *MEASURES,
    Measure(
        name="error-rate",
        title="error rate",
        unit="fraction",
        low=0.0,
        high=1.0,
        higher_is_better=False,
        definition="Share of images that the probe names wrongly.",
        source="a test",
        formula="wrong / N",
        score=lambda p: mean(p.truth != p.predicted, p.clusters),
        chance=lambda classes: 1 - 1 / classes,
    ),
)
"""

STUDY = """
from probing_core.compute.evaluation.score_rows import measured
from probing_core.measures.embedding_space import shift
from probing_core.measures.statistics import mean


"""

PAGE = """
import streamlit as st

from dashboard.page import page


@page("Hello")
def show() -> None:
    st.markdown("A page of one file.")


show()
"""

COMPUTE = """
import json, sys
from pathlib import Path
from probing_core.results import Run
from probing_core.run.options import Options
from probing_core.run.pipeline import run
from probing_core.run.run_files import RunFiles

options = Options(
    corpus=f"folder:{sys.argv[1]}", view=32, transforms=("brighten", "tint"), models=("mine:color",), device="cpu"
)
run(Path("run"), options, "evaluate")
scores = Run.open("run").scores.query("task == 'fine' and subset in ['seen', 'transform:tint']").to_dict("list")
tables = [RunFiles(Path("run")).read_table(f"tables/{name}.parquet") for name in ("brightening", "geometry")]
print(json.dumps([scores, *(table.to_dict("records") for table in tables)]))
"""

OPEN = """
from streamlit.testing.v1 import AppTest

app = AppTest.from_file("dashboard/app.py", default_timeout=60).run().switch_page("views/hello.py").run()
assert not app.exception, app.exception
print(app.title[0].value, "|", app.markdown[-1].value)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return the folder of the packages with the additions."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("probing_core", "dashboard"):
        shutil.copytree(ROOT / package, root / package)  # what is compiled, too
    append(root / "probing_core" / "transforms" / "bank" / "tone.py", TRANSFORM)
    append(root / "probing_core" / "measures" / "classification.py", MEASURE)
    append(root / "probing_core" / "run" / "studies.py", STUDY + example(studies.__doc__))
    (root / "probing_core" / "models" / "providers" / "mine.py").write_text(PROVIDER)
    (root / "dashboard" / "views" / "hello.py").write_text(PAGE)
    insert(
        root / "dashboard" / "text.py",
        '"How it works": (',
        'Page("Hello", "views/hello.py", "waving_hand", "hello", "Hello"),',
    )
    return root


def example(docstring: str) -> str:
    """Return the code block in ``docstring``."""
    return dedent(docstring.partition("::\n\n")[2].partition("\n\n- ")[0])


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def insert(path: Path, after: str, line: str) -> None:
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}\n{line}"))


def python(copy: Path, code: str, *arguments: str) -> str:
    env = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, cwd=copy, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_added_transformation_provider_measure_and_study_are_in_the_tables_of_a_run(copy, many_scenes):
    scores, (row,), geometry = json.loads(python(copy, COMPUTE, str(many_scenes)))
    assert set(scores["model"]) == {"mine:color"}
    rows = list(zip(scores["subset"], scores["measure"], scores["value"], strict=True))
    assert ("transform:tint", "recall") in {row[:2] for row in rows}
    ((_, _, error),) = [row for row in rows if row[:2] == ("seen", "error-rate")]
    assert 0 <= error <= 1
    (expected,) = [other for other in geometry if other["transform"] == "brighten"]
    assert row.keys() == {"model", "value", "low", "high", "interval", "bases"}
    assert row == {name: expected[name] for name in row}


def test_a_page_is_in_the_navigation(copy):
    assert python(copy, OPEN).strip() == "Hello | A page of one file."

"""`probing_core.register` and ``--plugin`` add entries to a process and to the processes that it starts."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import probing_core
from dashboard.jobs import processes
from probing_core import catalog, corpora, models, transforms
from probing_core.cli import main
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import CorpusKind
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.errors import BadConfig, UnknownName
from probing_core.models import from_callable, load_embedder
from probing_core.results import Run
from probing_core.transforms import resolve
from tests.conftest import scene
from tests.transforms.test_third_party import EXAMPLE


@pytest.fixture(autouse=True)
def _known_here_alone(monkeypatch):
    for known in (models.CATALOG, transforms.CATALOG, corpora.KINDS):
        monkeypatch.setattr(known, "_added", {})
    monkeypatch.setattr(catalog, "_LOADED", {})


def made_transform(name="invert"):
    names: dict = {}
    exec(EXAMPLE.replace('"invert"', f'"{name}"'), names)
    return names["INVERT"]


def test_a_transformation_a_model_and_a_corpus_are_usable_by_name():
    with pytest.raises(UnknownName):
        resolve("invert")
    probing_core.register(made_transform())
    assert resolve("invert").group == "tone"
    image = scene(0, 40)
    assert np.array_equal(probing_core.transform(image, "invert", 1.0), 255 - image)

    probing_core.register(from_callable("mine/mean", lambda images: np.stack([i.mean((0, 1)) for i in images])))
    assert load_embedder("mine/mean").dim == 3

    corpus = ArrayCorpus([scene(i, 60) for i in range(3)])
    corpus.name = "mine"
    probing_core.register(corpus)
    assert open_corpus("mine") is corpus
    kind = CorpusKind(name="drawn", argument="N", description="Drawn.", license="none", open=lambda n: corpus)
    probing_core.register(kind)
    assert open_corpus("drawn:3") is corpus


def test_register_replaces_own_names_but_not_names_of_the_project():
    probing_core.register(made_transform())
    again = made_transform()
    probing_core.register(again)
    assert resolve("invert") is again
    for entry in (made_transform("fog"), from_callable("zoo/mae", len, 3), from_callable("a@pool=cls", len, 3)):
        with pytest.raises(BadConfig, match="already exists|without options"):
            probing_core.register(entry)
    with pytest.raises(BadConfig, match="got int"):
        probing_core.register(3)


PLUGIN = f"""
import numpy as np
import probing_core
from probing_core.models import from_callable
{EXAMPLE}
probing_core.register(INVERT)
probing_core.register(from_callable("mine/mean", lambda images: np.stack([i.mean((0, 1)) for i in images])))
"""


def test_a_command_knows_what_a_plugin_registers(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    assert main(["--plugin", str(path), "transforms", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["invert"]["group"] == "tone"
    assert catalog.loaded_plugins() == (path,)
    assert main(["--plugin", str(path), "models", "--json"]) == 0, "a file is run once in a process"
    assert "mine/mean" in {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), ("1 / 0", "(line 1) failed: ZeroDivisionError: division by zero")],
)
def test_invalid_plugin_is_reported_in_one_line(content, message, tmp_path, capsys):
    path = tmp_path / "mine.py"
    if content:
        path.write_text(content)
    assert main(["--plugin", str(path), "models"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_failing_function_of_a_plugin_is_reported_with_its_line(tmp_path, few_scenes, capsys):
    path = tmp_path / "mine.py"
    failing = 'from_callable("mine/none", lambda images: images.missing, 3)'
    path.write_text(f"{PLUGIN}probing_core.register({failing})\n")
    line = len(path.read_text().splitlines())
    asked = ["--corpus", f"folder:{few_scenes}", "--view", "32", "--models", "mine/none", "--transforms", "jpeg"]
    assert main(["--plugin", str(path), "run", "--out", str(tmp_path / "run"), *asked]) == 2
    errors = [told for told in capsys.readouterr().err.splitlines() if told.startswith("error:")]
    assert len(errors) == 1
    assert f"'{path}' (line {line}) failed: AttributeError: 'list' object has no attribute 'missing'" in errors[0]


@pytest.mark.slow
def test_a_background_process_knows_what_the_plugins_of_its_server_register(tmp_path, few_scenes):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    catalog.load_plugin(path)
    assert processes._plugins() == ["--plugin", str(path)]
    asked = ["--corpus", f"folder:{few_scenes}", "--view", "32", "--models", "mine/mean", "--transforms", "invert,jpeg"]
    out = tmp_path / "run"
    arguments = [*processes._plugins(), "run", "--out", str(out), *asked]
    command = [sys.executable, "-m", "probing_core.cli.background", *arguments]
    subprocess.run(command, check=True, timeout=300)
    assert list(Run.open(out).models["name"]) == ["mine/mean"]
    assert set(Run.open(out).transforms["transform"]) == {"identity", "invert", "jpeg"}

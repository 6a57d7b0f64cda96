"""The page Evaluate your model without a browser."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import InitVar, asdict, dataclass, replace

import numpy as np
import pandas as pd
import pytest

from dashboard.jobs import processes
from dashboard.jobs.model_names import model_names
from lab.devtools.run_edits import put
from probing_core.cli import parse
from probing_core.cli.run_command import run_options
from probing_core.corpora import open_corpus
from probing_core.errors import BadRun
from probing_core.measures.notation import model_title
from probing_core.models.python_function import parse_function
from probing_core.results import Run, leaderboard
from probing_core.run import layout
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import PROGRESS
from probing_core.run.options import Options, note_options
from probing_core.run.progress import Report
from probing_core.run.recipe import read_recipe, write_recipe
from probing_core.run.run_files import RunFiles
from tests.conftest import few_transforms
from tests.dashboard.app_reading import address, figures, label, texts, unescaped


@dataclass(eq=False)
class Ended:
    """A command that has ended, or is still running."""

    text: str = ""
    error: str = ""
    running: InitVar[bool] = False
    progress: str = "Loading mine"

    def __post_init__(self, running: bool) -> None:
        self.is_running = running

    def output(self) -> str:
        if self.error:
            raise BadRun(self.error)
        return self.text

    def stop(self) -> None:
        self.is_running = False


def test_a_model_is_placed_among_those_of_the_run_that_is_shown(open_app, monkeypatch, made_run, data_folder):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda run, arguments: started.append((run, arguments)))
    app = open_app("Evaluate your model", run=made_run, rank_model="timm:resnet18")
    shown = texts(app)
    places = [shown.index(words) for words in ("Preview", "Runs", "Your images")]
    assert places == sorted(places), "what most come for is offered first"
    command = next(code.value for code in app.code if "rank" in code.value)
    assert parse(shlex.split(command)[1:]).model == "timm:resnet18"
    assert started == [], "a link alone starts nothing"
    label(app, "button", "Rank my model").click().run()
    ((run, arguments),) = started
    assert run.name == "rank-timm_resnet18"
    asked = run_options(parse(["run", "--out", str(run), *arguments]))
    assert (asked.models, asked.base) == (["timm:resnet18"], made_run)
    assert app.session_state["rank-model"] == "", "the form is cleared"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("timm:x@nothing=1", "is not a model option"),
        ("asdf qwer!!", "asdf qwer!!"),
        ("", "Select a model or type a model name."),
        ("baseline/pixels", "Pixels is already in this run"),
    ],
)
@pytest.mark.parametrize("button", ["Rank my model", "Estimate time"])
def test_what_cannot_be_placed_is_said_at_the_press(open_app, monkeypatch, made_run, model, why, button):
    for name in ("start", "measured"):
        monkeypatch.setattr(f"dashboard.jobs.processes.{name}", lambda *asked: pytest.fail("it was begun"))
    app = open_app("Evaluate your model", run=made_run, rank_model=model)
    assert why not in unescaped(app), "not before it is pressed"
    label(app, "button", button).click().run()
    assert not app.exception
    assert why in unescaped(app)


def test_how_long_it_takes_is_said_once_it_was_measured_and_of_this_form_alone(open_app, monkeypatch):
    asked = []
    words = "Together 42 s, 7 left out\n\nphase       time  models\nReading     2 s\nEmbedding   40 s  3 models"

    def measured(run, arguments):
        asked.append(arguments)
        return Ended(error="The folder 'x' has no pictures.") if "--limit" in arguments else Ended(words)

    monkeypatch.setattr("dashboard.jobs.processes.measured", measured)
    app = open_app("Evaluate your model", new_name="mine", new_models="baseline/pixels")
    assert [b.label for b in app.button].count("Start run") == 1
    assert asked == []
    app.button(key="measure-Start run").click().run()
    assert "Together 42 s, 7 left out" in unescaped(app)
    assert app.table[0].value.reset_index().to_dict("records") == [
        {"phase": "Reading", "time": "2 s", "models": ""},
        {"phase": "Embedding", "time": "40 s", "models": "3 models"},
    ]
    assert run_options(parse(["run", "--out", "x", *asked[0]])).models == ["baseline/pixels"]
    app.number_input(key="new-limit").set_value(12).run()
    assert "Together" not in unescaped(app)
    assert not app.table
    app.button(key="measure-Start run").click().run()
    assert not app.exception
    assert [error.value for error in app.error] == ["The folder 'x' has no pictures."]


@pytest.mark.parametrize(
    ("asked", "button", "missing"),
    [
        ({"rank_model": "onnx:/no/such/file.onnx"}, "Rank my model", "the file '/no/such/file.onnx' does not exist"),
        ({"rank_model": "timm:resnet18@weights=/no/such.pt"}, "Rank my model", "'/no/such.pt' does not exist"),
        ({"rank_model": "timm:resnet99"}, "Rank my model", "no model 'resnet99'"),
        ({"new_name": "mine", "new_corpus": "/no/such/folder"}, "Start run", "'/no/such/folder' does not exist"),
        ({"new_name": "mine", "new_corpus": "photoes"}, "Start run", "Enter the path of a folder"),
        ({"new_name": "mine", "new_models": "onnx:/no/x.onnx"}, "Start run", "the file '/no/x.onnx' does not exist"),
    ],
)
def test_nothing_starts_where_a_file_that_is_named_is_missing(open_app, monkeypatch, made_run, asked, button, missing):
    pytest.importorskip("timm")
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda *arguments: pytest.fail("it was started"))
    app = open_app("Evaluate your model", run=made_run, **asked)
    assert missing not in unescaped(app)
    label(app, "button", button).click().run()
    assert not app.exception
    assert missing in unescaped(app)


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """The libraries are not imported by a process of each test."""
    known = {"on_disk": ["zoo/mae"], "published": ["timm:resnet18", "torchvision:resnet50"]}
    monkeypatch.setattr("dashboard.jobs.processes.suggested_models", lambda: known)
    model_names.clear()
    yield known
    model_names.clear()


def test_model_field_suggests_what_is_on_disk_first(open_app, made_run):
    model_names()._thread.join()
    app = open_app("Evaluate your model", run=made_run)
    assert not app.exception
    shown = label(app, "selectbox", "Model").options
    assert [name.partition(" ")[0] for name in shown[1:]] == ["zoo/mae", "timm:resnet18", "torchvision:resnet50"]
    assert "on this computer" in shown[1]
    assert "on this computer" not in shown[2]


def test_a_name_can_be_typed_where_the_libraries_cannot_be_listed(open_app, made_run, monkeypatch):
    def fail():
        raise BadRun("They could not be listed.")

    monkeypatch.setattr("dashboard.jobs.processes.suggested_models", fail)
    model_names.clear()
    model_names()._thread.join()
    app = open_app("Evaluate your model", run=made_run, rank_model="timm:resnet18")
    assert not app.exception
    assert label(app, "selectbox", "Model").value == "timm:resnet18"


def test_preview_has_an_empty_row_for_the_model(open_app, made_run):
    app = open_app("Evaluate your model", run=made_run)
    (figure,) = figures(app)
    rows = figure["layout"]["yaxis"]["categoryarray"]
    board = leaderboard(Run.open(made_run), "fine", "seen", baselines=True)
    assert len(rows) == (board["seed_of"] == "").sum() + 1, "baselines are among the models, too"
    (empty,) = [trace for trace in figure["data"] if trace["y"] == [rows[-1]]]
    assert empty["mode"] == "text"
    assert empty["x"] == [figure["layout"]["xaxis"]["range"][0]], "next to the label, not where a score would be"
    assert empty["y"] == [rows[-1]], "on top"


QUICK_ROW = pd.DataFrame({"model": ["zoo/mae"], "base_id": "a", "transform": "identity", "correct": 1, "samples": 2})


@pytest.fixture
def quick_base(made_run, tmp_path):
    """The made run with results by the quick protocol."""
    copy = tmp_path / "quick"
    shutil.copytree(made_run, copy)
    put(RunFiles(copy), {layout.QUICK: QUICK_ROW})
    return copy


def test_quick_ranking_shows_an_interval_of_places(open_app, monkeypatch, quick_base):
    board = leaderboard(Run.open(quick_base), "fine", "seen", baselines=False)
    others = board[["model", "seed_of", "value", "low", "high"]].assign(
        difference=-0.1, difference_low=-0.2, difference_high=0.0, p=0.01, place=1
    )
    row = {"model": "timm:resnet18", "protocol": "quick", "place_low": 2, "place_high": 3, "models": 3, "groups": []}
    row |= {"quick_accuracy": 0.5, "low": 0.45, "high": 0.55, "photographs": 150, "others": others.to_dict("records")}
    asked = []
    command = Ended(json.dumps([row]))
    monkeypatch.setattr("dashboard.jobs.processes.ranked_quickly", lambda *found: asked.append(found) or command)
    app = open_app("Evaluate your model", run=quick_base, rank_model="timm:resnet18")
    label(app, "button", "Rank quickly").click().run()
    assert not app.exception
    assert asked == [("timm:resnet18", quick_base)]
    assert "**2 to 3** of 3." in texts(app)
    assert "Quick accuracy: 50.0% (95% CI 45.0–55.0, 150 test photographs)" in texts(app)
    (figure,) = figures(app)
    rows = figure["layout"]["yaxis"]["categoryarray"]
    assert len(rows) == (board["seed_of"] == "").sum() + 1
    (band,) = (shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect")
    assert band["y0"] < rows.index(model_title("timm:resnet18")) < band["y1"]
    table = next(t.value for t in app.dataframe if "difference" in t.value)
    assert table["difference"].tolist() == [-10.0] * int((others["seed_of"] == "").sum())


def test_quick_ranking_is_offered_where_the_run_has_its_results(open_app, made_run, quick_base):
    labels = [[b.label for b in open_app("Evaluate your model", run=run).button] for run in (made_run, quick_base)]
    assert ["Rank quickly" in found for found in labels] == [False, True]
    assert all("Rank my model" in found for found in labels)


def test_quick_estimate_is_shown_without_ranking(open_app, monkeypatch, quick_base):
    asked = []
    sentence = (
        "Ranking zoo/mae takes about 3 min on this machine (1,200 samples) and requires a download of 343 MB and 12 MB "
        "of disk space."
    )
    command = Ended(sentence)
    monkeypatch.setattr("dashboard.jobs.estimates.start", lambda *found: asked.append(found) or command)
    app = open_app("Evaluate your model", run=quick_base, rank_model="timm:resnet18")
    assert asked == [], "a link alone starts nothing"
    app.button(key="measure-quick").click().run()
    assert not app.exception
    assert asked == [("timm:resnet18", quick_base)]
    assert sentence in unescaped(app)


def test_time_is_estimated_as_soon_as_a_name_is_entered(open_app, monkeypatch, quick_base, names):
    names["published"] += ["mine.py:embed", "timmm:resnet18"]  # without a browser, only listed names can be entered
    model_names()._thread.join()
    asked, commands = [], {"mine.py:embed": Ended(running=True), "timm:resnet18": Ended("Ranking takes about 3 min.")}
    monkeypatch.setattr("dashboard.jobs.estimates.start", lambda model, base: asked.append(model) or commands[model])
    prepared = []
    monkeypatch.setattr("dashboard.jobs.estimates.prepare", prepared.append)
    app = open_app("Evaluate your model", run=quick_base)
    assert prepared == [quick_base], "before a name is entered"
    label(app, "selectbox", "Model").set_value("mine.py:embed").run()
    assert not app.exception
    assert len(prepared) == 1, "nothing is prepared while the time is estimated"
    assert asked == ["mine.py:embed"]
    assert "Loading mine" in unescaped(app), "its progress"
    assert [b.label for b in app.button].count("Rank quickly") == 1
    assert "Rank my model" not in [b.label for b in app.button], "a function is in no run"
    label(app, "selectbox", "Model").set_value("timm:resnet18").run()
    assert not commands["mine.py:embed"].is_running, "it ends when the name changes"
    assert "Ranking takes about 3 min." in unescaped(app)
    app.run()
    assert asked == ["mine.py:embed", "timm:resnet18"], "once for each name"
    label(app, "selectbox", "Model").set_value("timmm:resnet18").run()
    assert len(asked) == 2
    assert "'timmm:' is not a known model type" in unescaped(app), "without a click"


def test_row_of_the_preview_shows_the_progress_and_an_error_is_shown_alone(open_app, monkeypatch, quick_base):
    command = Ended(running=True)
    monkeypatch.setattr("dashboard.jobs.processes.ranked_quickly", lambda *found: command)
    app = open_app("Evaluate your model", run=quick_base, rank_model="mine.py:embed")
    label(app, "button", "Rank quickly").click().run()
    assert not app.exception
    (figure,) = figures(app)
    assert "Loading mine" in [text for trace in figure["data"] if trace["mode"] == "text" for text in trace["text"]]
    assert label(app, "button", "Rank quickly").disabled
    command.is_running, command.error = False, "'mine.py' (line 3) failed: NameError: name 'x' is not defined."
    app.run()
    assert [error.value.replace("\\", "") for error in app.error] == [command.error]
    assert not label(app, "button", "Rank quickly").disabled
    assert len(figures(app)) == 1


def test_a_visitor_sees_no_form_and_starts_nothing_with_a_link(open_app, monkeypatch, quick_base):
    monkeypatch.setattr("dashboard.rights.allowed", lambda: False)
    monkeypatch.setattr("dashboard.jobs.processes.subprocess.Popen", lambda *a, **k: pytest.fail("it was started"))
    app = open_app("Evaluate your model", run=quick_base, rank_model="mine.py:embed")
    assert not app.exception
    assert not [b.label for b in app.button if "Rank" in b.label]
    assert not app.code, "no template"


def test_the_template_is_shown_and_runs_as_it_is(open_app, quick_base, tmp_path, monkeypatch):
    app = open_app("Evaluate your model", run=quick_base)
    (template,) = [code.value for code in app.code if "def embed" in code.value]
    (tmp_path / "encoder.py").write_text(template)
    monkeypatch.setattr("sys.path", list(sys.path))
    function = parse_function(f"{tmp_path}/encoder.py:embed").load()
    images = [np.full((8, 9, 3), value, np.uint8) for value in (3, 200)]
    assert function(images).tolist() == [[3.0] * 3, [200.0] * 3]


def test_error_of_an_estimate_is_shown_once(open_app, monkeypatch, made_run):
    command = Ended(error="The weights are missing.")
    monkeypatch.setattr("dashboard.jobs.processes.measured", lambda run, arguments: command)
    monkeypatch.setattr("probing_core.models.refuse_absent", lambda name: None)
    app = open_app("Evaluate your model", run=made_run, rank_model="timm:resnet18")
    app.button(key="measure-Rank my model").click().run()
    assert [error.value for error in app.error] == ["The weights are missing."]
    assert "The weights are missing." not in texts(app).replace(app.error[0].value, "", 1)


def test_a_complete_run_can_be_deleted_and_foreign_files_stay(open_app, data_folder, made_run):
    run = data_folder / "runs" / "mine"
    shutil.copytree(made_run, run)
    (run / "notes.txt").write_text("mine")
    app = open_app("Evaluate your model", run=made_run)
    assert "Embeddings, probes and scores of" in texts(app), "it says first what is lost"
    app.button(key="remove-now-mine").click().run()
    assert not app.exception
    assert [path.name for path in run.rglob("*")] == ["notes.txt"]
    assert "notes.txt" in unescaped(app)
    assert "remove-now-made" not in [b.key for b in app.button], "a run elsewhere is not this page's to delete"


def test_a_name_that_a_listed_run_has_is_refused_wherever_that_run_is(open_app, made_run):
    app = open_app("Evaluate your model", run=made_run, new_name=made_run.name)
    label(app, "button", "Start run").click().run()
    assert f"The run '{made_run.name}' already exists" in unescaped(app)


def test_a_path_alone_is_a_folder_or_a_table(open_app):
    for text, command in (("/some/pictures", "folder:/some/pictures"), ("mine/a.parquet", "parquet:mine/a.parquet")):
        app = open_app("Evaluate your model", new_name="mine", new_corpus=text)
        assert any(command in code.value for code in app.code)


@pytest.mark.slow
def test_what_a_run_will_take_is_measured_by_a_process_of_its_own(many_scenes, tmp_path):
    options = few_transforms(many_scenes, "baseline/pixels")
    command = processes.measured(tmp_path / "run", options.arguments())
    assert "samples from 40 images" in command.output()
    assert command.progress, "how far it is"
    failing = processes.measured(tmp_path / "run", ["--corpus", "folder:/no/such/folder"])
    with pytest.raises(BadRun, match="does not exist"):
        failing.output()
    assert list(tmp_path.iterdir()) == []


def test_a_command_ends_when_nobody_needs_it(tmp_path):
    command = processes.Command(["models"])
    process = command._process
    del command
    assert process.poll() is not None


@pytest.mark.parametrize("shared", [False, True])
def test_a_start_that_came_to_nothing_is_shown_and_can_be_removed(open_app, data_folder, made_run, shared):
    """It may share its name with a run elsewhere, which stays."""
    lost = data_folder / "runs" / (made_run.name if shared else "lost")
    (lost / "log").mkdir(parents=True)
    (lost / PROGRESS).write_text(json.dumps(asdict(Report("", 1, 1, 0.0, "failed", "failed", error="No such folder."))))
    app = open_app("Evaluate your model", run=made_run)
    assert not app.exception
    assert "failed: No such folder." in unescaped(app)
    assert "It has no results." in texts(app), "it says first what is lost"
    app.button(key=f"remove-now-{lost.name}{'-2' * shared}").click().run()
    assert not lost.exists()
    assert made_run.exists()


def test_a_form_for_a_run_can_be_sent_as_a_link(open_app, many_scenes):
    app = open_app("Evaluate your model")
    for key, kind, value in (
        ("new-name", "text_input", "mine"),
        ("new-corpus", "text_input", f"folder:{many_scenes}"),
        ("new-limit", "number_input", 12),
    ):
        getattr(app, kind)(key=key).set_value(value).run()
    app.multiselect(key="new-models").set_value(["baseline/pixels", "zoo/mae@layer=2"]).run()
    app.multiselect(key="new-groups").set_value(["blur", "noise"]).run()
    assert not app.exception
    sent = {name.replace("-", "_"): address(app, name) for name in app.query_params if name.startswith("new-")}
    opened = open_app("Evaluate your model", **sent)
    assert not opened.exception
    for key in ("new-name", "new-corpus", "new-limit", "new-models", "new-groups"):
        assert opened.session_state[key] == app.session_state[key] not in ("", [], 0)


def test_sets_of_models_are_offered_and_published_ones_with_their_size_and_view(open_app, monkeypatch):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda run, arguments: started.append(arguments))
    app = open_app("Evaluate your model", new_name="mine")
    assert {"all included models", "all zoo encoders", "published encoders", "SimCLR (zoo)"} <= set(
        app.multiselect(key="new-models").options
    )
    assert "Models to download first" not in texts(app)
    app.multiselect(key="new-models").set_value(["published", "baseline/pixels"]).run()
    assert not app.exception
    assert "hf:kakaobrain/align-base 690 MB" in unescaped(app)
    assert "MB in total." in unescaped(app)
    label(app, "button", "Start run").click().run()
    (arguments,) = started
    assert arguments[arguments.index("--models") + 1] == "published,baseline/pixels"
    assert arguments[arguments.index("--view") + 1] == "224"
    commands = [code.value for code in open_app("Evaluate your model", new_models="zoo", new_name="mine").code]
    assert commands
    assert not any("--view" in command for command in commands)


@pytest.mark.parametrize("corpus", ["hub:owner/name", " hub:owner/name", "folder:/", "theirs:x"])
def test_a_link_opens_no_corpus_and_looks_up_no_model(open_app, monkeypatch, corpus):
    def opened(name):  # the page may open the corpus of its own run
        return pytest.fail("it was opened") if name.strip() == corpus.strip() else open_corpus(name)

    monkeypatch.setattr("probing_core.corpora.open_corpus", opened)
    for name in ("find_spec", "model_names.glob"):
        monkeypatch.setattr(f"probing_core.models.{name}", lambda *a, **k: pytest.fail("it was looked up"))
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: pytest.fail("it was begun"))
    app = open_app(
        "Evaluate your model", new_corpus=corpus, new_models="hf:some/repo,timm:x@weights=/x/*.pt", new_limit="-5"
    )
    assert not app.exception
    assert app.number_input(key="new-limit").value == 0


def test_new_run_shows_what_is_wrong_with_other_packages(open_app, monkeypatch):
    monkeypatch.setattr("probing_core.catalog.Catalog.problems", ("The entry point 'theirs' is broken.",))
    assert [w.value for w in open_app("Evaluate your model").warning] == ["The entry point 'theirs' is broken."]


def test_bad_names_are_refused_and_a_started_run_leaves_an_empty_form(open_app, monkeypatch):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda run, arguments: started.append(run.name))
    app = open_app("Evaluate your model")
    for name, expected in (("../up", "Use only letters"), ("", "Enter a name for the run")):
        app.text_input(key="new-name").input(name).run()
        label(app, "button", "Start run").click().run()
        assert expected in texts(app)
        assert started == []
    app.text_input(key="new-name").input("mine").run()
    app.number_input(key="new-limit").set_value(12).run()
    label(app, "button", "Start run").click().run()
    assert not app.exception
    assert started == ["mine"]
    assert (app.session_state["new-name"], app.session_state["new-limit"]) == ("", 0)


@pytest.mark.parametrize(("state", "offered"), [("cancelled", True), ("failed", True), ("done", False)])
def test_a_run_that_was_cut_off_is_resumed_with_the_options_that_it_had(
    open_app, data_folder, made_run, monkeypatch, state, offered
):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.begin", lambda what, run, command: started.append(command))
    run = data_folder / "runs" / "mine"
    shutil.copytree(made_run, run)
    (run / "log").mkdir(exist_ok=True)
    (run / PROGRESS).write_text(json.dumps(asdict(Report("studies", 1, 9, None, "", state=state, error="Full."))))
    for options, had in (
        (Options(executor="ray", address="auto"), ["--executor", "ray", "--address", "auto"]),
        (Options(), []),
    ):
        note_options(run, options)
        app = open_app("Evaluate your model")
        assert [b.key for b in app.button if b.label == "Resume"] == ["resume-mine"] * offered
        if offered:
            label(app, "button", "Resume").click().run()
            assert started.pop() == ["run", "--out", str(run), *had]
        assert not app.exception


REMOTE = {
    "cluster": (Options(executor="ray", address="10.0.0.7:6379"), {}, "10.0.0.7:6379"),
    "images": (Options(), {"corpus": "folder:s3://bucket/photos"}, "s3://bucket/photos"),
    "calibration": (
        Options(),
        {"calibrate_on": ("parquet:https://example.org/a.parquet",), "calibrate_fingerprints": ("1",)},
        "https://example.org/a.parquet",
    ),
}
"""What the files of a run name -> options, entries of the recipe, and the address of the server."""


@pytest.mark.parametrize("kind", REMOTE)
def test_resume_connects_to_no_server_that_a_run_names(open_app, data_folder, made_run, monkeypatch, kind):
    options, entries, address = REMOTE[kind]
    started, connected = [], []
    monkeypatch.setattr("dashboard.jobs.processes.begin", lambda what, run, command: started.append(command))
    monkeypatch.setattr("probing_core.corpora.folder.Storage.__init__", lambda self, url: connected.append(url))
    run = data_folder / "runs" / "shared"
    shutil.copytree(made_run, run)
    directory = RunDirectory(run)
    write_recipe(directory, replace(read_recipe(directory), **entries))
    (run / PROGRESS).write_text(json.dumps(asdict(Report("studies", 1, 9, None, "", state="cancelled"))))
    note_options(run, options)
    app = open_app("Evaluate your model", run=run)
    label(app, "button", "Resume").click().run()
    assert not app.exception
    assert address in unescaped(app)
    assert not started
    assert Run.open(run).pictures.why_not or kind != "images"
    assert not connected

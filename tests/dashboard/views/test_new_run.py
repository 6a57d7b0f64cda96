"""The page New run without a browser."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import asdict

import pytest

from probing_core.cli import parse
from probing_core.cli.run import run_options
from probing_core.run.last_options import note_options
from probing_core.run.layout import PROGRESS
from probing_core.run.options import Options
from probing_core.run.progress import Report
from tests.dashboard.app_reading import address, label, texts, unescaped


def test_models_of_a_link_are_not_looked_up_before_somebody_here_wants_them(open_app, monkeypatch):
    asked = []
    monkeypatch.setattr("dashboard.data.cache.dimension", asked.append)
    app = open_app("New run", new_further="hf:some/repo", new_name="mine")
    assert "Further models came by a link" in texts(app)
    assert asked == []
    label(app, "button", "Look up these models").click().run()
    assert "hf:some/repo" in asked


def test_a_model_is_placed_among_those_of_the_run_that_is_shown(open_app, monkeypatch, made_run, data_folder):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda run, arguments: started.append((run, arguments)))
    app = open_app("New run", run=made_run, rank_model="timm:resnet18")
    shown = texts(app)
    places = [
        shown.index(words) for words in ("Test your model", "Runs on this computer", "A run of your own pictures")
    ]
    assert places == sorted(places), "what most come for is offered first"
    assert "for a model that embeds 100 pictures a second" in shown
    command = next(code.value for code in app.code if "rank" in code.value)
    assert parse(shlex.split(command)[1:]).model == "timm:resnet18"
    assert started == [], "a link alone starts nothing"
    label(app, "button", "Test it").click().run()
    ((run, arguments),) = started
    assert run.name == "rank-timm_resnet18"
    asked = run_options(parse(["run", "--out", str(run), *arguments]))
    assert (asked.models, asked.base) == (["timm:resnet18"], made_run)
    app = open_app("New run", run=made_run, rank_model="timm:x@nothing=1")
    assert "is not an option of a model name" in unescaped(app)
    assert label(app, "button", "Test it").disabled
    app = open_app("New run", run=made_run, rank_model="asdf qwer!!")
    assert "asdf qwer!!" in unescaped(app)
    assert label(app, "button", "Test it").disabled, "there is no such model"
    assert label(open_app("New run", run=made_run), "button", "Test it").disabled, "no model is named"


def test_a_start_that_came_to_nothing_is_shown_and_can_be_removed(open_app, data_folder):
    lost = data_folder / "runs" / "lost"
    (lost / "log").mkdir(parents=True)
    (lost / PROGRESS).write_text(json.dumps(asdict(Report("", 1, 1, 0.0, "failed", "failed", error="No such folder."))))
    app = open_app("New run")
    assert "stopped: No such folder." in unescaped(app)
    next(b for b in app.button if b.key == "remove-lost").click().run()
    assert not lost.exists()


def test_a_form_for_a_run_can_be_sent_as_a_link(open_app, many_scenes):
    app = open_app("New run")
    for key, kind, value in (
        ("new-name", "text_input", "mine"),
        ("new-corpus", "text_input", f"folder:{many_scenes}"),
        ("new-limit", "number_input", 12),
        ("new-further", "text_input", "zoo/mae@layer=2"),
    ):
        getattr(app, kind)(key=key).set_value(value).run()
    app.multiselect(key="new-models").set_value(["baseline/pixels"]).run()
    app.multiselect(key="new-groups").set_value(["blur", "noise"]).run()
    app.select_slider(key="new-view").set_value(96).run()
    assert not app.exception
    sent = {name.replace("-", "_"): address(app, name) for name in app.query_params if name.startswith("new-")}
    opened = open_app("New run", **sent)
    assert not opened.exception
    assert not opened.metric
    assert label(opened, "button", "Start").disabled
    opened.button(key="open-corpus").click().run()
    opened.button(key="open-further").click().run()
    assert not opened.exception
    for key in ("new-name", "new-corpus", "new-limit", "new-further", "new-models", "new-groups", "new-view"):
        assert opened.session_state[key] == app.session_state[key] not in ("", [], 0)
    assert [m.value for m in opened.metric] == [m.value for m in app.metric]


def test_a_run_starts_on_a_ray_cluster_as_the_command_shown_does(open_app, monkeypatch):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes.start", lambda run, arguments: started.append((run, arguments)))
    monkeypatch.setattr("dashboard.jobs.processes.find_spec", lambda name: object() if name == "ray" else None)
    app = open_app("New run", new_name="mine", new_address="theirs:6379")
    assert app.segmented_control(key="new-executor").value == "local"
    assert "Address of the Ray cluster" not in [field.label for field in app.text_input]
    app.segmented_control(key="new-executor").set_value("ray").run()
    address_field = label(app, "text_input", "Address of the Ray cluster")
    assert address_field.value == "", "no link chooses where pictures are sent"
    address_field.set_value(" 10.0.0.7:6379 ").run()
    assert not app.exception
    assert address(app, "new-executor") == "ray"
    assert address(app, "new-address") == "theirs:6379", "what is typed is no part of a link either"
    label(app, "button", "Start").click().run()
    ((run, arguments),) = started
    assert arguments[arguments.index("--executor") :] == ["--executor", "ray", "--address", "10.0.0.7:6379"]
    (shown,) = [code.value for code in app.code]
    assert shlex.split(shown) == ["probing", "run", "--out", str(run), *arguments]
    options = run_options(parse(shlex.split(shown)[1:]))
    assert (options.executor, options.address) == ("ray", "10.0.0.7:6379")
    app.segmented_control(key="new-executor").set_value("local").run()
    assert "--executor" not in app.code[0].value


@pytest.mark.parametrize("corpus", ["torchvision:CIFAR10", " torchvision:CIFAR10", "folder:/", "theirs:x"])
def test_a_link_opens_no_corpus(open_app, monkeypatch, corpus):
    asked = []
    monkeypatch.setattr("dashboard.data.cache.corpus_size", lambda name: asked.append(name) or (200, 10, ""))
    app = open_app("New run", new_corpus=corpus, new_limit="-5", new_view="7")
    assert not app.exception
    assert not asked
    assert "came by a link" in texts(app)
    assert (app.number_input(key="new-limit").value, app.select_slider(key="new-view").value) == (0, 128)
    app.text_input(key="new-corpus").set_value("folder:mine").run()
    assert asked == ["folder:mine"], "whoever types the name wants it"
    assert address(app, "new-corpus") == "folder:mine"


def test_what_cannot_be_a_path_or_a_name_is_one_sentence(open_app):
    app = open_app("New run")
    for key, value in (
        ("new-corpus", "folder:~nosuch/x"),
        ("new-further", "hf:" + 300 * "x"),
        ("new-further", "onnx:~nosuch/x"),
    ):
        app.text_input(key=key).set_value(value).run()
        assert not app.exception
        assert len(app.error) == 1
        app.text_input(key=key).set_value("photos" if key == "new-corpus" else "").run()


def test_new_run_estimates_and_refuses_bad_names(open_app, data_folder):
    app = open_app("New run")
    assert {m.label for m in app.metric} >= {"Images", "Time, roughly", "Disk"}
    for name, expected in (("../up", "A name has"), ("", "Give the run a name")):
        app.text_input(key="new-name").input(name).run()
        assert expected in texts(app)
        assert label(app, "button", "Start").disabled
    app.text_input(key="new-name").input("mine").run()
    assert not label(app, "button", "Start").disabled
    app.text_input(key="new-corpus").input("folder:/no/such/folder").run()
    assert len(app.error) == 1
    assert label(app, "button", "Start").disabled


def test_a_run_is_resumed_with_the_options_that_it_had(open_app, data_folder, made_run, monkeypatch):
    started = []
    monkeypatch.setattr("dashboard.jobs.processes._work", lambda run, command: started.append(command))
    run = data_folder / "runs" / "mine"
    shutil.copytree(made_run, run)
    (run / "log").mkdir(exist_ok=True)
    (run / PROGRESS).write_text(json.dumps(asdict(Report("embed", 1, 9, None, "", state="cancelled"))))
    for options, had in (
        (Options(executor="ray", address="10.0.0.7:6379"), ["--executor", "ray", "--address", "10.0.0.7:6379"]),
        (Options(precision="float32"), ["--precision", "float32"]),
        (Options(), []),
    ):
        note_options(run, options)
        app = open_app("New run", new_executor="ray", new_address="theirs:6379")
        label(app, "button", "Resume").click().run()
        assert not app.exception
        assert started.pop() == ["run", "--out", str(run), *had], "no link chooses where pictures are sent"

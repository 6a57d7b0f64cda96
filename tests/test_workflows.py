"""The workflows say what they must; whether they are well formed is checked by actionlint, in the first of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_python_of_the_metadata_is_tested_on_three_systems():
    matrix = WORKFLOWS["tests"]["jobs"]["test"]["strategy"]["matrix"]
    named = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python ::")]
    assert matrix["python"] == named
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_all_tests_run_on_each_system():
    """Among them those of processes and workers (`tests.compute.test_workers`), which differ between systems."""
    job = WORKFLOWS["tests"]["jobs"]["test"]
    assert job["runs-on"] == "${{ matrix.os }}"
    assert not {"exclude", "include"} & set(job["strategy"]["matrix"])
    (command,) = (step["run"] for step in job["steps"] if "pytest" in step.get("run", ""))
    words = command.split()
    assert words[:3] == ["python", "-m", "pytest"]
    assert not [word for word in words[3:] if word.startswith(("-m", "-k", "--ignore", "--deselect", "tests"))]
    assert not any("if" in step for step in job["steps"])


def test_a_release_waits_for_a_person_and_its_build_uploads_nothing():
    jobs = WORKFLOWS["release"]["jobs"]
    publishing = {name for name, job in jobs.items() if any("publish" in s.get("uses", "") for s in job["steps"])}
    assert publishing == {"publish"}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"]
    assert "permissions" not in jobs["build"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


def test_site_is_published_from_main_and_then_checked():
    site = WORKFLOWS["site"]
    assert site[True]["push"] == {"branches": ["main"]}  # YAML reads the key `on` as true
    assert {name: job.get("needs") for name, job in site["jobs"].items()} == {
        "build": None,
        "deploy": "build",
        "answers": "deploy",
    }
    writing = {name for name, job in site["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"deploy"}
    assert not any("run" in step for step in site["jobs"]["deploy"]["steps"])


def test_models_of_strangers_run_without_rights_and_secrets():
    text = (ROOT / ".github" / "workflows" / "board.yml").read_text()
    board = WORKFLOWS["board"]
    assert list(board[True]) == ["pull_request"]  # not pull_request_target, which has the rights of the repository
    assert "secrets." not in text
    assert "github.token" not in text
    (job,) = board["jobs"].values()
    assert "permissions" not in job
    checkout = next(step for step in job["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


def test_published_encoders_are_ranked_without_rights_and_proposed_by_a_job_that_ranks_nothing():
    published = WORKFLOWS["published-board"]
    assert list(published[True]) == ["workflow_dispatch"]
    writing = {name for name, job in published["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"propose"}
    proposing = " ".join(step.get("run", "") for step in published["jobs"]["propose"]["steps"])
    assert "published_board" not in proposing
    assert "gh pr create" in proposing

"""What pages read is made once for all visitors, and again for another run or question."""

from __future__ import annotations

from dashboard.data import cache
from probing_core.results import Run

asked: list[tuple] = []


def answer(run: Run, model: str, measures: tuple[str, ...] = ("shift",)) -> tuple:
    asked.append((run.digest, model, measures))
    return model, measures


def other_answer(run: Run, model: str) -> str:
    return model.upper()


def test_an_answer_is_kept_by_run_question_and_function(made_run, trained_run):
    first, second = Run.open(made_run), Run.open(trained_run)
    asked.clear()
    for _ in range(2):
        assert cache.computed(first, answer, "m") == ("m", ("shift",))
        assert cache.computed(first, answer, "n") == ("n", ("shift",))
        assert cache.computed(first, answer, "m", measures=("a", "b")) == ("m", ("a", "b"))
        assert cache.computed(first, other_answer, "m") == "M"
        assert cache.computed(second, answer, "m") == ("m", ("shift",))
    assert len(asked) == len(set(asked)) == 4
    assert cache.computed(Run.open(made_run), answer, "m")
    assert len(asked) == 4, "the same run, opened again"


SCRIPTS = """
def finding(run):
    return {0!r}
"""


def test_functions_of_the_same_name_in_two_page_scripts_are_kept_apart(made_run):
    """Streamlit runs every page as the module ``__main__``."""
    run, found = Run.open(made_run), []
    for page in ("layers", "methods"):
        module = {"__name__": "__main__"}
        exec(compile(SCRIPTS.format(page), f"views/{page}.py", "exec"), module)
        found.append(cache.computed(run, module["finding"]))
    assert found == ["layers", "methods"]

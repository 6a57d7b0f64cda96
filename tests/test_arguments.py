"""Arguments of the wrong kind are one sentence."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probing_core
from probing_core.arguments import MODELS, NAMES, NUMBER, RUN, checked
from probing_core.errors import BadConfig, ProbingError

IMAGE = np.zeros((32, 32, 3), np.uint8)

WRONG: dict[str, tuple[Any, ...]] = {
    "number": ("a", [1], None, np.array(["a"])),
    "text": (5, ["cpu"], {"cpu"}, b"cpu", None),
    "several": (5, 2.5, {"a"}, {"a": 1}, b"a", np.array(3), len),
    "run": (5, 2.5, ["a"], b"run", len, "a" * 5000),
}


def test_public_functions_name_the_argument_of_a_wrong_kind() -> None:
    calls = [
        ("names", "several", lambda value: probing_core.predict([IMAGE], names=value)),
        ("models", "several", lambda value: probing_core.predict([IMAGE], models=value)),
        ("run", "run", lambda value: probing_core.predict([IMAGE], value)),
        ("device", "text", lambda value: probing_core.predict([IMAGE], device=value)),
        ("models", "several", lambda value: probing_core.diff(IMAGE, IMAGE, models=value)),
        ("models", "several", lambda value: probing_core.duplicates([IMAGE], models=[value])),
        ("rate", "number", lambda value: probing_core.duplicates([IMAGE], rate=value)),
        ("max_drop", "number", lambda value: probing_core.compare("zoo/clip", "zoo/can", max_drop=value or "a")),
        ("a", "run", lambda value: probing_core.compare(value, "zoo/can")),
        ("name", "text", probing_core.load_embedder),
        ("name", "text", lambda value: probing_core.transform(IMAGE, value)),
        ("labels", "several", lambda value: probing_core.samples([IMAGE], labels=value)),
        ("transforms", "several", lambda value: probing_core.samples([IMAGE], transforms=value)),
        ("base", "run", lambda value: probing_core.rank("baseline/pixels", value)),
        ("corpus", "text", lambda value: probing_core.rank("baseline/pixels", corpus=value or 5)),
        ("images", "long", lambda value: probing_core.samples("a" * 5000)),
    ]
    for argument, kind, call in calls:
        for value in WRONG.get(kind, (None,)):
            with pytest.raises(ProbingError) as caught:
                call(value)
            message = str(caught.value)
            is_named = argument in message or "run must be" in message or "cannot be used as a path" in message
            assert is_named, (argument, message)


def test_checked_accepts_defaults_and_every_form_of_an_argument() -> None:
    @checked(models=MODELS, names=NAMES, rate=NUMBER, run=RUN)
    def call(models: Any = (), names: Any = None, *, rate: Any = 0.5, run: Any = None, other: Any = 3) -> Any:
        return models, names, rate, run, other

    assert call() == ((), None, 0.5, None, 3)
    assert call((), None, rate=0.5, run=None, other=[]) == ((), None, 0.5, None, [])
    assert call("a", iter("a"), rate=np.float32(0.5), run=Path("a"))[0] == "a"
    call(np.array(["a"]), ["a"], rate=1)
    for wrong in ({"models": 5}, {"names": {"b", "a"}}, {"rate": True}, {"run": ["a"]}):
        name = next(iter(wrong))
        with pytest.raises(BadConfig, match=f"^{name} must be "):
            call(**wrong)
    with pytest.raises(TypeError, match="unexpected keyword"):
        call(another=1)


def test_checked_preserves_signatures() -> None:
    for name in ("predict", "diff", "duplicates", "rank", "score", "compare"):
        parameters = inspect.signature(getattr(probing_core, name)).parameters
        assert not {"args", "kwargs"} & {*parameters}

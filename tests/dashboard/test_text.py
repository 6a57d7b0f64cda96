"""The words of the pages: each explained once, in the documentation as on the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboard.text import (
    GLOSSARY,
    PAGES,
    STYLES,
    hint,
    named,
    names_in_words,
    strengths_in_words,
    with_strength,
)
from lab.devtools.commands import generated
from lab.scripts.glossary_docs import BEGIN, PAGE, glossary_table
from probing_core.transforms import GROUPS, bank

ROOT = Path(__file__).resolve().parents[2]


def test_the_documentation_has_the_glossary_of_the_pages():
    assert generated(PAGE.read_text(encoding="utf-8"), BEGIN) == glossary_table()


def test_the_documentation_says_of_every_page_what_it_shows_in_the_order_of_the_navigation():
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "pages.md").read_text(encoding="utf-8"), re.M)
    assert rows[2:] == [page.title for under in PAGES.values() for page in under]


def test_every_hint_that_a_page_asks_for_exists():
    asked = {
        term
        for path in (ROOT / "dashboard").rglob("*.py")
        for term in re.findall(r'hint\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert asked
    assert not [term for term in asked if not hint(term)]
    with pytest.raises(KeyError):
        hint("no such word")


def test_styles_that_are_numbers_have_a_name():
    assert set(STYLES) == {t.name for t in bank() if t.group == "style"}
    assert named("style-3") == "style-3 (bold strokes)"
    assert named("fog") == "fog"
    assert all(group in GLOSSARY["group"] for group in GROUPS if group != "identity")


@pytest.mark.parametrize(
    ("transform", "strength", "words"),
    [
        ("gaussian-blur", 4.84, "gaussian-blur, sigma 4.8 px"),
        ("rain", 161.0, "rain, 161 streaks"),
        ("sepia", 0.6, "sepia, blend 60 %"),
        ("rotate", -7.29, "rotate, angle \u22127.3 degrees"),
        ("jpeg", 20.0, "jpeg, quality 20 of 100"),
        ("gamma", 1.8, "gamma, exponent 1.8"),
        ("identity", float("nan"), "identity"),
        ("style:a/file.png", 0.5, "style:a/file.png, 0.5"),
        ("of-a-plug-in", 2.0, "of-a-plug-in, 2"),
    ],
)
def test_a_strength_has_its_unit(transform, strength, words):
    assert with_strength(transform, strength) == words


@pytest.mark.parametrize(
    ("transform", "low", "high", "words"),
    [
        ("gamma", 1.8, 2.5, "exponent 1.8 to 2.5"),
        ("sepia", 0.6, 1.0, "blend 60 to 100 %"),
        ("gaussian-blur", 1.5, 3.0, "sigma 1.5 to 3 px"),
        ("rain", 60, 300, "60 to 300 streaks"),
        ("of-a-plug-in", 2.0, 2.0, "2"),
    ],
)
def test_a_range_of_strengths_has_its_unit_once(transform, low, high, words):
    assert strengths_in_words(transform, low, high) == words


def test_the_parts_of_the_names_that_are_there_are_explained():
    words = names_in_words(["zoo/mae@seed=1", "timm:resnet50@layer=2"])
    assert all(part in words for part in ("`zoo/`", "`timm:`", "`@layer=N`", "`@seed=N`"))
    assert "`baseline/`" not in words
    assert names_in_words(["hf:somebody/theirs"]) == ""

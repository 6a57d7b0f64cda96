"""The words of the pages: each explained once, in the documentation as on the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboard.text import GLOSSARY, STYLES, TERMS, hint, named
from devtools.pages import generated
from probing_core.transforms import GROUPS, bank
from scripts.glossary_docs import BEGIN, PAGE, glossary_table

ROOT = Path(__file__).resolve().parents[2]


def test_the_documentation_has_the_glossary_of_the_pages():
    assert generated(PAGE.read_text(encoding="utf-8"), BEGIN) == glossary_table()
    assert 20 <= len(GLOSSARY) <= 30


def test_every_hint_that_a_page_asks_for_exists():
    asked = {
        term
        for path in (ROOT / "dashboard").rglob("*.py")
        for term in re.findall(r'hint\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert len(asked) > 20
    assert not [term for term in asked if not hint(term)]
    with pytest.raises(KeyError):
        hint("no such word")


@pytest.mark.parametrize("sentences", [GLOSSARY, TERMS])
def test_every_word_has_sentences_that_end(sentences):
    assert not [word for word, text in sentences.items() if not text.endswith(".") or "  " in text]


def test_styles_that_are_numbers_have_a_name():
    assert set(STYLES) == {t.name for t in bank() if t.group == "style"}
    assert named("style-3") == "style-3 (bold strokes)"
    assert named("fog") == "fog"
    assert all(group in GLOSSARY["group"] for group in GROUPS if group != "identity")

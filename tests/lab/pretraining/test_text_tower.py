from __future__ import annotations

import pytest

from lab.pretraining.text_tower import LENGTH, Vocabulary
from probing_core.errors import BadConfig


def test_unknown_words_are_skipped_and_nothing_but_unknown_is_refused() -> None:
    vocabulary = Vocabulary.of(["a photo of a horse", "a dog"])
    assert vocabulary.words == ("a", "dog", "horse", "of", "photo")
    assert vocabulary.encode(["a purple Horse"])[0].tolist() == [1, 3] + [0] * (LENGTH - 2)
    assert vocabulary.encode(["dog " * 50])[0].tolist() == [2] * LENGTH
    with pytest.raises(BadConfig, match=r"No word of 'zebra' .* it knows: a, dog, horse"):
        vocabulary.encode(["zebra"])

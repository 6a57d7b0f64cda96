"""Result files of the board: the answers of one model under the quick protocol, and information on the model.

A file is read as data from strangers. Every entry is checked, and the accuracy is recomputed from the answers.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.task_names import QUICK_VERSION
from probing_core.errors import BadConfig, BadRun, one_line
from probing_core.measures.statistics import ClusterSums, Interval, interval, mean_of_ratios
from probing_core.results.ranking import AccuracySums
from probing_core.results.run_tables import RunTables
from probing_core.run.files import write_atomically
from probing_core.run.layout import QUICK
from probing_core.run.run_files import digest
from probing_core.version import VERSION

ENTRY_FORMAT = 1
"""Version of the format of result files."""

MAX_BYTES = 30_000
MAX_TEXT = 200
MAX_VERSIONS = 30
MAX_DIGITS = 20
MAX_DIM = 10**6
"""Maximum size of a result file, length of a text, number of library versions, and embedding dimension."""

ROUNDING = 1e-6
"""Largest difference between the accuracy in a file and the accuracy of its answers."""

MODEL_NAME = re.compile(r"[A-Za-z0-9][\w .:/@=+,-]*", re.ASCII)
REVISION = re.compile(r"([0-9a-f]{40})?")
SHA256 = re.compile(r"([0-9a-f]{64})?")
LOCAL_FOLDER = re.compile(r"(?<=@weights=).*[/\\]")


@dataclass(frozen=True)
class QuickProtocol:
    """Photographs and transformations on which the models of a run are tested under the quick protocol.

    Attributes:
        digest: digest of everything that determines the samples. Only answers with equal digests can be compared.
        photographs: sorted IDs of the test photographs.
        transforms: sorted names of the transformations.
    """

    digest: str
    photographs: tuple[str, ...]
    transforms: tuple[str, ...]

    @classmethod
    def of(cls, run: RunTables) -> QuickProtocol:
        """Return the quick protocol of a run.

        Raises:
            BadRun: the run has no results of the quick protocol.
        """
        quick = run.table(QUICK)
        if quick.empty:
            raise BadRun(f"The run '{run.path}' has no results of the quick protocol. Use the reference run.")
        photographs, transforms = (tuple(sorted(quick[column].unique())) for column in ("base_id", "transform"))
        recipe = run.recipe
        keys = [transform.key for transform in recipe.design.transforms if transform.name in transforms]
        settings = [recipe.fingerprint, recipe.view, recipe.seed, recipe.limit, sorted(keys), photographs]
        return cls(digest([QUICK_VERSION, settings]), photographs, transforms)


@dataclass(frozen=True, eq=False, kw_only=True)
class BoardEntry:
    """Result of one model under the quick protocol.

    Attributes:
        model: name of the model.
        source: source of the weights, as text.
        revision: commit of the repository on the Hugging Face Hub with the weights, or an empty string.
        sha256: digest of the weights, or an empty string.
        preprocessing: preprocessing of the model, or None if it is unknown.
        versions: library -> version.
        date: date of the computation, ``YYYY-MM-DD``.
        computed_by: name of the person or group who computed the result.
        protocol: the quick protocol of the answers.
        correct: whether each answer is correct, with one row per photograph and one column per transformation.
    """

    model: str
    family: str
    objective: str
    license: str
    dim: int
    source: str
    revision: str
    sha256: str
    preprocessing: Mapping[str, Any] | None
    versions: Mapping[str, str]
    date: str
    computed_by: str
    protocol: QuickProtocol = field(repr=False)
    correct: np.ndarray = field(repr=False)

    @classmethod
    def of(
        cls, facts: Mapping[str, Any], rows: pd.DataFrame, protocol: QuickProtocol, revision: str = ""
    ) -> BoardEntry:
        """Create an entry without a date and an author.

        Args:
            facts: content of ``model.toml`` in a run.
            rows: rows of the ``quick`` table for the model.
            protocol: protocol of the run.
            revision: commit of the repository with the weights.

        Raises:
            BadRun: the rows do not have one answer for each photograph and transformation.
        """
        recipe = facts["recipe"]
        correct = rows.pivot(index="base_id", columns="transform", values="correct")
        correct = correct.reindex(index=list(protocol.photographs), columns=list(protocol.transforms))
        if not ((rows["samples"] == 1).all() and correct.isin([0, 1]).all(axis=None)):
            raise BadRun(f"'{facts['name']}' does not have one answer for each photograph and transformation.")
        return cls(
            model=LOCAL_FOLDER.sub("", facts["name"]),  # folders of a computer are private
            family=facts["family"],
            objective=facts["objective"],
            license=facts.get("license") or "unknown",
            dim=facts["dim"],
            source=facts.get("weights") or "",
            revision=revision,
            sha256=recipe.get("weights", ""),
            preprocessing=recipe.get("preprocessing"),
            versions={"probing_core": VERSION} | recipe.get("libraries", {}),
            date="",
            computed_by="",
            protocol=protocol,
            correct=correct.to_numpy(bool),
        )

    @cached_property
    def sums(self) -> AccuracySums:
        """Quick accuracy as sums by photograph, for comparisons with other entries."""
        counts = np.hstack([self.correct, np.ones_like(self.correct)]).astype(np.float64)
        return AccuracySums(np.array(self.protocol.photographs), (ClusterSums(counts, mean_of_ratios),))

    @cached_property
    def accuracy(self) -> Interval:
        """Quick accuracy with its 95% CI over photographs."""
        return interval(self.sums.sums, low=0, high=1)

    @property
    def digest(self) -> str:
        """Digest of the model, its weights and its answers."""
        return digest([self.model, self.revision, self.sha256, self.protocol.digest, self._packed])

    @property
    def _packed(self) -> str:
        return base64.b64encode(np.packbits(self.correct).tobytes()).decode()

    @property
    def content(self) -> dict[str, Any]:
        """Content of the result file."""
        accuracy = self.accuracy
        return {
            "format": ENTRY_FORMAT,
            **{name: getattr(self, name) for name in TEXTS if name not in WEIGHTS},
            "dim": self.dim,
            "weights": {name: getattr(self, name) for name in WEIGHTS},
            "preprocessing": self.preprocessing,
            "versions": self.versions,
            "protocol": {"version": QUICK_VERSION, "digest": self.protocol.digest},
            "photographs": len(self.protocol.photographs),
            "transformations": len(self.protocol.transforms),
            "quick_accuracy": {name: round(getattr(accuracy, name), 6) for name in ("value", "low", "high")},
            "correct": self._packed,
        }

    def write(self, path: Path) -> None:
        """Write the result file.

        Raises:
            BadConfig: the content is not valid, for example because no author is given.
        """
        text = json.dumps(self.content, indent=1) + "\n"
        try:
            _parse(text.encode(), self.protocol)
        except ValueError as error:
            raise BadConfig(f"The result cannot be written to '{path}' because {error}.") from error
        write_atomically(path, text.encode())

    @classmethod
    def read(cls, path: Path, protocol: QuickProtocol) -> BoardEntry:
        """Read a result file.

        Raises:
            BadConfig: the file is not a valid result for ``protocol``. The message is one sentence.
        """
        try:
            if not path.is_file():
                raise ValueError("it is not a file")
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
            return _parse(path.read_bytes(), protocol)
        except (OSError, ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else one_line(error)
            raise BadConfig(f"{path.name!r:.100} is not a valid result because {reason.rstrip('.')}.") from error


WEIGHTS = ("source", "revision", "sha256")

TEXTS: dict[str, re.Pattern[str] | None] = {
    "model": MODEL_NAME,
    "family": None,
    "objective": None,
    "license": None,
    "date": None,
    "computed_by": None,
    "source": None,
    "revision": REVISION,
    "sha256": SHA256,
}
"""Texts of a result file -> the only pattern that is allowed, or None for any printable text."""

SECTIONS = ("weights", "versions", "protocol", "quick_accuracy")
COUNTS = ("format", "dim", "photographs", "transformations")
KEYS = {*TEXTS, *SECTIONS, *COUNTS, "preprocessing", "correct"} - {*WEIGHTS}


def _parse(content: bytes, protocol: QuickProtocol) -> BoardEntry:
    """Parse the content of a result file.

    Raises:
        ValueError: the content is invalid. The message completes the sentence "because ...".
    """
    entry = _object(content)
    if entry.get("format") != ENTRY_FORMAT:
        raise ValueError(f"its format is {entry.get('format')!r:.20} instead of {ENTRY_FORMAT}")
    _require_keys("the file", entry, KEYS)
    for name in COUNTS:
        _require(type(entry[name]) is int and entry[name] > 0, f"'{name}' is not a positive integer")
    for name in SECTIONS:
        _require(isinstance(entry[name], dict), f"'{name}' is not an object")
    _require_protocol(entry, protocol)
    _require_keys("'weights'", entry["weights"], WEIGHTS)
    texts = {name: _text(name, (entry["weights"] if name in WEIGHTS else entry)[name]) for name in TEXTS}
    _require(bool(texts["computed_by"].strip()), "'computed_by' is empty")
    _require(_is_date(texts["date"]), f"'date' is not a date such as {date(2026, 1, 31)}")
    tomorrow = (date.today() + timedelta(days=1)).isoformat()  # it may be tomorrow elsewhere
    _require(texts["date"] <= tomorrow, "'date' is in the future")
    _require(entry["dim"] <= MAX_DIM, f"'dim' is larger than {MAX_DIM:,}")
    _require(isinstance(entry["preprocessing"], dict | None), "'preprocessing' is neither an object nor null")
    _require(len(entry["versions"]) <= MAX_VERSIONS, f"'versions' has more than {MAX_VERSIONS} libraries")
    parsed = BoardEntry(
        **texts,
        dim=entry["dim"],
        preprocessing=entry["preprocessing"],
        versions={_text("versions", name): _text("versions", text) for name, text in entry["versions"].items()},
        protocol=protocol,
        correct=_answers(entry["correct"], protocol),
    )
    _require_accuracy(entry["quick_accuracy"], parsed.sums.sums.value)
    return parsed


def _object(content: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _require(len(dict(pairs)) == len(pairs), "an entry occurs twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    def integer(digits: str) -> int:
        _require(len(digits) <= MAX_DIGITS, f"a number has more than {MAX_DIGITS} digits")
        return int(digits)

    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    try:
        entry = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_int=integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (line {error.lineno})") from None
    _require(isinstance(entry, dict), "it is not a JSON object")
    return entry


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _require_keys(what: str, content: Mapping[str, Any], names: Collection[str]) -> None:
    missing, unknown = sorted({*names} - {*content}), sorted({*content} - {*names})
    _require(not missing, f"{what} has no entry {', '.join(missing)}")
    _require(not unknown, f"{what} has the unknown entry {unknown[:1]!r:.60}")


def _require_protocol(entry: Mapping[str, Any], protocol: QuickProtocol) -> None:
    _require_keys("'protocol'", entry["protocol"], ("version", "digest"))
    version = entry["protocol"]["version"]
    known = type(version) is int and version == QUICK_VERSION
    _require(known, f"its protocol has version {version!r:.20} instead of {QUICK_VERSION}")
    differs = "it was computed with other photographs or transformations"
    _require(entry["protocol"]["digest"] == protocol.digest, differs)
    counts = len(protocol.photographs), len(protocol.transforms)
    stated = entry["photographs"], entry["transformations"]
    expected = f"{counts[0]} photographs and {counts[1]} transformations"
    _require(
        stated == counts, f"it states {stated[0]} photographs and {stated[1]} transformations instead of {expected}"
    )


def _text(name: str, text: Any) -> str:
    _require(isinstance(text, str), f"'{name}' is not a text")
    _require(len(text) <= MAX_TEXT, f"'{name}' has more than {MAX_TEXT} characters")
    pattern = TEXTS.get(name)
    allowed = text.isprintable() and not set("<>") & set(text) if pattern is None else pattern.fullmatch(text)
    _require(bool(allowed), f"'{name}' contains characters that are not allowed")
    return text


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _answers(text: Any, protocol: QuickProtocol) -> np.ndarray:
    shape = len(protocol.photographs), len(protocol.transforms)
    count = shape[0] * shape[1]
    _require(isinstance(text, str), "'correct' is not a text")
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except ValueError:
        raise ValueError("'correct' is not Base64") from None
    _require(len(packed) == -(-count // 8), f"'correct' does not have {count:,} answers")
    bits = np.unpackbits(packed)
    _require(not bits[count:].any(), f"'correct' has more than {count:,} answers")
    return bits[:count].reshape(shape).astype(bool)


def _require_accuracy(stated: Mapping[str, Any], value: float) -> None:
    _require_keys("'quick_accuracy'", stated, ("value", "low", "high"))
    numbers = [stated[name] for name in ("low", "value", "high")]
    _require(all(type(number) in (int, float) for number in numbers), "'quick_accuracy' is not three numbers")
    _require(0 <= numbers[0] <= numbers[1] <= numbers[2] <= 1, "the interval of 'quick_accuracy' is not possible")
    matches = abs(numbers[1] - value) <= ROUNDING
    _require(matches, f"its accuracy is {numbers[1]:.6f}, but its answers have the accuracy {value:.6f}")

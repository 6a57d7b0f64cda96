"""Puts finished trainings into the zoo to come: their weights, their gates and their cards.

    python -m lab.pretraining.publish TRAINING... --corpus parquet:FILE

Each TRAINING is a folder that `python -m lab.pretraining` has finished. The files of seed 0 go to ``data/zoo/next``,
those of other seeds to ``data/zoo/seeds`` (``zoo/mae@seed=1``); no list of models shows either. The command
may be given again: it writes the same files. The corpus must be the one of the trainings, with
the splits pretrain, train and val.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.pretraining.card import model_card
from lab.pretraining.fine_gate import UNTRAINED, measure_fine
from lab.pretraining.gate import Gate, measure
from lab.pretraining.loop import ENCODER_FILE, Facts, read_facts, read_log
from probing_core.corpora import open_corpus
from probing_core.corpora.base import Corpus
from probing_core.errors import BadRun, ProbingError
from probing_core.measures.notation import in_percent
from probing_core.models.base import LoadedEmbedder
from probing_core.models.zoo import LICENSE, Architecture, ViTEmbedder, architecture_of, load_zoo, next_weights_path
from probing_core.run.store import write_atomically

NEEDED = {"supervised": 20.0, "clip": 20.0}
"""Objective -> points over the untrained network that its gate asks for."""

NEEDED_ELSE = 10.0

MAX_BYTES, MAX_BYTES_WITH_TEXT = 6_500_000, 9_000_000
"""Bytes of a file of weights."""

WITH_TEXT = ("clip", "align", "clip-plain", "align-plain")
"""Encoders whose file also holds the tower of the words that they learned with."""


def publish(trainings: Sequence[Path], corpus: Corpus) -> dict[str, Gate]:
    """Write the weights and the card of each of ``trainings``; return the gates by full name.

    Transformed pictures are made once for all of them.

    Raises:
        BadRun: a training is not finished or damaged, its weights are larger than the zoo allows, or architectures
            differ.
        BadCorpus: the corpus lacks a split that the gate needs.
    """
    facts = {path: _check(path) for path in trainings}
    logs = {path: read_log(path) for path in trainings}
    architectures = {f.architecture for f in facts.values()}
    if len(architectures) != 1:
        raise BadRun(
            f"One call publishes encoders of one architecture; these have: {', '.join(sorted(architectures))}."
        )
    architecture = architecture_of({"architecture": architectures.pop()})
    trained = {_name(fact): _trained(path, fact) for path, fact in facts.items()}
    fine = measure_fine(trained, [_untrained(architecture, seed) for seed in range(UNTRAINED)], corpus)
    gates = {}
    for path, fact in facts.items():
        name, needed = _name(fact), NEEDED.get(fact.recipe["objective"], NEEDED_ELSE)
        gates[name] = measure(trained[name], _untrained(architecture, fact.seed), corpus, needed, fine[name])
        _write(path, fact, logs[path], gates[name], architecture)
    return gates


def _name(facts: Facts) -> str:
    return facts.recipe["name"] + (f"@seed={facts.seed}" if facts.seed else "")


def _weights(training: Path) -> Path:
    return training / ENCODER_FILE


def _trained(training: Path, facts: Facts) -> LoadedEmbedder:
    return load_zoo(_weights(training), f"zoo/{_name(facts)}", {}, "auto", "auto")


def _untrained(architecture: Architecture, seed: int) -> LoadedEmbedder:
    vit = architecture.init(seed)
    return ViTEmbedder(f"untrained@seed={seed}", vit, {}, "auto", "auto", architecture=architecture.description)


def _check(training: Path) -> Facts:
    source = _weights(training)
    if not source.is_file():
        raise BadRun(f"'{training}' holds no finished training; `python -m lab.pretraining` goes on with it.")
    facts = read_facts(training)
    largest = MAX_BYTES_WITH_TEXT if facts.recipe["name"] in WITH_TEXT else MAX_BYTES
    size = source.stat().st_size
    if size > largest:
        raise BadRun(f"'{source}' has {size:,} bytes; the zoo allows {largest:,}.")
    return facts


def _write(training: Path, facts: Facts, log: list[dict[str, float]], gate: Gate, architecture: Architecture) -> None:
    content = _weights(training).read_bytes()
    card = model_card(
        facts,
        log,
        gate,
        network=architecture.description,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        license_line=LICENSE,
    )
    path = next_weights_path(facts.recipe["name"], facts.seed)
    write_atomically(path, content)
    write_atomically(path.with_suffix(".md"), card.encode())


def _line(gate: Gate) -> str:
    fine = gate.fine.trained
    return (
        f"gate {'passed' if gate.passed else 'NOT passed'}; content {gate.margin:+.1f} points (needs {gate.needed:g}); "
        f"fine {in_percent(fine.value, 1)} ({100 * fine.low:.1f} to {100 * fine.high:.1f}), "
        f"untrained {in_percent(gate.fine.reference, 1)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", nargs="+", type=Path, help="a folder of `python -m lab.pretraining`")
    parser.add_argument("--corpus", required=True, help="as for `python -m lab.pretraining`")
    arguments = parser.parse_args()
    try:
        for name, gate in publish(arguments.training, open_corpus(arguments.corpus)).items():
            print(f"{name}: {_line(gate)}")
    except ProbingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Puts a finished training into the zoo: its weights, its gate and its card.

    python -m probing_core.pretraining.publish TRAINING... --corpus parquet:FILE

Each TRAINING is a folder that `probing pretrain` has finished. The command may be given again: it writes the same
files. The corpus must be the one of the training, with the splits pretrain, train and val.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from probing_core.corpora import open_corpus
from probing_core.corpora.base import Corpus
from probing_core.embedders import load_embedder
from probing_core.embedders.zoo.specs import LICENSE, WITH_TEXT, load_zoo, weights_path
from probing_core.errors import BadRun, ProbingError
from probing_core.pretraining.card import model_card
from probing_core.pretraining.gate import Gate, measure
from probing_core.pretraining.loop import read_facts, read_log
from probing_core.runs.store import write_atomically

NEEDED = {"supervised": 20.0, "clip": 20.0}
"""Objective -> points over the untrained network that its gate asks for."""

NEEDED_ELSE = 10.0

LARGEST, LARGEST_WITH_TEXT = 6_500_000, 9_000_000
"""Bytes of a file of weights."""


def publish(training: Path, corpus: Corpus) -> Gate:
    """Writes ``data/zoo/<name>.safetensors`` and ``.md`` from the folder ``training``; returns the gate.

    Raises:
        BadRun: the training is not finished, or its weights are larger than the zoo allows.
        BadCorpus: the corpus lacks a split that the gate needs.
    """
    source = training / "encoder.safetensors"
    if not source.is_file():
        raise BadRun(f"'{training}' holds no finished training; `probing pretrain` goes on with it.")
    facts, log = read_facts(training), read_log(training)
    name, objective = facts.recipe["name"], facts.recipe["objective"]
    content = source.read_bytes()
    largest = LARGEST_WITH_TEXT if name in WITH_TEXT else LARGEST
    if len(content) > largest:
        raise BadRun(f"'{source}' has {len(content):,} bytes; the zoo allows {largest:,}.")

    trained = load_zoo(source, f"zoo/{name}", {}, "auto", "auto")
    untrained = load_embedder(f"baseline/random-vit@seed={facts.seed}")
    gate = measure(trained, untrained, corpus, NEEDED.get(objective, NEEDED_ELSE))
    sha256 = hashlib.sha256(content).hexdigest()
    card = model_card(facts, log, gate, sha256=sha256, size=len(content), license_line=LICENSE)
    write_atomically(weights_path(name), content)
    write_atomically(weights_path(name).with_suffix(".md"), card.encode())
    return gate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", nargs="+", type=Path, help="a folder of `probing pretrain`")
    parser.add_argument("--corpus", required=True, help="as for `probing pretrain`")
    arguments = parser.parse_args()
    try:
        corpus = open_corpus(arguments.corpus)
        for training in arguments.training:
            gate = publish(training, corpus)
            verdict = "passed" if gate.passed else "NOT passed"
            print(f"{training.name}: gate {verdict}, {gate.margin:+.1f} points (needs {gate.needed:g})")
    except ProbingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

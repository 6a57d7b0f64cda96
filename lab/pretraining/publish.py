"""Add finished training runs to the next version of the zoo: weights, quality gates and model cards.

    python -m lab.pretraining.publish TRAINING... --corpus parquet:FILE

Each TRAINING is the output folder of a finished `python -m lab.pretraining`. Files of seed 0 are written to
``data/zoo/next``, and files of other seeds to ``data/zoo/seeds`` (``zoo/mae@seed=1``). Lists of models contain neither.
The command can be repeated and writes the same files again. The corpus must be the corpus of the training runs, with
the splits pretrain, train and val.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lab.devtools.commands import errors_in_a_line, parser_of
from lab.pretraining.gate import NEIGHBORS, UNTRAINED, Gate, measure, measure_fine
from lab.pretraining.loop import ENCODER_FILE, FLOP_BUDGET, Facts, read_facts, read_log
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadRun
from probing_core.measures.notation import in_percent
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.zoo import ZOO_LICENSE, weights_path
from probing_core.models.zoo_network import DESCRIPTION, ViTEmbedder, init_vit, load_zoo
from probing_core.run.files import write_atomically

POINTS = 12
BARS = "▁▂▃▄▅▆▇█"

FROM_LABELS = "Its captions are built from labels, in the style of CLIP and ALIGN but with far less language."

LIMITS = {
    "simclr": "Its views change color, sharpness and gray, as does the bank of transformations, so it was "
    "trained to ignore part of what is probed; `zoo/simclr-matched` was not.",
    "can": "Its views change color, sharpness and gray, and its noise is in the bank: part of what is probed "
    "was in its training, to be ignored or to be predicted. Its noise term differs from the paper's: it predicts one "
    "band of the noise from the tokens themselves, and noise is up to five times as strong.",
    "clip": f"{FROM_LABELS} They name the style, which teaches style directly; claims about image-text models are "
    "tested on `zoo/clip-plain`.",
    "align": f"{FROM_LABELS} They name the style, which teaches style directly; claims about image-text models are "
    "tested on `zoo/align-plain`.",
    "clip-plain": FROM_LABELS,
    "align-plain": FROM_LABELS,
}
"""Recipe -> remark that is only in its model card."""

LEARNED_NOISE = 0.98
"""Noise error at the end of CAN below which its noise term counts as learned; 1 is that of predicting no noise."""


def model_card(
    facts: Facts,
    log: list[dict[str, float]],
    gate: Gate,
    *,
    network: str,
    sha256: str,
    size: int,
    license_line: str,
) -> str:
    """Return the model card as Markdown.

    Args:
        facts, log: of the training.
        network: what the encoder is made of, in words.
        sha256, size: of the file of weights, in hex and bytes.
        license_line: on what terms the weights may be used.
    """
    recipe = facts.recipe
    losses = np.array([line["loss"] for line in log])
    views = ", ".join(f"{k} {_text(v)}" for k, v in recipe["views"].items() if k == "scale" or np.any(v))
    options = ", ".join(f"{name} {_text(value)}" for name, value in recipe["options"].items())
    reserved = ("loss", "step", "gradient_norm", "rate")
    terms = [name for name in log[-1] if name not in reserved]
    last = f" Final values of its terms: {', '.join(f'{n} {log[-1][n]:.3f}' for n in terms)}." if terms else ""
    return (
        f"""# zoo/{recipe["name"]}{f"@seed={facts.seed}" if facts.seed else ""}

{recipe["summary"][0].upper()}{recipe["summary"][1:]}.

| | |
| --- | --- |
| network | {network}; mean of the patch tokens (192 numbers) |
| images | {facts.pictures:,}, of Caltech-101 and PACS (the split `pretrain`, which no probe uses) |
| steps | {facts.steps:,} of {facts.batch} images: {facts.images_seen:,} images seen, \
{facts.images_seen / facts.pictures:.0f} times each |
| operations | {facts.steps * facts.flops_per_step:.2e} FLOP, forward and backward \
({facts.flops_per_step / facts.batch / 1e9:.2f} GFLOP per image; the zoo's budget is {FLOP_BUDGET:.1e}) |
| objective | {options} |
| views | {views} |
| optimizer | AdamW, rate {recipe["learning_rate"]:g} (warm-up {in_percent(recipe["warm_up"])}, then cosine to 0), \
weight decay {recipe["weight_decay"]:g}, betas {recipe["betas"][0]} and {recipe["betas"][1]}, \
gradient clipped at {recipe["clip"]:g} |
| seed, precision | {facts.seed}, {facts.precision} on {facts.device}, torch {facts.torch} |
| weights | {size / 1e6:.2f} MB, half precision, SHA-256 `{sha256}` |
| terms | {license_line} |

## Gate

Linear content accuracy, probe `train` ({gate.train:,} images) to `val` ({gate.val:,}), {gate.classes} labels \
that were in pretraining:

| | this encoder | the same network, untrained | difference |
| --- | --- | --- | --- |
| linear probe | {gate.linear:.1f}% | {gate.linear_untrained:.1f}% | {gate.margin:+.1f} percentage points |
| {NEIGHBORS} nearest neighbors | {gate.knn:.1f}% | {gate.knn_untrained:.1f}% | \
{gate.knn - gate.knn_untrained:+.1f} percentage points |

The gate requires {gate.needed:g} percentage points with the linear probe: **{_passed(gate.content_passed)}**.

{_fine(gate)}

## Loss

`{sparkline(losses)}` from {losses[:POINTS].mean():.3f} to {losses[-POINTS:].mean():.3f}.{last}

| step | {" | ".join(str(int(edge)) for edge in _edges(len(losses))[1:])} |
| --- |{" --- |" * (len(_edges(len(losses))) - 1)}
| mean loss since the previous column | {" | ".join(f"{value:.3f}" for value in _means(losses))} |

## Limits

A small network trained on thirteen thousand images, for comparing objectives under equal conditions, not for use as a
general encoder. There is one training with one seed: a difference between two encoders is a difference between two
weight files, not necessarily between their objectives. {LIMITS.get(recipe["name"], "")}{_noise(log)}
""".rstrip()
        + "\n"
    )


def _fine(gate: Gate) -> str:
    fine = gate.fine
    seeds = ", ".join(f"{100 * value:.1f}" for value in fine.untrained)
    return (
        f"Fine task ({fine.classes} classes), balanced accuracy on {fine.trained.clusters} photographs of `val`: "
        f"{in_percent(fine.trained.value, 1)} ({100 * fine.trained.low:.1f} to {100 * fine.trained.high:.1f}); the "
        f"same network untrained, {len(fine.untrained)} seeds: {seeds}%. The gate requires the whole interval to be "
        f"above their mean, {in_percent(fine.reference, 1)}: **{_passed(fine.passed)}**."
    )


def _passed(passed: bool) -> str:
    return "passed" if passed else "not passed"


def _noise(log: list[dict[str, float]]) -> str:
    """Return a sentence on whether the noise term was learned, where the objective has one; else an empty string."""
    if "noise" not in log[-1]:
        return ""
    last = float(np.mean([line["noise"] for line in log[-POINTS:]]))
    learned = "was partly learned" if last < LEARNED_NOISE else "was not learned"
    return f" Its noise term ended at {last:.3f}, where predicting no noise gives 1: it {learned}."


def sparkline(values: np.ndarray) -> str:
    """Return the means of up to forty stretches of ``values`` as bars, the lowest and the highest filling the range."""
    means = np.array([part.mean() for part in np.array_split(values, min(40, len(values)))])
    span = np.ptp(means) or 1.0
    return "".join(BARS[int(level)] for level in (means - means.min()) / span * (len(BARS) - 1))


def _edges(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n, POINTS + 1).round())


def _means(losses: np.ndarray) -> list[float]:
    edges = _edges(len(losses)).astype(int)
    return [float(losses[a:b].mean()) for a, b in itertools.pairwise(edges)]


def _text(value: object) -> str:
    return " to ".join(map(str, value)) if isinstance(value, list) and len(value) == 2 else str(value)


NEEDED = {"supervised": 20.0, "clip": 20.0}
"""Objective -> percentage points by which its content accuracy must exceed that of the untrained network."""

NEEDED_ELSE = 10.0

MAX_BYTES, MAX_BYTES_WITH_TEXT = 6_500_000, 9_000_000
"""Maximum size of a file of weights in bytes."""

WITH_TEXT = ("clip", "align", "clip-plain", "align-plain")
"""Encoders whose file also contains the text tower."""


def publish(trainings: Sequence[Path], corpus: Corpus) -> dict[str, Gate]:
    """Write the weights and the card of each of ``trainings``; return the gates by full name.

    Transformed pictures are made once for all of them.

    Raises:
        BadRun: a training is not finished or damaged, or its weights are larger than the zoo allows.
        BadCorpus: the corpus lacks a split that the gate needs.
    """
    facts = {path: _check(path) for path in trainings}
    logs = {path: read_log(path) for path in trainings}
    trained = {_name(fact): _trained(path, fact) for path, fact in facts.items()}
    fine = measure_fine(trained, [_untrained(seed) for seed in range(UNTRAINED)], corpus)
    gates = {}
    for path, fact in facts.items():
        name, needed = _name(fact), NEEDED.get(fact.recipe["objective"], NEEDED_ELSE)
        gates[name] = measure(trained[name], _untrained(fact.seed), corpus, needed, fine[name])
        _write(path, fact, logs[path], gates[name])
    return gates


def _name(facts: Facts) -> str:
    return facts.recipe["name"] + (f"@seed={facts.seed}" if facts.seed else "")


def _weights(training: Path) -> Path:
    return training / ENCODER_FILE


def _trained(training: Path, facts: Facts) -> LoadedEmbedder:
    return load_zoo(_weights(training), f"zoo/{_name(facts)}", {}, "auto", "auto")


def _untrained(seed: int) -> LoadedEmbedder:
    return ViTEmbedder(f"untrained@seed={seed}", init_vit(seed), {}, "auto", "auto")


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


def _write(training: Path, facts: Facts, log: list[dict[str, float]], gate: Gate) -> None:
    content = _weights(training).read_bytes()
    card = model_card(
        facts,
        log,
        gate,
        network=DESCRIPTION,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        license_line=ZOO_LICENSE,
    )
    path = weights_path(facts.recipe["name"], facts.seed)
    if not facts.seed:
        path = path.parent / "next" / path.name
    write_atomically(path, content)
    write_atomically(path.with_suffix(".md"), card.encode())


def _line(gate: Gate) -> str:
    fine = gate.fine.trained
    return (
        f"gate {'passed' if gate.passed else 'NOT passed'}; content {gate.margin:+.1f} points (needs {gate.needed:g}); "
        f"fine {in_percent(fine.value, 1)} ({100 * fine.low:.1f} to {100 * fine.high:.1f}), "
        f"untrained {in_percent(gate.fine.reference, 1)}"
    )


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("training", nargs="+", type=Path, help="output folder of `python -m lab.pretraining`")
    parser.add_argument("--corpus", required=True, help="corpus of the training runs")
    arguments = parser.parse_args()
    for name, gate in publish(arguments.training, open_corpus(arguments.corpus)).items():
        print(f"{name}: {_line(gate)}")


if __name__ == "__main__":
    sys.exit(main())

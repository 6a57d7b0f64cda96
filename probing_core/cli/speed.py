"""How fast this machine makes samples and embeds them: ``python -m probing_core.cli.speed --models a,b`` prints JSON.

A few pictures of the packaged corpus tell hours from minutes; what else the machine does meanwhile counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from probing_core.cli.arguments import name_list, natural
from probing_core.errors import ProbingError, one_line

PICTURES = 3
"""Under every transformation each."""

BATCH = 16
"""Pictures of one timed embedding; a model is warmed up by as many."""


def measure(models: Sequence[str], view: int, transforms: Sequence[str], device: str = "auto") -> dict[str, Any]:
    """Makes and embeds a few pictures.

    Returns:
        ``cores``; ``make_s``: seconds a sample on one core; ``models``: name -> ``load_s`` and ``embed_s`` (seconds a
        sample, on all cores or the device) with ``dim``, or ``error``: why it cannot be used.
    """
    pictures, make_s = _make(view, transforms)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"cores": cores, "make_s": make_s, "models": {m: _embed(m, pictures, device) for m in models}}


def _make(view: int, transforms: Sequence[str]) -> tuple[list[Any], float]:
    from probing_core.corpora import open_corpus
    from probing_core.transforms import cut_pair, generator, prepare_source, resolve

    corpus = open_corpus("photos")
    ids = corpus.rows["image_id"].iloc[:: len(corpus.rows) // PICTURES][:PICTURES]
    entries = [resolve(name).for_split("train") for name in transforms]
    sources = [prepare_source(corpus.load(i), view) for i in ids]
    for transform in entries:  # networks and fonts are loaded once in a run
        cut_pair(sources[0], view, transform, transform.strength_at(0.5), generator(0, "speed", transform.name))
    started, made = time.perf_counter(), []
    for source in sources:
        for transform in entries:
            made.append(
                cut_pair(source, view, transform, transform.strength_at(0.5), generator(0, "speed", transform.name))[1]
            )
    return made, (time.perf_counter() - started) / len(made)


def _embed(model: str, pictures: list[Any], device: str) -> dict[str, Any]:
    from probing_core.embedders import load_embedder

    batch = (pictures * -(-BATCH // len(pictures)))[:BATCH]
    try:
        started = time.perf_counter()
        embedder = load_embedder(model, device=device)
        loaded = time.perf_counter()
        embedder.embed_layers(batch)
        warm = time.perf_counter()
        dim = sum(array.shape[1] for array in embedder.embed_layers(batch).values())
        took = time.perf_counter() - warm
        embedder.close()
    except ProbingError as error:
        return {"error": one_line(error)}
    return {"load_s": loaded - started, "embed_s": took / BATCH, "dim": dim}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m probing_core.cli.speed", description=__doc__)
    parser.add_argument("--models", type=name_list, required=True)
    parser.add_argument("--transforms", type=name_list, required=True)
    parser.add_argument("--view", type=natural, default=128)
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(measure(options.models, options.view, options.transforms)))
    except ProbingError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Process that is ready to estimate the duration of the quick protocol before the model is known.

``python -m probing_core.cli.waiting_estimate BASE`` imports the libraries and computes the samples, which takes longer
than the estimate itself. It then reads a model name from standard input, and prints the estimate or the error as
``probing rank MODEL --base BASE --estimate`` does. The process ends if it receives no name, or if standard input is
closed because the dashboard has ended.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from probing_core.api.rank_estimate import RankEstimator
from probing_core.cli import load_plugins
from probing_core.cli.shared import add_plugin, fail, print_text, running, write_utf8
from probing_core.errors import ProbingError
from probing_core.models.compiled import NotCompiled, openvino_core
from probing_core.run.step_times import step_times

IDLE_S = 900.0
"""Time in seconds after which a process that has received no name ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in the command line
    write_utf8()
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=Path)
    add_plugin(parser, "Python file to run first")
    options = parser.parse_args(arguments)
    idle = threading.Timer(IDLE_S, os._exit, [0])
    idle.daemon = True
    idle.start()
    try:
        load_plugins(options)
        _import_libraries()
        estimator = RankEstimator(options.base)
        name = sys.stdin.readline().strip()
        idle.cancel()
        if name:
            with running(name) as (model,):
                estimate = estimator.estimate(model)
            print_text(estimate)
    except ProbingError as error:
        return fail(error)
    return 0


def _import_libraries() -> None:
    with suppress(ImportError):
        import timm  # noqa: F401  # also imports torch and torchvision
    with suppress(NotCompiled):
        openvino_core()
    step_times()  # times this machine
    gc.freeze()  # later collections do not examine the objects of the libraries


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # removing all objects would take half a second

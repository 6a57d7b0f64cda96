"""Exceptions for invalid input and missing resources, with a common base class.

A message states what went wrong and how to fix it. The dashboard shows the message. The command line prints it after
``error:`` and exits with code 2. A hint names a command, option or package that helps. Hints are only shown on the
command line and in tracebacks.
"""

from __future__ import annotations

import re


class ProbingError(Exception):
    """Base class for errors that users can fix.

    Args:
        message: what went wrong and how to fix it. It must not contain commands, because web pages show it.
        hint: sentence that names a command, option or package that helps.

    Examples:
        >>> try:
        ...     probing_core.load_embedder("resnet")
        ... except probing_core.ProbingError as error:
        ...     print(type(error).__name__)
        UnknownName
    """

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(hint)


class UnknownName(ProbingError):
    """An unknown name, for example of a model, transformation or task."""


class BadConfig(ProbingError):
    """An invalid recipe, option or argument."""


class BadImage(ProbingError):
    """An image that cannot be read or exceeds a size limit."""


class BadCorpus(ProbingError):
    """A corpus that cannot be read or has too few images."""


class BadArray(ProbingError):
    """Arrays with inconsistent shapes or invalid values."""


class ModelUnavailable(ProbingError):
    """A model that cannot be loaded because its weights, a required library, or network access is missing."""


class BadRun(ProbingError):
    """A run directory that is missing, corrupted, in use, or created with a different recipe."""


class RunBusy(BadRun):
    """A run that another process is writing to."""


CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Pattern of control characters, with which a name could change the colors or the title of a terminal."""


def without_controls(text: str) -> str:
    """Replace control characters, except tabs and line breaks, with question marks.

    Names of files and names in stored data may contain any characters.
    """
    return CONTROLS.sub("?", text)


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line, or the name of its type if the message is empty."""
    return without_controls(" ".join(str(error).split())) or type(error).__name__

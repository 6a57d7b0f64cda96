"""Exceptions for invalid input and missing resources, with a common base class.

A message says what went wrong and how to fix it. The command line prints it after ``error:`` and exits with 2, and the
dashboard shows it. A hint is a command, option or package that helps; only the command line and tracebacks show it.
"""

from __future__ import annotations


class ProbingError(Exception):
    """Base class of errors that the user can fix.

    Args:
        message: what went wrong and how to fix it, without commands, since web pages show it.
        hint: a command, option or package that helps, as a sentence.

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
    """A name that is not in the catalog."""


class BadConfig(ProbingError):
    """A recipe or an option with an invalid value."""


class BadImage(ProbingError):
    """An image that cannot be read or exceeds a size limit."""


class BadCorpus(ProbingError):
    """A corpus that cannot be read or has too few images."""


class BadArray(ProbingError):
    """Arrays with inconsistent shapes or invalid values."""


class ModelUnavailable(ProbingError):
    """A model that cannot be loaded because its weights, a required library, or network access is missing."""


class BadRun(ProbingError):
    """A run directory that is missing, corrupted, in use, or from a different recipe."""


class RunBusy(BadRun):
    """A run that another process is writing to."""


def one_line(error: BaseException) -> str:
    """Return the message of ``error`` on one line, for errors that wrap an exception of another library."""
    return " ".join(str(error).split()) or type(error).__name__

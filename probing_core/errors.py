"""One family of errors, so that a caller can separate bad input from a bug.

Every message is one sentence: what was expected, what arrived and how to mend it. The CLI prints it after ``error:``
and exits with 2; a page shows it unchanged.
"""

from __future__ import annotations


class ProbingError(Exception):
    """Something the user can mend. Its text is one plain sentence."""


class UnknownName(ProbingError):
    """A name that no catalog entry has."""


class BadConfig(ProbingError):
    """A recipe or an option whose value cannot be used."""


class BadImage(ProbingError):
    """A picture that cannot be read or is over a limit."""


class BadCorpus(ProbingError):
    """A corpus that cannot be read, or holds too little for what was asked."""


class BadArray(ProbingError):
    """Arrays whose shapes do not fit together, or that hold what a probe or a measure cannot use."""


class ModelUnavailable(ProbingError):
    """A model whose weights, library or network access is missing."""


class BadRun(ProbingError):
    """A run directory that is missing, damaged, in use, or made by another recipe."""


class RunBusy(BadRun):
    """Another process is writing to the run."""


def one_line(error: BaseException) -> str:
    """Return the text of ``error`` on one line, for messages that wrap another library's exception."""
    return " ".join(str(error).split()) or type(error).__name__

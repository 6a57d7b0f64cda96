"""Results that are displayed as tables in terminals and notebooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

import pandas as pd

from probing_core.measures.notation import text_table


class TitledTable(ABC):
    """Base class for results whose `repr` and HTML representation consist of a title, a table and notes."""

    @property
    @abstractmethod
    def _title(self) -> str: ...

    @property
    @abstractmethod
    def _formatted(self) -> pd.DataFrame: ...

    @property
    @abstractmethod
    def _notes(self) -> list[str]: ...

    def __str__(self) -> str:
        return "\n".join((self._title, text_table(self._formatted), *self._notes))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self._formatted.to_html(index=False, border=0, na_rep="")
        return f"<p>{escape(self._title)}</p>{table}{'<br>'.join(map(escape, self._notes))}"

"""``reference``: the photographs that ship with the project, which no encoder of the zoo saw in pretraining."""

from __future__ import annotations

from probing_core.corpora.base import CorpusKind
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus
from probing_core.paths import PHOTOGRAPHS, PHOTOGRAPHS_LICENSE, reference_run


class ReferenceCorpus(ParquetCorpus):
    """The shipped photographs of Caltech-101.

    A run over it has the transformations and repetitions of the run that ships, so that its scores are comparable.
    ``rows`` gains ``source``, who published the picture and where. The pictures are one row group, which stays in
    memory once one of them is read.

    Raises:
        BadCorpus: the file is not there.
    """

    def __init__(self) -> None:
        path = reference_run() / PHOTOGRAPHS
        if not path.is_file():
            raise BadCorpus(
                f"The photographs that ship are missing; expected the file {path}: install the package again, or "
                f"fetch the file anew with git."
            )
        super().__init__(path)
        self.name = "reference"
        self.recipe = {"transforms": ("bank", "far-styles"), "repetitions": 3}
        self.rows["source"] = self._file.read(["source"])["source"].to_numpy()
        self.description = (
            f"{len(self.rows)} color photographs of {self.rows['label'].nunique()} classes of Caltech-101 that no "
            f"encoder of the zoo saw in pretraining"
        )


KIND = CorpusKind(
    name="reference",
    description="Color photographs of Caltech-101 that ship with the project; no encoder of the zoo learned from them.",
    license=f"CC BY 4.0, as the publisher states it; authors and source are in {PHOTOGRAPHS_LICENSE}",
    open=lambda argument: ReferenceCorpus(),
)

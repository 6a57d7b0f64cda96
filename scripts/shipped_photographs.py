"""Writes the photographs that ship, ``data/reference/photographs.parquet``, from a corpus that has them.

    python -m scripts.shipped_photographs CORPUS.parquet [--out FILE]

CORPUS.parquet has the columns that ``parquet:`` reads, and ``source``. Of its rows those are taken which the reference
run may use at its view, which are of Caltech-101, and whose class no encoder of the zoo saw in pretraining. The
pictures listed in `EXCLUDED` are left out, each for the reason that its tuple states; the encoded bytes of the others
are taken over unchanged. The same corpus gives the same bytes under the same release of pyarrow.

A picture is taken down by adding its id to `TAKEN_DOWN`; the next release ships without it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from devtools.command import errors_in_a_line
from probing_core.corpora.base import NOT_FOR_PROBES
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus
from probing_core.paths import PHOTOGRAPHS, reference_run
from probing_core.runs.atomic import write_atomically
from probing_core.transforms.view import source_side

COLLECTION = "caltech101"
"""The value of the column ``source`` of Caltech-101 in the corpus, and the first part of its ids."""

SOURCE = "Caltech 101 (Li, Andreeto, Ranzato and Perona, 2022), CaltechDATA, https://doi.org/10.22002/D1.20086"
LICENSE = "CC BY 4.0, https://data.caltech.edu/records/mzrjq-6wc02"

VIEW = 128
"""The view of the reference run; it states the smallest side of a source."""

PEOPLE, TRADEMARKS = ("Faces", "Faces_easy"), ("garfield", "snoopy")
"""Classes of Caltech-101 that are never shipped: portraits, and figures that are somebody's trademark."""

COPYRIGHT_NOTICES = (
    "caltech101/07a31da7d2d8",  # barrel
    "caltech101/182e098158ba",  # bonsai
    "caltech101/15710c004c14",  # dragonfly
    "caltech101/ba085efb6bae",
    "caltech101/6f490e0f0a05",  # emu
    "caltech101/7aacea615fc1",
    "caltech101/0346c71cd8af",  # flamingo
    "caltech101/42844ea2ca38",
    "caltech101/5f42e865c70f",
    "caltech101/ebfdc5c7a09e",
    "caltech101/27afc48859a7",  # flamingo_head
    "caltech101/0e9277e92daa",  # hawksbill
    "caltech101/bf3a8c8fa6b3",
    "caltech101/ce35dfdbfa06",
    "caltech101/04b9d33aabd9",  # llama
    "caltech101/adb50e6f8dd5",
    "caltech101/cfd78837a9ed",
    "caltech101/4a901e3ef7db",  # mayfly
    "caltech101/8f9aae182dbe",
    "caltech101/c0814cd70992",
    "caltech101/d701743a7d88",
    "caltech101/f45f7df4d13a",  # nautilus
    "caltech101/2eb84ad7bbd7",  # sea_horse
    "caltech101/539f851ff1d2",
    "caltech101/08c64c620aa6",  # stegosaurus
    "caltech101/b0d6cac7425e",  # sunflower
)
"""A notice in the picture claims the copyright for somebody else, which the publisher's license cannot overrule."""

PICTURE_SERVICES = (
    "caltech101/49002bc103ed",  # FotoClipart, flamingo_head
    "caltech101/b7a92719819f",  # Webshots, hawksbill
    "caltech101/fb3fc64db1f7",  # Webshots, menorah
    "caltech101/655055a1ae8f",  # Getty Images, sea_horse
)
"""The picture carries the mark of a service that sells or licenses pictures."""

PERSONS = (
    "caltech101/834f7c06fc85",  # bass
    "caltech101/7f488bfc279f",  # bonsai
    "caltech101/f3534a4683d1",
    "caltech101/85e34baf7007",  # flamingo
    "caltech101/e0491ffeaa0d",
    "caltech101/0721737582e2",  # llama
    "caltech101/b9a7205f0cde",
    "caltech101/e3a57a90a4bf",
    "caltech101/b7850a4cea2e",  # sea_horse
)
"""The face of a person can be recognized."""

BRANDS = (
    "caltech101/b40741029b7d",  # a school, bonsai
    "caltech101/0b7a8f9157fa",  # a shop, dolphin
    "caltech101/2868249bf7a5",  # the screen of an operating system, dolphin
    "caltech101/a55f270c88d2",  # a university's newsletter, llama
    "caltech101/0147e18dc5be",  # the cover of a record, sea_horse
    "caltech101/3c88ca4c3961",  # a maker of staplers
    "caltech101/9cf65fceb38f",
    "caltech101/bb135ba7acea",  # a game, stegosaurus
    "caltech101/e324bc16e5b1",  # a television series, stegosaurus
    "caltech101/c38eaa96779c",  # the label of a crate, sunflower
    "caltech101/d65593f130b8",
)
"""The picture is the advertisement, screen, cover or label of somebody whose trademark it shows."""

TAKEN_DOWN: tuple[str, ...] = ()
"""Somebody who holds rights in the picture, or is shown in it, asked for it."""

EXCLUDED = {
    "with a copyright notice": COPYRIGHT_NOTICES,
    "with the mark of a picture service": PICTURE_SERVICES,
    "with a face": PERSONS,
    "with a trademark": BRANDS,
    "taken down": TAKEN_DOWN,
}
"""Why pictures are left out -> their ids. All 973 were looked at, at their own size."""

COLUMNS = ("image_id", "image", "width", "height", "label", "split", "style", "held_out_class")
"""What is taken over from the corpus; ``source`` and ``license`` join."""


@dataclass(frozen=True)
class Shipped:
    """What ships, and what was left out.

    Attributes:
        table: one row a picture, in the order of the corpus.
        chosen: number of pictures that the rules chose.
        excluded: reason -> number of those that were left out for it.
    """

    table: pa.Table
    chosen: int
    excluded: dict[str, int]


def choose(path: Path, excluded: dict[str, tuple[str, ...]] = EXCLUDED) -> Shipped:
    """Return the photographs of the corpus at ``path`` that ship.

    Args:
        path: a Parquet file with the columns that ``parquet:`` reads, and ``source``.
        excluded: why pictures are left out -> their ids.

    Raises:
        BadCorpus: the corpus cannot be read, lacks a column, gives a class that is never shipped, or has no picture
            of an excluded id, which then may be misspelled.
    """
    rows = ParquetCorpus(path).rows
    table = pq.read_table(path)
    missing = [name for name in (*COLUMNS, "source") if name not in table.column_names]
    if missing:
        raise BadCorpus(f"{path.name} lacks {', '.join(missing)}; expected {', '.join((*COLUMNS, 'source'))}.")
    chosen = (
        rows["color"]
        & rows["geometry"]
        & rows["held_out_class"]
        & ~rows["split"].isin(NOT_FOR_PROBES)
        & (rows[["width", "height"]].min(axis=1) >= source_side(VIEW))
        & (table["source"].to_pandas() == COLLECTION)
    )
    never = sorted(set(rows["label"][chosen]) & {*PEOPLE, *TRADEMARKS})
    if never:
        raise BadCorpus(f"{path.name} would give pictures of {', '.join(never)}; expected none of these classes.")
    leave = [image_id for ids in excluded.values() for image_id in ids]
    unknown = sorted(set(leave) - set(rows["image_id"][chosen]))
    if unknown:
        raise BadCorpus(f"{path.name} has no '{unknown[0]}' among what is chosen; mend the id in {__name__}.")
    kept = (chosen & ~rows["image_id"].isin(leave)).to_numpy()
    return Shipped(
        _columns(table.filter(pa.array(kept))), int(chosen.sum()), {why: len(ids) for why, ids in excluded.items()}
    )


def _columns(table: pa.Table) -> pa.Table:
    """Return ``table`` with the columns that ship, without metadata of whoever wrote it."""
    same = {"source": SOURCE, "license": LICENSE}
    columns = {
        name: table[name].cast(pa.string()) if pa.types.is_large_string(table.schema.field(name).type) else table[name]
        for name in COLUMNS
    }
    return pa.table(columns | {name: pa.array([text] * len(table), pa.string()) for name, text in same.items()})


def encoded(table: pa.Table) -> bytes:
    """Return ``table`` as a Parquet file of one row group, so that it is read once for all pictures."""
    text = [field.name for field in table.schema if pa.types.is_string(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(len(table), 1),
        compression={name: "none" if name == "image" else "zstd" for name in table.column_names},
        use_dictionary=text,
        write_statistics=text,  # of pictures they would be two pictures more
        store_schema=False,
    )
    return sink.getvalue().to_pybytes()


@errors_in_a_line
def write(corpus: Path, out: Path) -> None:
    """Write the file at ``out`` and print what it holds."""
    shipped = choose(corpus)
    content = encoded(shipped.table)
    write_atomically(out, content)
    print(
        f"{shipped.chosen} photographs chosen; left out:",
        ", ".join(f"{n} {why}" for why, n in shipped.excluded.items()),
    )
    counts = pd.crosstab(shipped.table["label"].to_pandas(), shipped.table["split"].to_pandas(), margins=True)
    print(counts[["train", "val", "test", "All"]].to_string())
    print(f"{out}: {len(shipped.table)} photographs, {len(content) / 1e6:.1f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="CORPUS.parquet")
    parser.add_argument("--out", type=Path, default=reference_run() / PHOTOGRAPHS, help="default: where it ships")
    options = parser.parse_args()
    return write(options.corpus, options.out)


if __name__ == "__main__":
    sys.exit(main())

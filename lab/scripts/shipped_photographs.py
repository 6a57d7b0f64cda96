"""Write the included photographs, ``data/reference/photographs.parquet``.

    python -m lab.scripts.shipped_photographs CORPUS.parquet [--out FILE] [--further FILE]

CORPUS.parquet has the columns that ``parquet:`` reads, and ``source``. The script selects images from Caltech-101 that
the reference run can use at its view size, and whose class was not used to train the zoo encoders. Images listed in
`EXCLUDED` are omitted for the reason stated there. The encoded bytes of all other images are copied unchanged. Images
that show the same photograph (`SAME_PHOTOGRAPH`) have the same ``base_id``. With the same release of pyarrow, the same
corpus results in the same bytes.

``--further`` writes the photographs of all other classes. They are not included in the package; the detector of the
reference run is trained and calibrated on them (``--calibrate-on``). They have no class in common with the included
photographs, so they contain no copies of these photographs.

To remove an image, add its id to `TAKEN_DOWN`. The next release will not include it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lab.devtools.commands import errors_in_a_line, parser_of
from probing_core.corpora.corpus import NOT_FOR_PROBES
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus
from probing_core.paths import PHOTOGRAPHS_FILE, reference_run
from probing_core.run.files import write_atomically
from probing_core.transforms.view import source_side

COLLECTION = "caltech101"
"""Value of the column ``source`` of Caltech-101 in the corpus, and the first part of its ids."""

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

COPIES = (
    "caltech101/482a31be797b",  # bonsai
    "caltech101/65dbb0a1f583",
    "caltech101/93e08aed9e93",
    "caltech101/0140df220664",  # cougar_body
    "caltech101/05e512890b53",
    "caltech101/46a6c859cd67",
    "caltech101/7ed2d37c7405",
    "caltech101/dacdfb9cc7be",
    "caltech101/03104a03c0b4",  # emu
    "caltech101/4ec9a9e96f25",
    "caltech101/1207ac5a3e4f",  # flamingo
    "caltech101/8a5c9c9a418e",
    "caltech101/a8f76d3a37ea",
    "caltech101/0fbfde17b314",  # flamingo_head
    "caltech101/19fce227f3d9",
    "caltech101/24f263fdede9",
    "caltech101/346c76d1966f",
    "caltech101/41c535399986",
    "caltech101/5e242538fedb",
    "caltech101/8e2679c8e0db",
    "caltech101/9358f7a73f3e",
    "caltech101/b16de6484e90",
    "caltech101/c2ccd42b3d10",
    "caltech101/f13dffccedad",
    "caltech101/4ba57c460f3f",  # hawksbill
    "caltech101/89aa2b9a0dad",
    "caltech101/2d6176e833b0",  # hedgehog
    "caltech101/4ff2b407ef67",
    "caltech101/23f854f9be48",  # llama
    "caltech101/2a34b283c168",  # mayfly
    "caltech101/7f1114ad6651",  # menorah
    "caltech101/15b1b44fb46a",  # minaret
    "caltech101/92de3a9b50b0",
    "caltech101/120218c19d12",  # pyramid
    "caltech101/46cccefc6414",  # sunflower
)
"""The same photograph is in another split, which has fewer pictures: what is tested must not have been learned from.

Of each row of `SAME_PHOTOGRAPH` the pictures of one split ship: of val if it has one, else of test, else of train."""

SAME_PHOTOGRAPH = (
    ("caltech101/9baf6ce7f185", "caltech101/c2a855d98ec2"),  # barrel
    ("caltech101/1f36775c45ff", "caltech101/93e08aed9e93"),  # bonsai
    ("caltech101/482a31be797b", "caltech101/5c80b9087391"),
    ("caltech101/65dbb0a1f583", "caltech101/a7569caea0d1"),
    (  # cougar_body
        "caltech101/0140df220664",
        "caltech101/05e512890b53",
        "caltech101/5f4553bf74f6",
        "caltech101/7ed2d37c7405",
    ),
    ("caltech101/090c3167b231", "caltech101/46a6c859cd67"),
    ("caltech101/5c457c71604b", "caltech101/dacdfb9cc7be"),
    ("caltech101/31fdd3e6a7a3", "caltech101/bc57f97df900"),  # dolphin
    ("caltech101/03104a03c0b4", "caltech101/12d5a7dafa8c"),  # emu
    ("caltech101/4ec9a9e96f25", "caltech101/fb94ae7794b4"),
    ("caltech101/0fbfde17b314", "caltech101/ad0e6a2bcbe0"),  # flamingo/flamingo_head
    ("caltech101/1207ac5a3e4f", "caltech101/692ae2b9b6f2"),
    ("caltech101/19fce227f3d9", "caltech101/a5a08ed09fab"),
    ("caltech101/1d635c3ffa8c", "caltech101/827dfa325251"),
    ("caltech101/239f833b6e0a", "caltech101/851f9d314b90"),
    ("caltech101/24f263fdede9", "caltech101/4145ad86082d"),
    ("caltech101/2d7d2e5ca4c5", "caltech101/a8f76d3a37ea"),
    ("caltech101/346c76d1966f", "caltech101/f081a7c4daaa"),
    ("caltech101/41c535399986", "caltech101/88dff5ae112e"),
    ("caltech101/5e242538fedb", "caltech101/7bb60b274376"),
    ("caltech101/6ee0dde58f71", "caltech101/f13dffccedad"),
    (
        "caltech101/8a5c9c9a418e",
        "caltech101/c2ccd42b3d10",
        "caltech101/ca509bd0fc12",
    ),
    ("caltech101/8e2679c8e0db", "caltech101/fd627001c3c0"),
    ("caltech101/9334d39642a6", "caltech101/fd8a7e276a46"),
    ("caltech101/9408fb83c2af", "caltech101/a9a6a7021652"),  # flamingo
    ("caltech101/9bc81e5a807d", "caltech101/dbcad0ded670"),  # flamingo/flamingo_head
    ("caltech101/9caa29a52ada", "caltech101/c6c944d8dcd2"),
    ("caltech101/ab3f7c639f97", "caltech101/b16de6484e90"),
    ("caltech101/6095e01133a3", "caltech101/9358f7a73f3e"),  # flamingo_head
    ("caltech101/490ae12ac3da", "caltech101/ac79401d4c27"),  # hawksbill
    ("caltech101/4ba57c460f3f", "caltech101/f351ab3e8e6e"),
    ("caltech101/89aa2b9a0dad", "caltech101/eaac080712eb"),
    ("caltech101/de9469c47e76", "caltech101/ea13b927da22"),
    ("caltech101/e9ff1d34c6a0", "caltech101/fea9296470a3"),
    ("caltech101/0a636b26d3d1", "caltech101/2d6176e833b0"),  # hedgehog
    ("caltech101/4ff2b407ef67", "caltech101/713051ca1172"),
    ("caltech101/23f854f9be48", "caltech101/c7a6ec86e078"),  # llama
    ("caltech101/df389ffe4802", "caltech101/eb3ca41de425"),
    ("caltech101/2a34b283c168", "caltech101/d27f76ada580"),  # mayfly
    ("caltech101/68d869b59af8", "caltech101/9b748f9d09a6"),  # menorah
    ("caltech101/7f1114ad6651", "caltech101/b5a472536366"),
    ("caltech101/0c3f1c09ebc0", "caltech101/15b1b44fb46a"),  # minaret
    ("caltech101/31be1d38babc", "caltech101/ef316375f5de"),
    ("caltech101/92de3a9b50b0", "caltech101/c1dd8590a95d"),
    ("caltech101/120218c19d12", "caltech101/4336c13e51a8"),  # pyramid
    ("caltech101/19c2488ba2f8", "caltech101/e97b2506f38d"),
    ("caltech101/1bafb4ebbf7d", "caltech101/43bcfa3e79e6"),
    ("caltech101/34e7fa5fcd18", "caltech101/d32b7acb20bb"),  # stegosaurus
    ("caltech101/ccdb455dbda0", "caltech101/eae5d00cb10e"),
    ("caltech101/46cccefc6414", "caltech101/bc8cb6f4bdc0"),  # sunflower
)
"""Pictures cut or copied from one photograph: other sizes, crops, mirror images, changed colors or backgrounds.

They were found by matching SIFT features and small copies, and looked at in pairs. Those of a row that ship share
their ``base_id``, which is the first id of them."""

TAKEN_DOWN: tuple[str, ...] = ()
"""Somebody who holds rights in the picture, or is shown in it, asked for it."""

EXCLUDED = {
    "with a copyright notice": COPYRIGHT_NOTICES,
    "with the mark of a picture service": PICTURE_SERVICES,
    "with a face": PERSONS,
    "with a trademark": BRANDS,
    "with a copy in another split": COPIES,
    "taken down": TAKEN_DOWN,
}
"""Why pictures are left out -> their ids. All 973 were looked at, at their own size."""

COLUMNS = ("image_id", "image", "width", "height", "label", "split", "style", "held_out_class")
"""What is taken over from the corpus; ``base_id``, ``source`` and ``license`` join."""


@dataclass(frozen=True)
class Shipped:
    """What ships, and what was left out.

    Attributes:
        table: one row per image, in the order of the corpus.
        chosen: number of pictures that the rules chose.
        excluded: reason -> number of those that were left out for it.
    """

    table: pa.Table
    chosen: int
    excluded: dict[str, int]


def choose(
    path: Path,
    excluded: dict[str, tuple[str, ...]] = EXCLUDED,
    same: tuple[tuple[str, ...], ...] = SAME_PHOTOGRAPH,
) -> Shipped:
    """Return the photographs of the corpus at ``path`` that ship.

    Args:
        path: a Parquet file with the columns that ``parquet:`` reads, and ``source``.
        excluded: why pictures are left out -> their ids.
        same: ids of pictures that show one photograph, a tuple a photograph.

    Raises:
        BadCorpus: the corpus cannot be read, lacks a column, gives a class that is never shipped, or has no picture
            of an id in ``excluded`` or ``same``, which then may be misspelled.
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
    unknown = sorted({*leave, *chain(*same)} - set(rows["image_id"][chosen]))
    if unknown:
        raise BadCorpus(f"{path.name} has no '{unknown[0]}' among what is chosen; mend the id in {__name__}.")
    selected = (chosen & ~rows["image_id"].isin(leave)).to_numpy()
    return Shipped(
        _columns(table.filter(pa.array(selected)), same),
        int(chosen.sum()),
        {reason: len(ids) for reason, ids in excluded.items()},
    )


def detector_photographs(path: Path) -> pa.Table:
    """Return the photographs of the corpus at ``path`` from which the detector of the reference run may learn.

    They are of the classes that encoders saw in pretraining, and no encoder saw these pictures. Those of the split
    test become ``calibrate``: nothing is reported on them.
    """
    rows = ParquetCorpus(path).rows
    chosen = rows["color"] & rows["geometry"] & ~rows["held_out_class"] & ~rows["split"].isin(NOT_FOR_PROBES)
    table = pq.read_table(path).filter(pa.array(chosen.to_numpy()))
    split = ["calibrate" if name == "test" else name for name in table["split"].to_pylist()]
    return pa.table({name: table[name] for name in COLUMNS if name != "split"} | {"split": pa.array(split)})


def _columns(table: pa.Table, same: tuple[tuple[str, ...], ...]) -> pa.Table:
    """Return ``table`` with the columns that ship, without metadata of whoever wrote it."""
    ids = table["image_id"].to_pylist()
    duplicates = [sorted({*photograph} & {*ids}) for photograph in same]
    base = {image_id: pictures[0] for pictures in duplicates for image_id in pictures}
    constants = {"base_id": [base.get(i, i) for i in ids]}
    constants |= {name: [text] * len(ids) for name, text in (("source", SOURCE), ("license", LICENSE))}
    columns = {
        name: table[name].cast(pa.string()) if pa.types.is_large_string(table.schema.field(name).type) else table[name]
        for name in COLUMNS
    }
    return pa.table(columns | {name: pa.array(texts, pa.string()) for name, texts in constants.items()})


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
        write_statistics=text,  # statistics of pictures would contain two pictures more
        store_schema=False,
    )
    return sink.getvalue().to_pybytes()


@errors_in_a_line
def write(corpus: Path, out: Path, others: Path | None = None) -> None:
    """Write the file at ``out``, and the further photographs to ``others``; print what they hold."""
    shipped = choose(corpus)
    content = encoded(shipped.table)
    write_atomically(out, content)
    print(
        f"{shipped.chosen} photographs chosen; left out:",
        ", ".join(f"{n} {reason}" for reason, n in shipped.excluded.items()),
    )
    counts = pd.crosstab(shipped.table["label"].to_pandas(), shipped.table["split"].to_pandas(), margins=True)
    print(counts[["train", "val", "test", "All"]].to_string())
    print(f"{out}: {len(shipped.table)} photographs, {len(content) / 1e6:.1f} MB")
    if others is not None:
        table = detector_photographs(corpus)
        write_atomically(others, encoded(table))
        print(f"{others}: {table['split'].to_pandas().value_counts().to_dict()} further photographs")


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("corpus", type=Path, metavar="CORPUS.parquet")
    parser.add_argument("--out", type=Path, default=reference_run() / PHOTOGRAPHS_FILE, help="default: where it ships")
    parser.add_argument("--further", type=Path, metavar="FILE", help="where those go that the detector learns from")
    options = parser.parse_args()
    return write(options.corpus, options.out, options.further)


if __name__ == "__main__":
    sys.exit(main())

"""The files of a run that each page reads: from a table to the pages that show it.

Beside these, every page reads the recipe and the models (`EVERY_PAGE`), and Methods and data lets every table be looked
at and downloaded. docs/run-format.md has the same by file (`python -m lab.scripts.format_docs`), and the tests of pages
fail where a page reads something else.
"""

from __future__ import annotations

from probing_core.compute.names import DEPLOYMENT, DETECTOR, LAYERS, NOTICING, READINGS
from probing_core.run import layout
from probing_core.run.layout import ANY_MODEL, ANY_TASK

EVERY_PAGE = (layout.RECIPE, layout.model_path(ANY_MODEL))

ALL_TABLES = "Methods and data"
"""The page that shows every table that a run holds, whatever it is."""

_FINE = layout.predictions_path(ANY_MODEL, "fine")
_TASKS = layout.predictions_path(ANY_MODEL, ANY_TASK)
_EMBEDDINGS = layout.embeddings_folder(ANY_MODEL)
_DETECTOR = (layout.DETECTOR_FILE, layout.scored_views_path(DETECTOR))
_LIVE = (
    *(layout.probe_path(ANY_MODEL, name) for name in (DEPLOYMENT, NOTICING)),
    layout.scored_views_path(ANY_MODEL),
)


def _studies(*names: str) -> tuple[str, ...]:
    return tuple(map(layout.table_path, names))


READS = {
    "Overview": (
        layout.IMAGES,
        layout.SAMPLES,
        _FINE,
        _TASKS,
        layout.SCORES,
        layout.FITS,
        layout.CLAIMS,
        layout.CONTRASTS,
        layout.ABLATIONS,
        *_studies("uses"),
    ),
    "Explore": (
        layout.IMAGES,
        layout.SAMPLES,
        _EMBEDDINGS,
        _FINE,
        *_LIVE,
        *_studies("strength", "thresholds"),
    ),
    "Map": (
        layout.IMAGES,
        layout.SAMPLES,
        _EMBEDDINGS,
        _FINE,
        *(layout.map_path(ANY_MODEL, reading) for reading in READINGS),
    ),
    "Confusion": (layout.IMAGES, layout.SAMPLES, _FINE, _TASKS, layout.SCORES),
    "Generalization": (layout.IMAGES, layout.SAMPLES, _TASKS, layout.SCORES),
    "Layers": (
        layout.IMAGES,
        layout.series_table(LAYERS),
        layout.SCORES,
        layout.FITS,
        *_studies("layers"),
    ),
    "Retrieval": (
        layout.IMAGES,
        layout.SAMPLES,
        _EMBEDDINGS,
        *_LIVE[:-1],
        *_studies("duplicates", "layers", "retrieval", "uses", "variance"),
    ),
    "Geometry": (
        layout.IMAGES,
        layout.SAMPLES,
        layout.SCORES,
        *_studies("geometry", "selectivity"),
    ),
    "Try your images": (
        layout.SAMPLES,
        _EMBEDDINGS,
        *_LIVE,
        *_DETECTOR,
        layout.map_path(ANY_MODEL),
    ),
    "You against the models": (layout.SAMPLES, _FINE),
    "Scan": _DETECTOR,
    "New run": (),
    "Transformations": (layout.SAMPLES,),
    "Methods and data": (layout.IMAGES, layout.SAMPLES, layout.FITS),
}
"""Page -> files, as the table of runs (`probing_core.run.graph`) writes their paths."""


def pages_of(path: str) -> tuple[str, ...]:
    """Return the pages that read a file, in the order of the navigation; ``path`` is of a row of the table of runs."""
    return tuple(page for page, files in READS.items() if path in files or path in EVERY_PAGE)

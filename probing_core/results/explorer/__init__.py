"""The explorer: linked maps, a confusion matrix and images, on a page or in a single file for sharing."""

from probing_core.results.explorer.data import ExplorerData, default_models, explorer_data, packed, shared_models
from probing_core.results.explorer.shared_file import SharedFile, with_selection, write_shared_file

__all__ = [
    "ExplorerData",
    "SharedFile",
    "default_models",
    "explorer_data",
    "packed",
    "shared_models",
    "with_selection",
    "write_shared_file",
]

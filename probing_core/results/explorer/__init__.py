"""The explorer: linked views of maps, matrix and pictures, on the page and in one file to send."""

from probing_core.results.explorer.data import ExplorerData, default_models, explorer_data, packed
from probing_core.results.explorer.shared_file import SharedFile, write_shared_file

__all__ = ["ExplorerData", "SharedFile", "default_models", "explorer_data", "packed", "write_shared_file"]

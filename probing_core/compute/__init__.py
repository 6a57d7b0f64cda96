"""Compute the contents of a run from images, arrays and tables. `probing_core.run` reads and writes the files.

Embeddings can be larger than memory (`LazyRows`), and long computations report their progress to a callback.
"""

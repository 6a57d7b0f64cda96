"""Compute the contents of runs from images, arrays and tables, without accessing files.

Embeddings can be larger than memory (`LazyRows`), and long computations report their progress to a callback.
"""

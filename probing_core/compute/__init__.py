"""Functions that compute the contents of a run from images, arrays and tables, without opening files.

Embeddings may be larger than memory (`LazyRows`), and long functions report to a callback.
"""

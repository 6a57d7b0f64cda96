"""Functions of images, arrays and tables that compute the contents of a run; none of them opens a file.

Embeddings may be larger than memory (`LazyRows`), and long functions report to a callback.
"""

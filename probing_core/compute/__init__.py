"""Functions of pictures, arrays and tables that compute the files of a run; none of them opens a file.

Embeddings may be more than memory holds (`LazyRows`), and long functions report to a callback.
"""

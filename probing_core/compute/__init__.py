"""What a run computes, as functions of pictures, arrays and tables: no file, no run, no path.

Embeddings may be more than memory holds (`LazyRows`), and long functions report to a callback.
"""

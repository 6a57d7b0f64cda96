"""Whether two pipelines give the same embeddings: golden pictures, shifts, and which step differs."""

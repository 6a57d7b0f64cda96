"""Public functions that combine corpora, models, runs and the detector."""

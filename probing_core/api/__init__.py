"""Public functions, which combine corpora, models, runs and the detector."""

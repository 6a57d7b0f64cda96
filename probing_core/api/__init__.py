"""The public functions, which combine corpora, models, runs and the detector."""

"""Live predictions for a picture of any size: crops, fusion of their probabilities, novelty, and fitting these."""

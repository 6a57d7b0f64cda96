"""Live answers for a picture of any size: crops, what a probe predicts of them, and how it was altered."""

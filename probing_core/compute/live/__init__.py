"""What is made of a model's probabilities for a picture of any size: crops, their fusion, novelty; and learning it."""

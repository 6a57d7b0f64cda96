"""The bank: thirty transforms and identity in ten groups of three, and the far-unseen style tier."""

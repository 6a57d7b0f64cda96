"""The live answer: what was done to a picture, from its embedding."""

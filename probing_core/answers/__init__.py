"""Convert class probabilities to answers on whether and how an image was edited.

`crops` cuts images and combines the probabilities of their crops, `calibration` fits the posteriors of models,
`reference_sets` compares images with clean photographs, and `answer` computes the answer that pages, commands and
tables show. This package does not depend on runs, files or pages.
"""

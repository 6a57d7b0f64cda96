"""Whether an image was edited, and how: from class probabilities to what a person reads.

`crops` cuts an image and combines the probabilities of its crops, `calibration` fits the posteriors of models,
`reference_sets` compares an image with clean photographs, and `answer` turns class probabilities into the answer that
every page, command and table shows. This package does not depend on runs, files or pages.
"""

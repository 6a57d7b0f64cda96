"""Determine from class probabilities whether and how an image was edited.

`crops` cuts images into crops and combines the probabilities of the crops, `calibration` fits the posteriors of models,
`reference_sets` compares images with clean photographs, and `answer` computes the answer for an image. This package
does not depend on runs, files or the dashboard.
"""

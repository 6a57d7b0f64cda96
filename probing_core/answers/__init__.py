"""Whether an image was edited, and how: from class probabilities to what a person reads.

`crops` cuts an image and joins the probabilities of its crops, `scores` reduces these to one number, `posterior` turns
the number into a probability, `reference_sets` compares it with clean photographs, and `answer` is what every page,
command and table shows. Nothing here knows a run, a file or a page.
"""

"""What verdicts need of a run: a detector of alterations, and scores of untouched and altered photographs.

Runs that name corpora to calibrate on have it; runs that take their probes from another take this over, too.
"""

"""Detection of alterations: features of pixels, the detector that learns from them, and calibrated verdicts."""

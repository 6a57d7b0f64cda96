"""Was this picture altered: features of pixels, the detector that learns from them, and calibrated verdicts.

Models have verdicts, too; what calibrates them is made here.
"""

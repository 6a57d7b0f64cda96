"""Edit detection: image features, the detector and its training, and scores for calibration and evaluation."""

"""Edit detection: image features, a detector that is trained on them, and calibrated scores."""

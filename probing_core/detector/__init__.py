"""Edit detection: image features, the detector trained on them, and calibrated scores."""

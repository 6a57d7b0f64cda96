"""Components with JavaScript code or their own URLs."""

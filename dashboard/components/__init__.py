"""Components with JavaScript of their own, or with an address that the browser fetches."""

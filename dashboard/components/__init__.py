"""Components with JavaScript, or with an address that the browser fetches."""

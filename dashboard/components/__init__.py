"""Components with JavaScript, or with URLs that the browser fetches."""

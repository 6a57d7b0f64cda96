"""What has JavaScript of its own, or an address that the browser fetches."""

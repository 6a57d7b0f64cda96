"""Name the edits between pairs of images by applying candidate edits to the original again."""

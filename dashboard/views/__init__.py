"""The pages, one file each; those that are not in the navigation are parts of Explore or of Try your images."""

"""The pages, one file each; those without a page of their own are parts of Explore or of Try your images."""

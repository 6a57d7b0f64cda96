"""The pages, one file each. The files `try_folder` and `try_game` are tabs of Try your images."""

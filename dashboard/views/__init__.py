"""Pages of the dashboard. The modules `try_folder` and `try_game` are tabs of the "Try your images" page."""

"""Page of `tests.dashboard.upload_server`."""

from dashboard.widgets.upload import upload

upload("Your images", "images", keep=True)

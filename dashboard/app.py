"""The dashboard: ``streamlit run dashboard/app.py``, and ``-- --run DIR`` to open a run from elsewhere.

The file is used in two ways. Streamlit runs it as a script in each visitor's session. The server imports it once, for
``app``, which holds the preparation before the first answer and the addresses that browsers fetch by themselves.
"""

from __future__ import annotations

import sys

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.navigation.page import StreamlitPage

try:
    from dashboard import startup, state
    from dashboard.components import hover, plot, point_map, scan_thumbnails, strength_slider
    from dashboard.data import cache, contact_sheet
    from dashboard.middleware import middleware
    from dashboard.widgets import access, banner, pickers
except ModuleNotFoundError as error:
    if error.name not in ("dashboard", "probing_core"):
        raise
    sys.exit(
        "error: The project is not installed in this Python; run `make demo` (or `pip install -e .`) in its folder "
        "first."
    )

from dashboard.text import PAGES, plain
from probing_core.charts import Theme

STYLE = """<style>
.stMainBlockContainer { padding-top: 3.2rem; padding-bottom: 3rem; max-width: 1500px; }
[data-testid=stImage] { gap: 0.6rem; }
/* Room is kept for pictures on their way: a page that moves when they arrive closes a list that is open. */
[data-testid=stImage] img { aspect-ratio: auto 1; } /* those of runs are squares */
[class*=st-key-strip-] { aspect-ratio: STRIP; overflow: hidden; }
[data-testid=stElementContainer] { transition: none !important; opacity: 1 !important; }
.st-key-tour-closed { display: none; }
.st-key-finding p { font-size: 1.25rem; line-height: 1.5; }
/* Streamlit's own captions, selected segments and slider values have less contrast to the page than the ratio of 4.5
   that WCAG 1.4.3 demands. */
[data-testid=stCaptionContainer] { color: inherit !important; opacity: 0.8; }
button[data-selected=true] p, [data-testid=stSliderThumbValue] p { color: ACCENT; }
/* First answers: a row a model, bars in one scale. */
table.answers { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.answers th, .answers td { text-align: left; font-weight: normal; padding: 3px 10px 3px 0; vertical-align: middle; }
.answers tbody tr { border-top: 1px solid #8883; }
.answers td:last-child, .answers th:last-child { padding-right: 0; width: 28%; }
.answers tbody th { width: 24%; min-width: 7.5em; overflow-wrap: anywhere; }
.answers thead th { opacity: 0.8; } .answers thead [title] { text-decoration: underline dotted; cursor: help; }
.answers .line { display: flex; align-items: center; gap: 10px; min-height: 1.4em; }
.answers .when { flex: 0 0 3.4em; opacity: 0.8; }
.answers .track { flex: 1 1 40%; height: 11px; background: #8882; border-radius: 2px; position: relative; }
.answers .track i { position: absolute; inset-block: 0; border-radius: 2px; }
.answers .first i { width: 10px; height: 10px; border-radius: 2px; }
.answers .words { flex: 1 1 42%; opacity: 0.8; } .answers .sure { opacity: 1; font-weight: 600; }
.answers .scale { flex: 1 1 40%; display: flex; justify-content: space-between; }
.stHtml:has(.answers, .examples) { container-type: inline-size; } /* where it is narrow, words stand below their bar */
@container (max-width: 480px) {
  .answers tbody th { width: 34%; }
  .answers .line { flex-wrap: wrap; gap: 2px 8px; padding-block: 3px; }
  .answers .track, .answers .scale { flex-basis: 100%; } .answers .when { flex-basis: 100%; }
  .examples th, .examples td { padding-right: 8px !important; font-size: 0.82rem; }
}
.awaited { opacity: 0.8; margin-top: 8px; }
table.examples { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.examples th, .examples td { text-align: left; font-weight: normal; padding: 4px 24px 4px 0; }
.examples tbody tr { border-top: 1px solid #8883; } .examples thead th { opacity: 0.8; }
.examples thead [title] { text-decoration: underline dotted; cursor: help; }
.examples img { display: block; border-radius: 4px; }
/* On a narrow screen the navigation takes less of it, controls stand in two columns, and a chart has a row of its
   own. */
@media (max-width: 1000px) {
  [data-testid=stSidebar][data-collapsed=false] { width: 240px !important; min-width: 240px !important; }
  [data-testid=stMainBlockContainer] { padding-inline: 1.2rem; }
  [data-testid=stHorizontalBlock] { flex-wrap: wrap; }
  [data-testid=stColumn] { min-width: min(100%, 240px); }
  [data-testid=stColumn]:has(.stPlotlyChart) { min-width: 100%; }
  /* A matrix of many classes would be unreadable: its width stays, and it scrolls. */
  .st-key-confusion, .st-key-originals { overflow-x: auto; }
  :is(.st-key-confusion, .st-key-originals)::before { SIDEWAYS }
  :is(.st-key-confusion, .st-key-originals) .probing-plot { min-width: 860px; }
  [data-testid=stColumn] [data-testid=stImage] img, [class*=st-key-strip-] { max-width: 320px !important; }
}
/* Tables and charts of a phone take its whole width. */
@media (max-width: 480px) {
  [data-testid=stMainBlockContainer] { padding-inline: 0.8rem; }
  .st-key-title { row-gap: 0 !important; } .st-key-title h1 { padding-bottom: 0; }
  .st-key-profile, .st-key-land, .st-key-members, .st-key-shift-recall, .st-key-settings { overflow-x: auto; }
  :is(.st-key-profile, .st-key-land, .st-key-members, .st-key-shift-recall, .st-key-settings) .probing-plot {
    min-width: 640px;
  }
  :is(.st-key-profile, .st-key-land, .st-key-members, .st-key-shift-recall, .st-key-settings)::before { SIDEWAYS }
  [data-testid=stMetricValue] { font-size: 1.5rem; }
  .examples th, .examples td { padding-right: 10px; }
  [data-testid=stHorizontalBlock]:has([data-testid=stMetric]) > [data-testid=stColumn] { min-width: 45%; }
}
/* On paper: the page alone, from its first line to its last, in the colors that it has. */
@media print {
  * { print-color-adjust: exact; }
  [data-testid=stSidebar], [data-testid=stHeader], [data-testid=stFileUploader], .stDownloadButton, .st-key-tour,
  .modebar-container { display: none !important; }
  html, body, #root, [data-testid=stApp], [data-testid=stAppViewContainer], [data-testid=stMain] {
    position: static !important; height: auto !important; overflow: visible !important; display: block !important;
  }
  .stMainBlockContainer { max-width: none; padding: 0 !important; }
  .stPlotlyChart, [data-testid=stImage], [data-testid=stDataFrame], h2, h3 { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
</style>"""


# Style of what stands above a chart that is wider than the screen. (A string below it would be shown on every page:
# Streamlit writes the expressions of the script that it runs.)
SIDEWAYS = (
    'content: "Wider than the screen: scroll it sideways ↔"; position: sticky; left: 0; width: fit-content; '
    "font-size: 0.85rem; opacity: 0.8; padding-bottom: 4px;"
)


def pages() -> dict[str, list[StreamlitPage]]:
    """Return the pages of the navigation by their headings."""
    return {
        heading: [
            # The first page has no address of its own.
            st.Page(
                one.file,
                title=one.title,
                icon=f":material/{one.icon}:",
                url_path=one.address or None,
                default=not one.address,
            )
            for one in under
        ]
        for heading, under in PAGES.items()
    }


def icon() -> Image.Image:
    """Return the icon of the browser tab as an image; a named icon would be fetched from another server."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    alpha = np.clip((0.8 - np.hypot(x, y)) / (0.1 + 0.5 * (x + 1)), 0, 1)
    color = np.broadcast_to([0, 114, 178], (32, 32, 3))
    return Image.fromarray(np.dstack([color, alpha * 255]).astype(np.uint8))


def main() -> None:
    st.set_page_config(page_icon=icon(), layout="wide")  # first: else a page's own icon is fetched for the tab
    page = st.navigation(pages(), expanded=True)
    st.set_page_config(page_title=f"{page.title} · Probing image embeddings")
    style = STYLE.replace("ACCENT", Theme(dark=cache.is_dark()).accent).replace("SIDEWAYS", SIDEWAYS)
    st.html(style.replace("STRIP", f"{contact_sheet.WIDTH} / {contact_sheet.VIEW}"))
    state.adopt_address()
    pick_run()
    access.show_status()
    banner.show()
    page.run()
    startup.after_first_page()


def pick_run() -> None:
    names = [place.name for place in cache.places() if place.complete]
    if not names:
        return
    shown = pickers.select(
        "Run", state.RUN, names, help="One computation: its corpus, models and settings.", where=st.sidebar
    )
    missing = state.unmet().get(state.RUN)
    if missing and shown == missing.shown and missing.asked not in names:
        st.warning(
            f"There is no run '{plain(missing.asked)}' on this computer, or it is not complete; shown is "
            f"'{plain(shown)}'. `probing demo --run DIR` opens one from elsewhere.",
            icon=":material/error:",
        )


if __name__ == "__main__":
    main()
else:
    app = st.App(
        __file__,
        lifespan=startup.before_serving,
        routes=[
            route for module in (plot, point_map, strength_slider, hover, scan_thumbnails) for route in module.routes()
        ],
        middleware=middleware(),
    )

"""A guided tour for the first visit: five steps to a first insight, each shown on its own page.

Once the visitor closes it, a cookie suppresses it on later visits; that cookie holds nothing else.
"""

from __future__ import annotations

import streamlit as st

STEPS = (
    ("Overview", "views/overview.py", "**What was found.** The sentence on top names the model that knows most about "
     "how a picture was changed. Below, a dot is a score and its bar the 95 % interval; a hollow dot is not "
     "distinguished from the best."),
    ("Confusion", "views/confusion.py", "**What it mistakes.** A dark cell off the diagonal is a change that the model "
     "takes for another one. Choose one to see its pictures."),
    ("Explore", "views/explore.py", "**When it notices.** Move the strength: the curves below show from where on each "
     "model recognizes the change."),
    ("Map", "views/map.py", "**What lies together.** Every point is a picture as a model sees it. Rest on a point to "
     "see the picture, draw a lasso to collect some."),
    ("Try your images", "views/try_images.py", "**Your first insight.** Drop a picture in, or choose a packaged one; "
     "change it below, and see which models notice and which do not."),
)  # fmt: skip


COOKIE = "probing_tour"

_store_closed = st.components.v2.component(
    COOKIE,
    js=f"""export default () => {{
  document.cookie = '{COOKIE}=closed; path=/; max-age=31536000; SameSite=Lax';
}};""",
)


def tour(page: str) -> None:
    """Show the step for ``page`` until the tour is closed; a button of the first page opens it again."""
    first = page == STEPS[0][0]
    step = st.session_state.setdefault("_tour", None if st.context.cookies.get(COOKIE) == "closed" else 0)
    # Shown on other pages too, so that a visitor who left the page of the step finds it again.
    if first and step != 0 and st.button("Show the tour", icon=":material/explore:", type="tertiary", key="tour-again"):
        st.session_state["_tour"] = 0
        st.rerun()
    if st.session_state.get("_tour_closed"):
        with st.container(key="tour-closed"):
            _store_closed(key=COOKIE)
    if step is None or STEPS[step][0] != page:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f"**{step + 1} of {len(STEPS)} · {page}** — {STEPS[step][2]}", width="stretch")
        if step + 1 < len(STEPS):
            following, path, _ = STEPS[step + 1]
            if st.button(f"Next: {following}", key="tour-next"):
                st.session_state["_tour"] = step + 1
                st.switch_page(path)
        if st.button("Close the tour", key="tour-close", type="tertiary"):
            st.session_state["_tour"], st.session_state["_tour_closed"] = None, True
            st.rerun()

"""A command to copy. Streamlit's own block of code loads a highlighter of all languages: 0.6 s of a browser's work."""

from __future__ import annotations

import streamlit as st

_HTML = '<div class="command"><pre tabindex="0"></pre><button type="button">Copy</button></div>'
_CSS = """
.command { display: flex; align-items: start; gap: 8px; padding: 12px; border-radius: 8px; font-size: 14px;
  color: var(--st-text-color); background: var(--st-code-background-color, var(--st-secondary-background-color)); }
pre { flex: 1; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: var(--st-code-font, monospace); }
button { font: inherit; font-family: var(--st-font); color: inherit; background: none; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: 6px; padding: 2px 10px; }
button:hover, button:focus-visible { border-color: var(--st-primary-color); }
"""
_JS = """
export default function({ data, parentElement }) {
  const text = parentElement.querySelector('pre'), button = parentElement.querySelector('button');
  text.textContent = data;
  button.onclick = async () => {
    getSelection().selectAllChildren(text); // by hand from here, where a page may not copy
    const copied = await navigator.clipboard?.writeText(data).then(() => true, () => false);
    button.textContent = copied ? 'Copied' : 'Selected';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  };
}
"""
_component = st.components.v2.component("probing_command", html=_HTML, css=_CSS, js=_JS)


def command(text: str, key: str) -> None:
    """``text`` as it is to be typed into a terminal, with a button that copies it."""
    _component(key=key, data=text)

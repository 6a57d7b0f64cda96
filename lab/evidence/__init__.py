"""Commands that make the measured tables and figures of ``docs/``.

``python -m lab.evidence.NAME`` runs each, and its help says what it needs. Those that need other libraries start a
script beside them with ``uv run``; its header (PEP 723) states the environment.
"""

"""Commands that make the measured tables and figures of ``docs/``.

``python -m lab.evidence.NAME`` runs each; its help says what it needs. Those that need other libraries start a script
of this folder with ``uv run``; its header (PEP 723) states the environment.
"""

"""Commands that compute the measured tables and figures in ``docs/``.

``python -m lab.evidence.NAME --help`` describes the requirements of a command. Commands that need other libraries run a
script in this folder with ``uv run``; the header of the script (PEP 723) defines its environment.
"""

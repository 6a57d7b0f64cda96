"""Model providers.

Modules with ``PREFIXES`` create specs from model names. The other modules define the baselines, and create specs from
functions, networks and arrays.
"""

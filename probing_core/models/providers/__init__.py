"""Providers of models. Modules with ``PREFIXES`` create specs from model names; the other modules define the baselines,
and create specs from functions, networks and arrays."""

"""Helpers that tests, `scripts`, `evidence` and `benchmarks` share; no part of the package that is installed."""

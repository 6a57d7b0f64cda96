"""Helpers for tests, `scripts`, `evidence` and `benchmarks`."""

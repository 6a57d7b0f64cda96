"""Helpers that tests, `scripts`, `evidence` and `benchmarks` share."""

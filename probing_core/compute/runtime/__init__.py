"""Manage processes, threads and memory for computations."""

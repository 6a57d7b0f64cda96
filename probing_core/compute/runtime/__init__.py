"""Processes, threads and memory for computations."""

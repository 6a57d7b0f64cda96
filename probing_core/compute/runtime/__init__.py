"""Processes, threads and memory that computations use."""

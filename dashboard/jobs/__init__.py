"""What is computed beside the pages: the worker process, its estimates, the demo run."""

"""One core for each process of the tests and those that they start: with a test on each core, further threads would
wait for one another for longer than they compute. Set here, since it holds from the import of NumPy and torch on."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in the command line, for tests that ask for more threads

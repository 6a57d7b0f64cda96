"""Entry point of ``python -m probing_core.cli``."""

import sys

from probing_core.cli import main

if __name__ == "__main__":
    sys.exit(main())

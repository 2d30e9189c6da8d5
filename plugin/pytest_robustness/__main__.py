"""The command: ``python -m pytest_robustness``."""

import sys

from pytest_robustness.frontends.command.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The command: ``python -m pytest_robustness``."""

import sys

from pytest_robustness.command.main import main

sys.exit(main())

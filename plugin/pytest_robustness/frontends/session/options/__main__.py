"""Print the table of options of ``docs/options.md``: ``python -m pytest_robustness.frontends.session.options``."""

import sys

from pytest_robustness.frontends.session.options.table import markdown_table

sys.stdout.write(markdown_table())

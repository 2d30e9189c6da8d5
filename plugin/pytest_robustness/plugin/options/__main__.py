"""Print the README's table of options: ``python -m pytest_robustness.plugin.options``."""

import sys

from pytest_robustness.plugin.options.table import readme_table

sys.stdout.write(readme_table())

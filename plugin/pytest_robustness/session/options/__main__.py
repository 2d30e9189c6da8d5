"""Print the README's table of options: ``python -m pytest_robustness.session.options``."""

import sys

from pytest_robustness.session.options.table import readme_table

sys.stdout.write(readme_table())

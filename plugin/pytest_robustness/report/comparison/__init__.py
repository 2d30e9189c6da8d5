"""Reports of the comparison of two runs: the terminal, one page, and JSON."""

"""The command ``pytest-robustness``: a thin layer on pytest with the bundled tests, and on the Python API."""

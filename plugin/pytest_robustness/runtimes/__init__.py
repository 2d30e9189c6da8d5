"""Ways to run models. A new one is a file here that satisfies `pytest_robustness.records.Runtime`."""

"""The suite that judges models; run it anywhere with ``pytest --pyargs robustness_tests``."""

"""Evaluations from Python: the same options, store and findings as a run of pytest, as data frames and charts."""

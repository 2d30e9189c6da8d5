"""Forecast a run: what it would compute, and how long that would take on this machine."""

"""Measurements side by side with what a user would do otherwise; see ``python -m benchmarks``."""

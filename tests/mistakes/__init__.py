"""Mistakes that people make, as data for tests and, by `python -m tests.mistakes`, for a table."""

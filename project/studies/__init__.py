"""Comparisons and figures made of many runs."""

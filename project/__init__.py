"""Fifteen Epochs, the student's half: choose strategies from the lecture's four families in YAML, and train."""

__version__ = "1.0.0"

"""Fifteen Epochs, the instructor's half: take submissions in, rerun them in a sandbox, rank the results."""

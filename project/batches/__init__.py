"""Batches of images that lie in memory, or come from worker processes."""

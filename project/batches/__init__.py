"""Batches of images, from memory or from worker processes."""

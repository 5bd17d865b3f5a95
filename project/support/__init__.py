"""What every room needs and nobody reads: errors, files, progress, precision, compilation, metrics."""

"""From a submission and a seed to a measurement, in sandboxes."""

"""From a submission and a seed to an accuracy, in sandboxes."""

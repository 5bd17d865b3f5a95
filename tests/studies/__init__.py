"""Studies: arms times seeds."""

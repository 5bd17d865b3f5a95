"""The walk from a folder of submissions to a ranking: what is wanted, what is measured, what follows."""

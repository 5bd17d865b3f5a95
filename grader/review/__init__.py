"""What a person adds: points, a look at near-copies, and what each family contributed."""

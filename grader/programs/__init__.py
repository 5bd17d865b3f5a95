"""What runs inside the walls. The rest of the grader imports none of it."""

"""What is kept of a grading: measurements and notes in SQLite, and the submissions themselves."""
